"""A mesh with morph targets, in metres: x to the subject's left, y up, z to the front, as in glTF and USD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """`positions` and linear `colours` 0..1 `[v, 3]`, `triangles` `[t, 3]` seen from outside counter-clockwise.

    `targets` are displacements `[v, 3]` by shape; one that does not move this mesh may be left out.
    """

    positions: Points
    colours: Points
    triangles: Triangles
    targets: Mapping[str, Points]

    def target(self, name: str) -> Points:
        """The displacement of a shape at weight 1; zeros where nothing moves."""
        moved = self.targets.get(name)
        return np.zeros_like(self.positions) if moved is None else moved

    def normals(self) -> Points:
        """Unit normals `[v, 3]`, means of the triangles around each vertex by area."""
        a, b, c = (self.positions[self.triangles[:, corner]] for corner in range(3))
        faces = np.cross(b - a, c - a)
        sums = np.zeros_like(self.positions)
        for corner in range(3):
            np.add.at(sums, self.triangles[:, corner], faces)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        normals: Points = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), (0.0, 0.0, 1.0))
        return normals


def join(parts: Sequence[Mesh], names: Sequence[str]) -> Mesh:
    """One mesh of several, with a target for every one of `names`."""
    starts = np.cumsum([0, *(len(part.positions) for part in parts)])
    return Mesh(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.colours for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, starts[:-1], strict=True)]),
        {name: np.concatenate([part.target(name) for part in parts]) for name in names},
    )


def grid_triangles(rows: int, columns: int, *, around: bool = False) -> Triangles:
    """Triangles of a grid of vertices stored row by row; `around` closes each row into a ring."""
    row, column = np.mgrid[: rows - 1, : columns if around else columns - 1]
    right = (column + 1) % columns
    corners = [row * columns + column, row * columns + right, (row + 1) * columns + right, (row + 1) * columns + column]
    a, b, c, d = (corner.reshape(-1) for corner in corners)
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int64)


def linear(colours: ArrayLike) -> Points:
    """sRGB 0..255 `[n, 3]` as linear 0..1 (IEC 61966-2-1)."""
    share = np.asarray(colours, np.float64) / 255
    result: Points = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return result
