"""From moving points to blend-shape weights: the solver of Audio2Face-3D, on the CPU and exact.

With D the displacements of the active shapes on the chosen vertices (a column per shape), n active
shapes and s = (diagonal of the neutral pose's bounding box / template_bb_size)^2

    A = D'D + 0.25 s l1^2 ones(n, n) + 10 s l2 I + 100 s temporal I
        + 10 s symmetry sum over symmetry pairs (e_i - e_j)(e_i - e_j)'
    b = D'(target - neutral) + s temporal x_previous
    x = argmin |A x - b|^2,  0 <= x <= 1

and, where shapes cancel each other, once more with the weaker member of every pair held to 1e-10.
Formulas: NVIDIA Audio2Face-3D SDK 1.0.0 (MIT). The box is that of all vertices, also when only some are
fitted; x_previous is the last solution before multipliers and offsets, 0 at the start of a stream.

The previous frame enters 100 times weaker than its weight stands in A, so a wrong guess of it shrinks at
least that much from frame to frame. A stretch of frames is therefore solved side by side, and those whose
predecessor moved are solved again until none did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face import names as table
from comps.animation.audio2face.bounded import BoundedLeastSquares, Chain, Mask, Matrix, Rows
from comps.animation.audio2face.parameters import BY_NAME, check
from comps.core.errors import UnprocessableError

Points = NDArray[np.floating[Any]]
Pair = tuple[int, int]

_STRETCH = 256
"""Frames that are solved side by side; bounds the memory of a call."""
_UPCAST = 64
"""Frames whose points are made float64 at a time."""
_ERROR = 1e-10
"""Error of a weight that an inexact previous frame may cause."""
_LOOSE = 1e-5
"""The same for the first of two passes, which only compares weights."""
_HELD = 1e-10
"""Upper bound of a shape that its partner cancels."""
_GATHER = 0.8
"""Share of the coordinates that move below which picking them is cheaper than multiplying all."""


@dataclass(frozen=True, slots=True)
class SolverSettings:
    """Weights of the terms, `parameters.SOLVER`; a value out of range is an UnprocessableError that names it."""

    l1: float = 1.0
    l2: float = 3.5
    symmetry: float = 100.0
    temporal: float = 0.0
    template_bb_size: float = 54.7

    def __post_init__(self) -> None:
        for name in ("l1", "l2", "symmetry", "temporal", "template_bb_size"):
            check(BY_NAME[name], getattr(self, name))


SKIN = SolverSettings()
"""Defaults of the face."""
TONGUE = SolverSettings(temporal=5.0, template_bb_size=7.9358663)
"""Defaults of the tongue."""


@dataclass(frozen=True, slots=True)
class Poses:
    """Which shapes take part, and which belong together; one entry per shape of the rig.

    In `cancel` and `symmetry` -1 is no pair, and any other number occurs exactly twice. A pair with an inactive member counts
    for nothing. Raises UnprocessableError.
    """

    active: tuple[bool, ...]
    cancel: tuple[int, ...]
    symmetry: tuple[int, ...]

    def __post_init__(self) -> None:
        if not any(self.active):
            raise UnprocessableError("no pose is active", param="active_poses")
        for name, ids in (("cancel_poses", self.cancel), ("symmetry_poses", self.symmetry)):
            if len(ids) != len(self.active):
                raise UnprocessableError(f"{name} has {len(ids)} entries for {len(self.active)} shapes", param=name)
            _pairs(ids, name)

    @classmethod
    def named(
        cls,
        names: Sequence[str],
        active: Mapping[str, int] = table.ACTIVE_POSES,
        cancel: Mapping[str, int] = table.CANCEL_POSES,
        symmetry: Mapping[str, int] = table.SYMMETRY_POSES,
    ) -> Poses:
        """The poses of shapes by name, from a file's tables; a shape without a row is active and in no pair."""
        return cls(
            tuple(bool(active.get(name, 1)) for name in names),
            tuple(cancel.get(name, table.NO_PAIR) for name in names),
            tuple(symmetry.get(name, table.NO_PAIR) for name in names),
        )

    def indices(self) -> list[int]:
        """The active shapes."""
        return [index for index, active in enumerate(self.active) if active]

    def cancel_pairs(self) -> list[Pair]:
        """Pairs of places among the active shapes, the earlier first."""
        return self._active_pairs(self.cancel, "cancel_poses")

    def symmetry_pairs(self) -> list[Pair]:
        """Pairs of places among the active shapes, the earlier first."""
        return self._active_pairs(self.symmetry, "symmetry_poses")

    def _active_pairs(self, ids: tuple[int, ...], name: str) -> list[Pair]:
        place = {shape: place for place, shape in enumerate(self.indices())}
        return sorted((place[i], place[j]) for i, j in _pairs(ids, name) if i in place and j in place)


class BlendshapeSolver:
    """One rig and its settings, for any number of streams.

    Args:
        neutral: points of the neutral pose `[v, 3]`, in mesh units.
        shapes: displacements of every shape from it `[n, v, 3]`.
        poses: which of the shapes take part.
        settings: weights of the terms.
        vertices: indices of the vertices to fit; None fits all.
        exact: False runs the fixed-iteration approximation of the original's GPU path instead.

    Raises UnprocessableError for arrays that do not fit together or are not finite.
    """

    def __init__(
        self,
        neutral: Points,
        shapes: Points,
        poses: Poses,
        settings: SolverSettings = SKIN,
        *,
        vertices: Sequence[int] | Rows | None = None,
        exact: bool = True,
    ) -> None:
        _check_rig(neutral, shapes, poses)
        self.shapes = len(shapes)
        self.points = neutral.shape
        self.active = np.array(poses.indices(), np.intp)
        self.exact = exact
        chosen = np.zeros(len(neutral), bool)
        chosen[_vertices(vertices, len(neutral))] = True
        displacements: Matrix = (
            np.where(chosen[None, :, None], shapes[self.active], 0).reshape(len(self.active), -1).astype(np.float64)
        )
        self.moving: Rows = np.flatnonzero(np.any(displacements != 0, axis=0))
        self.gathers = len(self.moving) < _GATHER * displacements.shape[1]
        flat: Matrix = neutral.reshape(-1).astype(np.float64)
        self.columns: Matrix = np.ascontiguousarray(
            (displacements[:, self.moving] if self.gathers else displacements).T
        )
        self._resting: Matrix = displacements @ flat
        box = flat.reshape(-1, 3).max(axis=0) - flat.reshape(-1, 3).min(axis=0)
        self.scale = float(box @ box) / settings.template_bb_size**2
        self.carry = self.scale * settings.temporal
        """What the previous solution is multiplied by on the right side."""
        self.matrix = _matrix(displacements, settings, self.scale, poses.symmetry_pairs())
        self.problem = BoundedLeastSquares(self.matrix)
        self._tolerance = _ERROR * self.problem.smallest / self.carry if self.carry else np.inf
        self._pairs: NDArray[np.intp] = np.array(poses.cancel_pairs(), np.intp).reshape(-1, 2)

    def stream(self) -> SolverStream:
        """The solver of one stream, with nothing before its first frame."""
        return SolverStream(self)

    def project(self, targets: Points) -> Matrix:
        """D'(target - neutral) float64 `[m, active]` of poses `[m, v, 3]`; raises UnprocessableError for another shape or NaN."""
        projected = self.project_motions(targets)
        projected -= self._resting
        if not np.isfinite(projected).all():
            raise UnprocessableError("a target pose is not finite", param="targets")
        return projected

    def project_motions(self, motions: Points) -> Matrix:
        """D'motion float64 `[m, active]` of displacements `[m, v, 3]`; raises UnprocessableError for another shape.

        Linear: what is projected may be components of motions, whose weighted sum is then D' of the motion.
        """
        self._check(motions)
        projected: Matrix = np.empty((len(motions), len(self.active)))
        for first in range(0, len(motions), _UPCAST):
            part = motions[first : first + _UPCAST].reshape(-1, self.points[0] * 3)
            flat = part.take(self.moving, axis=1) if self.gathers else part
            projected[first : first + _UPCAST] = flat.astype(np.float64, copy=False) @ self.columns
        return projected

    def _check(self, motions: Points) -> None:
        if motions.ndim != 3 or motions.shape[1:] != self.points:
            raise UnprocessableError(
                f"the targets are {motions.shape}; the rig has {self.points} points", param="targets"
            )

    def approximate(self, rhs: Matrix, upper: Matrix) -> Matrix:
        """What is solved instead of the exact problem when `exact` is False."""
        return self.problem.approximate(rhs, upper)

    def solve_after(self, previous: Matrix, projected: Matrix) -> Matrix:
        """Solutions `[m, active]` of consecutive frames `projected` `[m, active]`, of which the first follows `previous` `[active]`."""
        if not self.exact:
            return self._approximate_after(previous, projected)
        chain = Chain(self.carry, previous, self._tolerance) if self.carry else None
        if len(projected) == 1 and chain:
            projected, chain = projected + self.carry * previous, None
        if not len(self._pairs):
            return self.problem.solve(projected, np.ones_like(projected), chain=chain).x
        return self._cancelled(projected, chain)

    def _cancelled(self, projected: Matrix, chain: Chain | None) -> Matrix:
        """Both passes.

        The first says which of a pair is the weaker, after frames in which nothing is cancelled. What follows a frame in
        which something is can only say otherwise where both are nearer to each other than that moves them: a solution
        moves by no more than its right side over the smallest singular value of the matrix.

        What precedes the first frame is known, and a round settles at least the first frame that is not: as many rounds as
        there are frames decide all, and one more solves them. Where both of a pair are equal rounding may still decide
        otherwise every time; either is then right, and the number of rounds ends it.
        """
        ones = np.ones_like(projected)
        if chain is None:
            x = self.problem.solve(projected, ones).x
            upper = self._upper(self._winners(x))
            cancels = np.any(x > upper, axis=1)
            if cancels.any():
                x[cancels] = self.problem.solve(projected[cancels], upper[cancels], near=x[cancels]).x
            return x
        loose = max(_LOOSE, chain.tolerance)
        first = self.problem.solve(projected, ones, chain=replace(chain, tolerance=loose))
        known, slack = chain.before(first.x), np.full(len(projected), loose * np.sqrt(len(self.active)))
        winners = self._winners(first.x)
        x = first.x
        for _ in range(len(projected) + 1):
            x = self._second(projected, x, winners, chain)
            before = chain.before(x)
            moved: Matrix = np.sqrt(((before - known) ** 2).sum(axis=1)) + slack
            near: Mask = self._margin(first.x) <= 2 * self.carry / self.problem.smallest * moved
            rows: Rows = (near & (moved > chain.tolerance)).nonzero()[0]
            if not len(rows):
                break
            rhs = projected[rows] + self.carry * before[rows]
            first.x[rows] = self.problem.solve(rhs, ones[rows], start=first[rows]).x
            known[rows], slack[rows] = before[rows], 0.0
            decided, winners = winners, self._winners(first.x)
            if (decided == winners).all():
                break
        return x

    def _second(self, projected: Matrix, near: Matrix, winners: Mask, chain: Chain) -> Matrix:
        """Solutions with the losers held, from those of the first pass or of other winners."""
        upper = self._upper(winners)
        return self.problem.solve(projected, upper, near=near, chain=chain).x

    def _winners(self, x: Matrix) -> Mask:
        """Of every pair whether the earlier shape is the stronger `[m, pairs]`."""
        return np.asarray(x[:, self._pairs[:, 0]] >= x[:, self._pairs[:, 1]])

    def _margin(self, x: Matrix) -> Matrix:
        """How far apart the members of the closest pair are `[m]`."""
        return np.asarray(np.abs(x[:, self._pairs[:, 0]] - x[:, self._pairs[:, 1]]).min(axis=1))

    def _upper(self, winners: Mask) -> Matrix:
        upper = np.ones((len(winners), len(self.active)))
        upper[:, self._pairs[:, 0]] = np.where(winners, 1.0, _HELD)
        upper[:, self._pairs[:, 1]] = np.where(winners, _HELD, 1.0)
        return upper

    def _approximate_after(self, previous: Matrix, projected: Matrix) -> Matrix:
        """`solve_after` where a solution is a fixed number of steps."""
        before: Matrix = np.zeros_like(projected)
        before[:1] = previous
        x: Matrix = np.zeros_like(projected)
        rows: Rows = np.arange(len(projected))
        while len(rows):
            rhs = projected[rows] + self.carry * before[rows]
            x[rows] = self.approximate(rhs, np.ones_like(rhs))
            if len(self._pairs):
                x[rows] = self.approximate(rhs, self._upper(self._winners(x[rows])))
            moved: Matrix = np.abs(x[:-1] - before[1:]).max(axis=1, initial=0.0)
            rows = (moved > self._tolerance).nonzero()[0] + 1
            before[rows] = x[rows - 1]
        return x


class SolverStream:
    """Weights of one stream's frames, in order; chunks of any size give the same weights, to 1e-9."""

    def __init__(self, solver: BlendshapeSolver) -> None:
        self._solver = solver
        self._previous: Matrix = np.zeros(len(solver.active))

    def solve(self, targets: Points) -> Matrix:
        """Weights 0..1 float64 `[m, n]` of the poses `[m, v, 3]` that come next, before multipliers; inactive shapes are 0."""
        weights: Matrix = np.zeros((len(targets), self._solver.shapes))
        for first in range(0, len(targets), _STRETCH):
            stretch = slice(first, first + _STRETCH)
            weights[stretch] = self.solve_projected(self._solver.project(targets[stretch]))
        return weights

    def solve_projected(self, projected: Matrix) -> Matrix:
        """The same for what `BlendshapeSolver.project` made of the poses, or of a model's components."""
        weights: Matrix = np.zeros((len(projected), self._solver.shapes))
        if len(projected):
            x = self._solver.solve_after(self._previous, projected)
            self._previous = x[-1].copy()
            weights[:, self._solver.active] = x
        return weights

    def reset(self) -> None:
        """Forgets the frames so far."""
        self._previous = np.zeros_like(self._previous)


def _matrix(displacements: Matrix, settings: SolverSettings, scale: float, symmetry_pairs: list[Pair]) -> Matrix:
    size = len(displacements)
    matrix: Matrix = displacements @ displacements.T
    matrix += 0.25 * scale * settings.l1**2
    matrix += np.eye(size) * scale * (10 * settings.l2 + 100 * settings.temporal)
    for i, j in symmetry_pairs:
        matrix[[i, j], [i, j]] += 10 * scale * settings.symmetry
        matrix[[i, j], [j, i]] -= 10 * scale * settings.symmetry
    return matrix


def _pairs(ids: Sequence[int], name: str) -> list[Pair]:
    members: dict[int, list[int]] = {}
    for index, pair in enumerate(ids):
        if pair != table.NO_PAIR:
            members.setdefault(pair, []).append(index)
    for pair, indices in members.items():
        if len(indices) != 2:
            raise UnprocessableError(
                f"{name}: the id {pair} occurs {len(indices)} times; a pair has two poses", param=name
            )
    return [(first, second) for first, second in members.values()]


def _vertices(vertices: Sequence[int] | Rows | None, count: int) -> Rows:
    chosen: Rows = np.arange(count) if vertices is None else np.asarray(vertices, np.intp)
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= count:
        raise UnprocessableError(f"the vertices to fit must be among the rig's 0 to {count - 1}", param="vertices")
    return chosen


def _check_rig(neutral: Points, shapes: Points, poses: Poses) -> None:
    if neutral.ndim != 2 or neutral.shape[1] != 3 or shapes.shape[1:] != neutral.shape:
        raise UnprocessableError(
            f"neutral {neutral.shape} and shapes {shapes.shape} are not [v, 3] and [n, v, 3]", param="shapes"
        )
    if len(poses.active) != len(shapes):
        raise UnprocessableError(
            f"there are poses for {len(poses.active)} shapes; the rig has {len(shapes)}", param="poses"
        )
    if not (np.isfinite(neutral).all() and np.isfinite(shapes).all()):
        raise UnprocessableError("a point of the rig is not finite", param="shapes")
