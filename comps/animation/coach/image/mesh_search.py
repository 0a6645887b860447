"""Faces of a picture by their meshes: found in the whole picture, then looked at again upright and from near."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.faces import SURE, Face, reduced
from comps.animation.engines.portrait.rig.mesh import FaceMesh, FindMeshes

Picture = NDArray[np.uint8]

WHOLE_SIDE = 1024
"""Longer side, in pixels, of the picture that is searched as a whole; the network sees fewer."""
NEAR_SIDE = 512
"""Side of the square in which a face is looked at again."""
_AROUND = 8.0
"""Side of that square in eye distances: a face is a third of it, which the network's own frame asks for."""
_BELOW = 0.5
"""How far below the eyes the middle of a face lies, in eye distances."""
_MOST = 4
"""Faces that are looked at again."""
_LEAST_EYES, _FARTHEST = 2.0, 4.0
"""Pixels between the irises of a mesh below which nothing of it can be measured; and how far from the picture's corner, in
its longer sides, a landmark may lie."""


class MeshSearch:
    """Looks for meshes in one `picture`, uint8 `[h, w, 3]` RGB, with `find`; blocks."""

    def __init__(self, picture: Picture, find: FindMeshes) -> None:
        self._picture = picture
        self._find = find

    def whole(self) -> tuple[FaceMesh, ...]:
        """Every face that is seen at once and again from near, largest first."""
        scale = min(1.0, WHOLE_SIDE / max(self._picture.shape[:2]))
        small = reduced(self._picture, scale)
        back = np.array([[1 / scale, 0.0, 0.0], [0.0, 1 / scale, 0.0]])
        first = [mesh.mapped(back) for mesh in self._sound(small)]
        return self.near([face_of(mesh) for mesh in first])

    def near(self, faces: Sequence[Face]) -> tuple[FaceMesh, ...]:
        """The meshes of those of `faces` that have one, largest first, each once."""
        kept: list[FaceMesh] = []
        for face in sorted(faces, key=lambda face: -face.eye_distance)[:_MOST]:
            mesh = self._at(face)
            if mesh is not None and not any(same(mesh, other) for other in kept):
                kept.append(mesh)
        return tuple(sorted(kept, key=lambda mesh: -mesh.eye_distance))

    def _at(self, face: Face) -> FaceMesh | None:
        """The mesh where `face` was seen, or None."""
        there = _frame(face)
        scale = float(np.hypot(*there[:, 0]))
        # Warping by less than a half skips pixels: what is reduced is softened first, around the face alone.
        picture, shift = self._part(face, scale)
        matrix = there.copy()
        matrix[:, 2] += there[:, :2] @ shift
        near = cv2.warpAffine(
            picture, matrix, (NEAR_SIDE, NEAR_SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        back = np.asarray(cv2.invertAffineTransform(there), np.float64)
        found = [mesh.mapped(back) for mesh in self._sound(near.astype(np.uint8))]
        mine = [mesh for mesh in found if np.hypot(*(mesh.eyes.mean(0) - face.centre)) < face.eye_distance]
        return max(mine, key=lambda mesh: mesh.eye_distance, default=None)

    def _sound(self, picture: Picture) -> list[FaceMesh]:
        """The meshes found in `picture` that can be measured: near the picture, and with two eyes."""
        return [
            mesh
            for mesh in self._find(picture)
            if np.abs(mesh.points).max() <= _FARTHEST * max(picture.shape) and mesh.eye_distance >= _LEAST_EYES
        ]

    def _part(self, face: Face, scale: float) -> tuple[Picture, NDArray[np.float64]]:
        """The picture around `face`, softened for a reduction by `scale`, and where its corner lies."""
        reach = _AROUND * face.eye_distance
        height, width = self._picture.shape[:2]
        left, top = (int(np.clip(v - reach, 0, most - 1)) for v, most in zip(face.centre, (width, height), strict=True))
        right, bottom = (int(v + reach) + 1 for v in face.centre)
        part = self._picture[top : max(bottom, top + 1), left : max(right, left + 1)]
        if scale < 0.7:
            part = cv2.GaussianBlur(part, (0, 0), 0.5 / scale).astype(np.uint8)
        return part, np.array([left, top], np.float64)


def face_of(mesh: FaceMesh) -> Face:
    """The face by its irises; a mesh is sure."""
    right, left = mesh.eyes
    return Face(right, left, 2 * SURE)


def same(mesh: FaceMesh, other: FaceMesh) -> bool:
    """Whether both are of one face."""
    apart = float(np.hypot(*(mesh.eyes.mean(0) - other.eyes.mean(0))))
    return apart < max(mesh.eye_distance, other.eye_distance)


def _frame(face: Face) -> NDArray[np.float64]:
    """The matrix `[2, 3]` from the picture to the square in which `face` is upright, in the middle and a third of it."""
    across = face.left_eye - face.right_eye
    scale = NEAR_SIDE / (_AROUND * face.eye_distance)
    cos, sin = across / np.hypot(*across) * scale
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    middle = np.array([NEAR_SIDE / 2, NEAR_SIDE / 2 - _BELOW * face.eye_distance * scale])
    matrix[:, 2] = middle - matrix[:, :2] @ face.centre
    return matrix
