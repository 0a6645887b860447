"""Bounded least squares for many right sides of one small matrix, all of them at once.

    x = argmin |A x - b|^2,  0 <= x <= u

A variable is free or stands at one of its bounds. For a given choice the free ones follow from the
normal equations, H x - A'b = y with H = A'A and y = 0 where x is free. The choice is right when no free
variable leaves its bounds and no gradient y draws a fixed one inwards (Karush-Kuhn-Tucker). Block
principal pivoting (J. Judice, F. Pires, Computers & Operations Research 21, 1994) exchanges all
variables that are wrong at once; where their number stops falling a search along the step finds a better
point, and at last single variables are exchanged, which is finite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Single = NDArray[np.float32]
Sides = NDArray[np.int8]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

Real = TypeVar("Real", bound=np.floating[Any])

FREE, LOWER, UPPER = 0, -1, 1

_BATCH = 64
"""Systems of one call: their matrices stay in the cache."""
_GUESS_STEPS = 40
"""Steps of the guess that find nearly all of the bounds..."""
_GUESS_STEPS_ONE = 16
"""...and those for a single row, for which a step costs more than its share of many rows."""
_PATIENCE = 2
"""Rounds without fewer wrong variables before the row is searched for a better point..."""
_LONG_PATIENCE = 30
"""...and before single variables are exchanged."""
_SHARES = np.array([1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.005])
"""Shares of a step that a search tries."""
_FEW_ROUNDS = 12
"""Rounds of a single row before it is left to the way of many."""
_EPSILON = float(np.finfo(float).eps)
_OUTSIDE = 1e-12
"""A free variable is wrong when it is further outside its bounds than this."""
_ERROR = 1e-11
"""Error of a solution that refinement aims at."""
_WELL_CONDITIONED = 1e6
"""Condition of A up to which the inverse of H is good enough to correct with."""


@dataclass(slots=True)
class Bounded:
    """Solutions `x` float64 `[m, n]` and `sides` int8 `[m, n]`: each variable is FREE or at its LOWER or UPPER bound."""

    x: Matrix
    sides: Sides

    def __getitem__(self, rows: Rows) -> Bounded:
        return Bounded(self.x[rows], self.sides[rows])


@dataclass(frozen=True, slots=True)
class Chain:
    """Rows of which each adds `carry` times the solution of the one before it to its right side.

    `previous` float64 `[n]` is the solution before the first row. A row is solved again as long as the solution before
    it moves by more than `tolerance`; `carry` is to be small against the smallest singular value of the matrix.
    """

    carry: float
    previous: Matrix
    tolerance: float

    def before(self, x: Matrix) -> Matrix:
        """The solution before each of the rows that have the solutions `x` `[m, n]`."""
        return np.concatenate([self.previous[None], x[:-1]])


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Over-relaxed ADMM with a fixed number of iterations, as Audio2Face-3D's GPU solver runs it.

    z = clip(A^-1 b, 0, u), y = 0, W = diag(A'A) / 16, K = (A'A + W)^-1; then each time
    x = K (W (z - y) + A'b), z = clip(y + x, 0, u), y = y + 1.9 (x - z).

    `matrix` A, `inverse` A^-1, `weights` the diagonal of W and `relaxed` K are arrays of NumPy or of a library that
    computes on a card with the same operators.
    """

    matrix: Any
    inverse: Any
    weights: Any
    relaxed: Any

    def solve(self, rhs: Any, upper: Any, clip: Callable[[Any, Any], Any], iterations: int = 4) -> Any:
        """Solutions for `rhs` `[m, n]` under the bounds `upper` `[m, n]`; `clip(x, u)` takes x to 0..u."""
        gradient = rhs @ self.matrix
        z = clip(rhs @ self.inverse.T, upper)
        y = 0 * z
        for _ in range(iterations):
            x = (self.weights * (z - y) + gradient) @ self.relaxed
            z = clip(y + x, upper)
            y = y + 1.9 * (x - z)
        return z


class BoundedLeastSquares:
    """The problem of one square matrix float64 `[n, n]`; the methods hold no state."""

    def __init__(self, matrix: Matrix) -> None:
        size = len(matrix)
        self.matrix = matrix
        singular = _doubles(np.linalg.svd(matrix, compute_uv=False))
        self.smallest: float = float(singular[-1])
        """Smallest singular value: a change of b by d changes x by no more than d / smallest."""
        self._norm = float(np.linalg.norm(matrix))
        condition = float(singular[0]) / self.smallest if self.smallest > 0 else np.inf
        self._regular = condition < _WELL_CONDITIONED
        # A correction is as exact as the condition of H lets it be; a larger one is made once more.
        self._settled = float(np.clip(_ERROR / (min(condition, 1e12) ** 2 * _EPSILON), 1e-9, 10.0))
        gram: Matrix = matrix.T @ matrix
        # Keeps systems of shapes that are copies of each other solvable; corrections take its effect away again.
        ridge = np.eye(size) * (1e-13 * float(gram.diagonal().max()) + 1e-300)
        self._solvable: Matrix = gram + ridge
        self._diagonal: Matrix = self._solvable.diagonal().copy()
        self._covariance: Matrix = _doubles(np.linalg.inv(self._solvable))
        self._most_rounds = 4 * _LONG_PATIENCE + 4 * size
        inverse: Matrix = _doubles(np.linalg.pinv(matrix))
        weights: Matrix = gram.diagonal() / 16 + 1e-300
        self.relaxation = Relaxation(matrix, inverse, weights, _doubles(np.linalg.inv(gram + np.diag(weights))))
        self._guess = _Guess(matrix, gram, inverse)

    def solve(
        self,
        rhs: Matrix,
        upper: Matrix,
        *,
        start: Bounded | None = None,
        near: Matrix | None = None,
        chain: Chain | None = None,
    ) -> Bounded:
        """The exact solutions for `rhs` `[m, n]` under the bounds `upper` `[m, n]`.

        Args:
            rhs: right sides b.
            upper: bounds u.
            start: where pivoting begins, else at a guess.
            near: `[m, n]`, solutions of similar problems for the guess to begin at.
            chain: the rows follow each other, where they else do not depend on each other.
        """
        if not len(rhs):
            return Bounded(np.zeros_like(rhs), np.zeros(rhs.shape, np.int8))
        if len(rhs) == 1:
            b = rhs[0] + chain.carry * chain.previous if chain else rhs[0]
            return self._solve_one(
                b, upper[0], start or self._guess.one(b, upper[0], None if near is None else near[0])
            )
        return self._pivot(rhs, upper, start or self._guess.many(rhs, upper, near, chain), chain)

    def approximate(self, rhs: Matrix, upper: Matrix) -> Matrix:
        """Near the optimum only; see `Relaxation`."""
        return _doubles(self.relaxation.solve(rhs, upper, _clip))

    def _solve_one(self, b: Matrix, bound: Matrix, start: Bounded) -> Bounded:
        alone = self._pivot_one(b, bound, start.x[0], start.sides[0])
        return alone or self._pivot(b[None], bound[None], start)

    def _pivot_one(self, b: Matrix, bound: Matrix, x: Matrix, sides: Sides) -> Bounded | None:
        """`_pivot` of a single row with half of the work around it; None when it does not end soon."""
        noise = _EPSILON * self._norm * (self._norm + float(np.sqrt(b @ b)))
        right = False
        for _ in range(_FEW_ROUNDS):
            held = sides != FREE
            start = np.where(held, bound * (sides > 0), x)
            step, gradient = self._step(b, start, held)
            x = start + step
            wrong: Mask = np.where(held, sides * gradient > noise, np.maximum(-x, x - bound) > _OUTSIDE)
            before, right = right, not wrong.any()
            if right and (before or np.abs(step).max() <= self._settled):
                return Bounded(_clip(x, bound)[None], sides[None])
            sides = np.where(wrong, np.where(held, FREE, _side(x < 0, x > 0)), sides)
        return None

    def _step(self, b: Matrix, x: Matrix, held: Mask) -> tuple[Matrix, Matrix]:
        """`_stationary` for a single row: its step, and the gradient of the held variables behind it."""
        descent = (b - self.matrix @ x) @ self.matrix
        places: Rows = held.nonzero()[0]
        if 2 * len(places) > len(x) or not self._regular:
            steps, gradients = self._by_freedom(descent[None], held[None])
            return steps[0], gradients[0]
        rows = self._covariance.take(places, 0)
        step: Matrix = self._covariance @ np.where(held, 0.0, descent)
        force = np.linalg.solve(rows.take(places, 1), -step.take(places))
        step += force @ rows
        step[places] = 0.0
        gradient = np.zeros_like(x)
        gradient[places] = force - descent.take(places)
        return step, gradient

    def _noise(self, rhs: Matrix) -> Matrix:
        """Rounding of the gradients `[m, 1]`."""
        return np.asarray(_EPSILON * self._norm * (self._norm + np.linalg.norm(rhs, axis=1, keepdims=True)))

    def _pivot(self, rhs: Matrix, upper: Matrix, start: Bounded, chain: Chain | None = None) -> Bounded:
        """Exchanges variables until every row is right, for the solution before it where they are a chain."""
        found = Bounded(_clip(start.x, upper), start.sides.copy())
        links = _Links(rhs, chain, found.x)
        patience = _Patience(*rhs.shape)
        right_before: Mask = np.zeros(len(rhs), bool)
        open_rows: Mask = np.ones(len(rhs), bool)
        noise = self._noise(rhs)
        for _ in range(self._most_rounds):
            rows = open_rows.nonzero()[0]
            sides = found.sides[rows]
            x, moved, excess = self._round(links.rhs[rows], upper[rows], found[rows], noise[rows])
            right: Mask = ~np.any(excess > 0, axis=1)
            exchange, search = patience.exchange(rows, excess)
            turned = np.where(exchange, np.where(sides == FREE, _side(x < 0, x > 0), FREE), sides)
            if search.any():
                late = rows[search]
                x[search], turned[search] = self._search(links.rhs[late], upper[late], found[late], x[search])
            found.x[rows] = _clip(x, upper[rows])
            found.sides[rows] = turned
            open_rows[rows] = ~right | ((moved > self._settled) & ~right_before[rows])
            right_before[rows] = right
            open_rows |= links.follow(found.x)
            if not open_rows.any():
                return found
        return self._slowly(links, upper, found, int(open_rows.argmax()))

    def _round(self, rhs: Matrix, upper: Matrix, point: Bounded, noise: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Where the gradient of the free variables is 0, how far that is `[m]`, and how wrong each variable is there `[m, n]`.

        The unit of the last is that of x; positive is wrong.
        """
        held: Mask = point.sides != FREE
        start: Matrix = np.where(held, np.where(point.sides == UPPER, upper, 0.0), point.x)
        step, gradient = self._stationary((rhs - start @ self.matrix.T) @ self.matrix, held)
        x = start + step
        drawn = (point.sides * gradient - noise) / self._diagonal
        outside = np.maximum(-x, x - upper) - _OUTSIDE
        return x, np.abs(step).max(axis=1), np.where(held, drawn, outside)

    def _stationary(self, descent: Matrix, held: Mask) -> tuple[Matrix, Matrix]:
        """The step `[m, n]` that takes the gradient of the free variables from `-descent` to 0, and the gradient behind it.

        Of two systems the smaller is solved: that of the free variables, or of the forces that hold the others.
        """
        few: Mask = (2 * held.sum(axis=1) <= held.shape[1]) & self._regular
        if few.all():
            return self._by_forces(descent, held)
        step, gradient = np.empty_like(descent), np.empty_like(descent)
        for rows, way in ((few, self._by_forces), (~few, self._by_freedom)):
            if rows.any():
                step[rows], gradient[rows] = way(descent[rows], held[rows])
        return step, gradient

    def _by_forces(self, descent: Matrix, held: Mask) -> tuple[Matrix, Matrix]:
        step: Matrix = np.where(held, 0.0, descent) @ self._covariance
        forces = _solve_chosen(self._covariance, -step, held)
        step += forces @ self._covariance
        step[held] = 0.0
        return step, np.where(held, forces - descent, 0.0)

    def _by_freedom(self, descent: Matrix, held: Mask) -> tuple[Matrix, Matrix]:
        step = _solve_chosen(self._solvable, descent, ~held)
        return step, np.where(held, step @ self._solvable - descent, 0.0)

    def _search(self, rhs: Matrix, upper: Matrix, point: Bounded, x: Matrix) -> tuple[Matrix, Sides]:
        """The best point on the way from `point` to `x`, bent at the bounds, and who is held there: never worse than before.

        Projected Newton steps (D. Bertsekas, SIAM Journal on Control and Optimization 20, 1982).
        """
        start = _clip(np.where(point.sides == UPPER, upper, np.where(point.sides == LOWER, 0.0, point.x)), upper)
        ways = _clip(start + _SHARES[:, None, None] * (x - start), upper)
        misses = ((ways @ self.matrix.T - rhs) ** 2).sum(axis=2)
        best: Matrix = ways[misses.argmin(axis=0), np.arange(len(rhs))]
        gradient = (best @ self.matrix.T - rhs) @ self.matrix
        return best, _side((best <= 0) & (gradient >= 0), (best >= upper) & (gradient <= 0))

    def _slowly(self, links: _Links, upper: Matrix, found: Bounded, first: int) -> Bounded:
        """The rest of the rows, some of which pivoting did not end for; a chain one by one."""
        if links.chain is None:
            found.x[first:] = self._descend(links.rhs[first:], upper[first:], found.x[first:])
            return found
        for row in range(first, len(upper)):
            links.follow(found.x)
            found.x[row] = self._descend(links.rhs[[row]], upper[[row]], found.x[[row]])[0]
        return found

    def _descend(self, rhs: Matrix, upper: Matrix, x: Matrix, sweeps: int = 300) -> Matrix:
        """Coordinate descent, for systems so badly conditioned that pivoting does not end; always feasible, never worse."""
        for _ in range(sweeps):
            for column in range(x.shape[1]):
                slope = (rhs - x @ self.matrix.T) @ self.matrix[:, column]
                x[:, column] = np.clip(x[:, column] + slope / self._solvable[column, column], 0, upper[:, column])
        return x


class _Links:
    """The right sides `rhs` `[m, n]` of rows, as the solutions before them are known."""

    def __init__(self, own: Matrix, chain: Chain | None, x: Matrix) -> None:
        self.chain = chain
        self._own = own
        self._before: Matrix = chain.before(x) if chain else own
        self.rhs: Matrix = own + chain.carry * self._before if chain else own

    def follow(self, x: Matrix) -> Mask:
        """Takes the solutions `x` over; the rows `[m]` before which one has moved."""
        if self.chain is None:
            return np.zeros(len(x), bool)
        before = self.chain.before(x)
        moved: Mask = np.abs(before - self._before).max(axis=1) > self.chain.tolerance
        self._before[moved] = before[moved]
        self.rhs[moved] = self._own[moved] + self.chain.carry * before[moved]
        return moved


class _Guess:
    """Over-relaxed ADMM in single precision: says which variables stand at a bound, and roughly where the others are.

    x = K (W (z - y) + A'b), v = 1.9 x - 0.9 z + y, z = clip(v, 0, u), y = v - z with W = diag(A'A) / 32, K = (A'A + W)^-1
    (S. Boyd et al., Foundations and Trends in Machine Learning 3, 2011, section 3.4.3).
    """

    def __init__(self, matrix: Matrix, gram: Matrix, inverse: Matrix) -> None:
        weights = gram.diagonal() / 32 + 1e-300
        relaxed = np.linalg.inv(gram + np.diag(weights))
        self._matrix = matrix
        self._weights: Matrix = weights
        self._unbounded: Matrix = np.ascontiguousarray(inverse.T)
        self._pull: Matrix = 1.9 * matrix @ relaxed
        self._pullback: Single = (1.9 * weights[:, None] * relaxed).astype(np.float32)

    def many(self, rhs: Matrix, upper: Matrix, near: Matrix | None, chain: Chain | None) -> Bounded:
        """For rows `[m, n]`, from solutions that are `near`; those of a chain take what the row before them has half-way."""
        steps = _GUESS_STEPS if near is None else _GUESS_STEPS // 2
        bound = upper.astype(np.float32)
        pull = (rhs @ self._pull).astype(np.float32)
        z, y = self._begin(rhs, bound, near)
        if chain:
            z, y = self._steps(z, y, pull, bound, steps // 2)
            pull += ((chain.carry * chain.before(z.astype(np.float64))) @ self._pull).astype(np.float32)
            steps -= steps // 2
        z, y = self._steps(z, y, pull, bound, steps)
        return Bounded(z.astype(np.float64), _side(z <= 0, z >= bound))

    def one(self, b: Matrix, upper: Matrix, near: Matrix | None) -> Bounded:
        """For a row `[n]`, with fewer steps."""
        bound = upper.astype(np.float32)
        z, y = self._begin(b, bound, near)
        steps = _GUESS_STEPS_ONE if near is None else _GUESS_STEPS_ONE // 2
        z, _ = self._steps(z, y, (b @ self._pull).astype(np.float32), bound, steps)
        return Bounded(z.astype(np.float64)[None], _side(z <= 0, z >= bound)[None])

    def _begin(self, rhs: Matrix, bound: Single, near: Matrix | None) -> tuple[Single, Single]:
        """The first z, and y, which at a solution is W^-1 A'(b - A z)."""
        if near is None:
            z = _clip((rhs @ self._unbounded).astype(np.float32), bound)
            return z, np.zeros_like(z)
        z = _clip(near.astype(np.float32), bound)
        return z, ((rhs - near @ self._matrix.T) @ self._matrix / self._weights).astype(np.float32)

    def _steps(self, z: Single, y: Single, pull: Single, bound: Single, steps: int) -> tuple[Single, Single]:
        for _ in range(steps):
            v: Single = np.matmul(z - y, self._pullback)
            v += pull
            z *= -0.9
            v += z
            v += y
            z = _clip(v, bound)
            y = v - z
        return z, y


class _Patience:
    """Which wrong variables to exchange, by how long their number has not fallen."""

    def __init__(self, rows: int, size: int) -> None:
        self._fewest: NDArray[np.intp] = np.full(rows, size + 1, np.intp)
        self._waited: NDArray[np.intp] = np.zeros(rows, np.intp)

    def exchange(self, rows: Rows, excess: Matrix) -> tuple[Mask, Mask]:
        """The variables to exchange `[m, n]`, and the rows `[m]` to search instead."""
        wrong: Mask = excess > 0
        size = excess.shape[1]
        count = wrong.sum(axis=1)
        right = count == 0
        waited = np.where(right | (count < self._fewest[rows]), 0, self._waited[rows] + 1)
        self._waited[rows] = waited
        # A row that is right begins anew when its right side changes.
        self._fewest[rows] = np.where(right, size + 1, np.minimum(count, self._fewest[rows]))
        search: Mask = (waited > _PATIENCE) & (waited <= _LONG_PATIENCE)
        if waited.max() > _LONG_PATIENCE:
            last: Mask = wrong & (np.arange(size) == size - 1 - wrong[:, ::-1].argmax(axis=1)[:, None])
            wrong = np.where(waited[:, None] > _LONG_PATIENCE, last, wrong)
        return wrong, search


def _doubles(values: NDArray[np.floating[Any]]) -> Matrix:
    return np.asarray(values, np.float64)


def _clip(x: NDArray[Real], upper: NDArray[Real]) -> NDArray[Real]:
    clipped: NDArray[Real] = np.minimum(np.maximum(x, 0), upper)
    return clipped


def _side(lower: Mask, upper: Mask) -> Sides:
    return np.where(lower, LOWER, np.where(upper, UPPER, FREE)).astype(np.int8)


def _solve_chosen(matrix: Matrix, rhs: Matrix, chosen: Mask) -> Matrix:
    """For every row the solution of the chosen variables' part of `matrix` `[n, n]`; the others are 0."""
    solution = np.zeros_like(rhs)
    if len(rhs) == 1:
        places: Rows = chosen[0].nonzero()[0]
        solution[0, places] = np.linalg.solve(matrix[places][:, places], rhs[0, places])
        return solution
    counts: Rows = chosen.sum(axis=1)
    order: Rows = counts.argsort(kind="stable")
    for first in range(0, len(order), _BATCH):
        rows = order[first : first + _BATCH]
        size = int(counts[rows[-1]])
        if size:
            _solve_batch(matrix, rhs, chosen, rows, size, solution)
    return solution


def _solve_batch(matrix: Matrix, rhs: Matrix, chosen: Mask, rows: Rows, size: int, solution: Matrix) -> None:
    """One batch of systems of at most `size` variables; smaller ones are filled up with ones on the diagonal."""
    fewest = int(chosen[rows[0]].sum())
    places: Rows = (~chosen[rows]).argsort(axis=1, kind="stable")[:, :size]
    systems: Matrix = matrix.ravel().take(places[:, :, None] * len(matrix) + places[:, None, :])
    sides = rhs[rows[:, None], places]
    if fewest < size:
        # Only what is behind the smallest of the systems can be filling.
        spare: Mask = ~chosen[rows[:, None], places[:, fewest:]]
        systems[:, fewest:][spare] = 0.0
        systems[:, :, fewest:].transpose(0, 2, 1)[spare] = 0.0
        diagonal = np.arange(fewest, size)
        systems[:, diagonal, diagonal] += spare
        sides[:, fewest:][spare] = 0.0
    solution[rows[:, None], places] = np.linalg.solve(systems, sides[..., None])[..., 0]
