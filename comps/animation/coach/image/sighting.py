"""Where the faces of a picture are: as the engines find them, and, where they would find none, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.image.profile import profiles
from comps.animation.engines.portrait.rig.faces import SURE, Face, face_boxes, find_faces, find_more, reduced

Grey = NDArray[np.uint8]
Picture = NDArray[np.uint8]

TURNS = (90, -90, 180, 45, -45, 108, 72, -72, -108, 162, -162)
"""Degrees by which a picture without an upright face is turned to look for one that leans or lies; likely ones first."""
_UPRIGHT = 45.0
"""Degrees of lean up to which a face counts as upright: what was taken for one upside down leans by some, too."""
_SIDE = 320
"""Longer side, in pixels, of the picture in those searches."""
_TAILS = (0.5, 99.5)
"""Percentiles of brightness that become black and white before faces are looked for."""
_AROUND, _NEAR_SIDE = 5.0, 400
"""Half of the square in which a face is looked at without its shading, in its eye distances, and most pixels of its side."""
_SHADING, _DARK, _MIDDLE = 0.05, 4.0, 110.0
"""Extent of shading as a part of that side; lightness, of 255, that is added so that noise in the dark is not raised to more;
and what the shading becomes."""
_OTHER_SIZE = 1.6
"""Times by which the eye distance of one face may differ from sighting to sighting, when an eye was taken for another place."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """`faces`, largest first. Without any, `eyeless` says that a face without visible eyes was seen, and `profile`
    that one was seen from the side. `turned`: the face was found only after turning the picture."""

    faces: tuple[Face, ...]
    turned: bool = False
    eyeless: bool = False
    profile: bool = False


def even(picture: Picture) -> Picture:
    """`picture` with its brightness stretched to the full range: a dark or pale face is looked for in that."""
    low, high = np.percentile(picture[::4, ::4], _TAILS)
    if low < 8 and high > 247:
        return picture
    ramp = np.clip((np.arange(256) - low) * (255.0 / max(high - low, 8.0)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, ramp), np.uint8)


def without_shading_near(picture: Picture, face: Face) -> Face | None:
    """What is seen of `face` in an evened `picture` when the lightness of everything is that of its surroundings, so that a
    shadow over half of it is gone; None where nothing is, or another face."""
    reach = _AROUND * face.eye_distance
    left, top = (int(max(0, v - reach)) for v in face.centre)
    right, bottom = (int(v + reach) + 1 for v in face.centre)
    part = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(np.uint8)
    scale = min(1.0, _NEAR_SIDE / max(part.shape))
    corner = np.array([left, top], np.float64)
    for found in find_faces(_flat(reduced(part, scale)))[:1]:
        moved = Face(found.right_eye / scale + corner, found.left_eye / scale + corner, found.score)
        if _is_same(moved, face):
            return moved
    return None


def _is_same(found: Face, face: Face) -> bool:
    """Whether both are one face, an iris of which may have been missed."""
    apart = float(np.hypot(*(found.centre - face.centre)))
    sizes = found.eye_distance / max(face.eye_distance, 1e-6)
    return apart < 0.5 * max(found.eye_distance, face.eye_distance) and 1 / _OTHER_SIZE < sizes < _OTHER_SIZE


def _flat(grey: Grey) -> Grey:
    lightness = grey.astype(np.float32) + _DARK
    around = cv2.GaussianBlur(lightness, (0, 0), _SHADING * max(grey.shape))
    return np.asarray(np.clip(_MIDDLE * lightness / around, 0, 255), np.uint8)


def look(picture: Picture) -> Sighting:
    """The faces of an evened `picture`, uint8 `[h, w, 3]` RGB."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    faces = find_faces(grey)
    sure = bool(faces) and faces[0].score >= SURE
    turned = [] if sure else _turned(grey)
    if turned:
        return Sighting(_by_size(turned), turned=True)
    if faces:
        return Sighting(_by_size([*faces, *find_more(grey, faces)]))
    eyeless = len(face_boxes(grey)) > 1
    return Sighting((), eyeless=eyeless, profile=not eyeless and _profile(grey))


def look_turned(picture: Picture) -> Sighting:
    """Faces that lean or lie in an evened `picture`."""
    faces = _turned(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8))
    return Sighting(_by_size(faces), turned=bool(faces))


def look_other_way_up(picture: Picture, face: Face) -> Sighting:
    """Faces of an evened `picture` that stand on their heads as `face` is seen: it may be one of them, taken wrongly."""
    across = face.left_eye - face.right_eye
    lean = float(np.degrees(np.arctan2(across[1], across[0])))
    if abs(lean) <= _UPRIGHT:
        return look_upside_down(picture)
    faces = _turned(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8), (lean + 180,))
    return Sighting(_by_size(faces), turned=bool(faces))


def look_upside_down(picture: Picture) -> Sighting:
    """Faces of an evened `picture` that stand on their heads."""
    grey = np.ascontiguousarray(np.rot90(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 2)).astype(np.uint8)
    corner = np.array([grey.shape[1] - 1, grey.shape[0] - 1], np.float64)
    faces = [Face(corner - face.right_eye, corner - face.left_eye, face.score) for face in find_faces(grey)]
    return Sighting(_by_size(faces), turned=bool(faces))


def _by_size(faces: list[Face]) -> tuple[Face, ...]:
    return tuple(sorted(faces, key=lambda face: -face.eye_distance))


def _turned(grey: Grey, turns: Sequence[float] = TURNS) -> list[Face]:
    """Faces of the picture turned by the first of `turns` degrees that shows any, in the picture's own pixels."""
    scale = min(1.0, _SIDE / max(grey.shape))
    height, width = grey.shape
    side = int(np.ceil(np.hypot(height, width) * scale))
    for degrees in turns:
        matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale), np.float64)
        matrix[:, 2] += side / 2 - np.array([width / 2, height / 2])
        whole = cv2.warpAffine(grey, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(matrix)
        faces = [
            Face(back[:, :2] @ face.right_eye + back[:, 2], back[:, :2] @ face.left_eye + back[:, 2], face.score)
            for face in find_more(whole.astype(np.uint8), (), tilts=(0.0,))
        ]
        if faces:
            return faces
    return []


def _profile(grey: Grey) -> bool:
    """Whether a face is seen from either side."""
    scale = min(1.0, _SIDE / max(grey.shape))
    small = reduced(grey, scale)
    return any(profiles(small, 40, 4))
