"""Bounded least squares for many right sides of one small matrix, all of them at once.

    x = argmin |A x - b|^2,  0 <= x <= u

A variable is free or stands at one of its bounds. For a given choice the free ones follow from the
normal equations, H x - A'b = y with H = A'A and y = 0 where x is free. The choice is right when no free
variable leaves its bounds and no gradient y draws a fixed one inwards (Karush-Kuhn-Tucker). Block
principal pivoting (J. Judice, F. Pires, Computers & Operations Research 21, 1994) exchanges all
variables that are wrong at once; where their number stops falling it exchanges the worst of them,
and at last single ones, which is finite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Sides = NDArray[np.int8]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

FREE, LOWER, UPPER = 0, -1, 1

_BATCH = 64
"""Systems of one call: their matrices stay in the cache."""
_GUESS_ITERATIONS = 16
"""Steps of the approximate method that find most of the bounds."""
_PATIENCE = 3
"""Rounds without fewer wrong variables before only the worst are exchanged..."""
_LONG_PATIENCE = 30
"""...and before single ones are."""
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
        self._gram: Matrix = matrix.T @ matrix
        # Keeps systems of shapes that are copies of each other solvable; corrections take its effect away again.
        ridge = np.eye(size) * (1e-13 * float(self._gram.diagonal().max()) + 1e-300)
        self._solvable: Matrix = self._gram + ridge
        self._diagonal: Matrix = self._solvable.diagonal().copy()
        self._covariance: Matrix = _doubles(np.linalg.inv(self._solvable))
        self._inverse: Matrix = _doubles(np.linalg.pinv(matrix))
        self._most_rounds = 4 * _LONG_PATIENCE + 4 * size
        weights: Matrix = self._gram.diagonal() / 16 + 1e-300
        relaxed = _doubles(np.linalg.inv(self._gram + np.diag(weights)))
        self.relaxation = Relaxation(matrix, self._inverse, weights, relaxed)
        self._weighted: Matrix = relaxed * weights

    def solve(self, rhs: Matrix, upper: Matrix, start: Bounded | None = None) -> Bounded:
        """The exact solutions for `rhs` `[m, n]` under the bounds `upper` `[m, n]`, from `start` or a guess."""
        x: Matrix = rhs @ self._inverse.T
        unbounded: Mask = self._regular & np.all((x >= -_OUTSIDE) & (x <= upper + _OUTSIDE), axis=1)
        found = Bounded(_clip(x, upper), np.zeros(x.shape, np.int8))
        rows: Rows = np.flatnonzero(~unbounded)
        if len(rows):
            guess = self._guess(rhs[rows], upper[rows]) if start is None else start[rows]
            alone = self._pivot_one(rhs[rows], upper[rows], guess) if len(rows) == 1 else None
            part = alone or self._pivot(rhs[rows], upper[rows], guess)
            found.x[rows], found.sides[rows] = part.x, part.sides
        return found

    def approximate(self, rhs: Matrix, upper: Matrix, iterations: int = 4) -> Matrix:
        """Near the optimum only; see `Relaxation`."""
        return _doubles(self.relaxation.solve(rhs, upper, _clip, iterations))

    def _guess(self, rhs: Matrix, upper: Matrix) -> Bounded:
        one = len(rhs) == 1
        x = self._near(rhs[0], upper[0])[None] if one else self.approximate(rhs, upper, _GUESS_ITERATIONS)
        return Bounded(x, _side(x <= 0, x >= upper))

    def _near(self, b: Matrix, bound: Matrix) -> Matrix:
        """What `approximate` gives for a single row, but for rounding, in fewer and smaller operations."""
        pull = self.relaxation.relaxed @ (b @ self.matrix)
        z = _clip(self._inverse @ b, bound)
        y: Matrix = np.zeros_like(z)
        for _ in range(_GUESS_ITERATIONS):
            x = self._weighted @ (z - y)
            x += pull
            z = y + x
            np.maximum(z, 0.0, out=z)
            np.minimum(z, bound, out=z)
            x -= z
            x *= 1.9
            y += x
        return z

    def _pivot_one(self, rhs: Matrix, upper: Matrix, start: Bounded) -> Bounded | None:
        """`_pivot` of a single row with half of the work around it; None when it does not end soon."""
        b, bound, x, sides = rhs[0], upper[0], start.x[0], start.sides[0]
        noise = _EPSILON * self._norm * (self._norm + float(np.sqrt(b @ b)))
        right = False
        for _ in range(_FEW_ROUNDS):
            free: Mask = sides == FREE
            x = np.where(free, x, bound * (sides > 0))
            step = self._step(b, x, free)
            x = x + step
            drawn = sides * ((self.matrix @ x - b) @ self.matrix)
            wrong: Mask = np.where(free, np.maximum(-x, x - bound) > _OUTSIDE, drawn > noise)
            before, right = right, not wrong.any()
            if right and (before or np.abs(step).max() <= self._settled):
                return Bounded(_clip(x, bound)[None], sides[None])
            sides = np.where(wrong, np.where(free, _side(x < 0, x > 0), FREE), sides)
        return None

    def _step(self, b: Matrix, x: Matrix, free: Mask) -> Matrix:
        """What takes the gradient of the free variables of one row to 0; the others stay. See `_stationary`."""
        descent = (b - self.matrix @ x) @ self.matrix
        held: Rows = (~free).nonzero()[0]
        if 2 * len(held) < len(x) and self._regular:
            rows = self._covariance.take(held, 0)
            step: Matrix = self._covariance @ descent
            step -= np.linalg.solve(rows.take(held, 1), step.take(held)) @ rows
            step[held] = 0.0
        else:
            places: Rows = free.nonzero()[0]
            step = np.zeros_like(x)
            step[places] = np.linalg.solve(self._solvable.take(places, 0).take(places, 1), descent.take(places))
        return step

    def _noise(self, rhs: Matrix) -> Matrix:
        """Rounding of the gradients `[m, 1]`."""
        return np.asarray(_EPSILON * self._norm * (self._norm + np.linalg.norm(rhs, axis=1, keepdims=True)))

    def _pivot(self, rhs: Matrix, upper: Matrix, start: Bounded) -> Bounded:
        """Exchanges variables until every row is right."""
        found = Bounded(start.x.copy(), start.sides.copy())
        patience = _Patience(*rhs.shape)
        right_before: Mask = np.zeros(len(rhs), bool)
        rows: Rows = np.arange(len(rhs))
        noise = self._noise(rhs)
        for _ in range(self._most_rounds):
            x, moved = self._stationary(rhs[rows], upper[rows], found[rows])
            sides = found.sides[rows]
            excess = self._excess(x, rhs[rows], upper[rows], sides, noise[rows])
            right: Mask = np.all(excess <= 0, axis=1)
            exchange = patience.exchange(rows, excess)
            found.x[rows] = x
            found.sides[rows] = np.where(exchange, np.where(sides == FREE, _side(x < 0, x > 0), FREE), sides)
            unsettled = ~right | ((moved > self._settled) & ~right_before[rows])
            right_before[rows] = right
            rows = rows[unsettled]
            if not len(rows):
                break
        found.x = _clip(found.x, upper)
        if len(rows):
            found.x[rows] = self._descend(rhs[rows], upper[rows], found.x[rows])
        return found

    def _stationary(self, rhs: Matrix, upper: Matrix, point: Bounded) -> tuple[Matrix, Matrix]:
        """The point with its fixed variables at their bounds and the gradient of the free ones 0; how far they moved `[m]`."""
        fixed: Mask = point.sides != FREE
        x: Matrix = np.where(fixed, np.where(point.sides == UPPER, upper, 0.0), point.x)
        descent = (rhs - x @ self.matrix.T) @ self.matrix
        step = np.zeros_like(x)
        # The smaller of two systems: the free variables, or the forces that hold the fixed ones.
        hold: Mask = (2 * fixed.sum(axis=1) < x.shape[1]) & self._regular
        if hold.any():
            unheld = descent[hold] @ self._covariance
            forces = _solve_chosen(self._covariance, -unheld, fixed[hold])
            step[hold] = unheld + forces @ self._covariance
        if not hold.all():
            step[~hold] = _solve_chosen(self._solvable, descent[~hold], ~fixed[~hold])
        step[fixed] = 0
        return x + step, np.abs(step).max(axis=1)

    def _excess(self, x: Matrix, rhs: Matrix, upper: Matrix, sides: Sides, noise: Matrix) -> Matrix:
        """How wrong each variable is `[m, n]`, in units of x; positive is wrong."""
        gradient = (x @ self.matrix.T - rhs) @ self.matrix
        outside = np.maximum(-x, x - upper) - _OUTSIDE
        drawn = (np.where(sides == LOWER, -gradient, gradient) - noise) / self._diagonal
        return np.asarray(np.where(sides == FREE, outside, drawn))

    def _descend(self, rhs: Matrix, upper: Matrix, x: Matrix, sweeps: int = 300) -> Matrix:
        """Coordinate descent, for systems so badly conditioned that pivoting does not end; always feasible, never worse."""
        for _ in range(sweeps):
            for column in range(x.shape[1]):
                slope = (rhs - x @ self.matrix.T) @ self.matrix[:, column]
                x[:, column] = np.clip(x[:, column] + slope / self._solvable[column, column], 0, upper[:, column])
        return x


class _Patience:
    """Which wrong variables to exchange, by how long their number has not fallen."""

    def __init__(self, rows: int, size: int) -> None:
        self._fewest: NDArray[np.intp] = np.full(rows, size + 1, np.intp)
        self._waited: NDArray[np.intp] = np.zeros(rows, np.intp)

    def exchange(self, rows: Rows, excess: Matrix) -> Mask:
        wrong: Mask = excess > 0
        count = wrong.sum(axis=1)
        waited = np.where(count < self._fewest[rows], 0, self._waited[rows] + 1)
        self._waited[rows] = waited
        self._fewest[rows] = np.minimum(count, self._fewest[rows])
        if waited.max() <= _PATIENCE:
            return wrong
        worst: Mask = wrong & (excess >= 0.5 * excess.max(axis=1, keepdims=True))
        size = excess.shape[1]
        last: Mask = wrong & (np.arange(size) == size - 1 - wrong[:, ::-1].argmax(axis=1)[:, None])
        late = waited[:, None]
        return np.asarray(np.where(late > _LONG_PATIENCE, last, np.where(late > _PATIENCE, worst, wrong)))


def _doubles(values: NDArray[np.floating[Any]]) -> Matrix:
    return np.asarray(values, np.float64)


def _clip(x: Matrix, upper: Matrix) -> Matrix:
    return np.minimum(np.maximum(x, 0.0), upper)


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
    places: Rows = (~chosen[rows]).argsort(axis=1, kind="stable")[:, :size]
    real: Matrix = chosen[rows[:, None], places].astype(np.float64)
    systems: Matrix = matrix.ravel().take(places[:, :, None] * len(matrix) + places[:, None, :])
    if not real.all():
        systems *= real[:, :, None]
        systems *= real[:, None, :]
        diagonal = np.arange(size)
        systems[:, diagonal, diagonal] += 1 - real
    sides = rhs[rows[:, None], places] * real
    solution[rows[:, None], places] = np.linalg.solve(systems, sides[..., None])[..., 0]
