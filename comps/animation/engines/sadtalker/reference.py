"""What the face in a video does, frame by frame, so that an avatar can borrow it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.sadtalker.coefficients import EXPRESSION, POSE
from comps.animation.engines.sadtalker.crop import face_crop
from comps.animation.engines.sadtalker.motion import Reference
from comps.animation.engines.sadtalker.points import FacePoints
from comps.animation.engines.sadtalker.reconstruction import ReconstructionNet
from comps.animation.engines.sadtalker.source import Box, Picture, coefficients
from comps.animation.engines.sadtalker.windows import MOTION_FPS
from comps.animation.footage import Footage, FootageLimits, import_footage
from comps.core.errors import AvatarError, EngineUnavailableError

SIDE = 256
"""Pixels of the cut-out face that is looked at."""
_LIMITS = FootageLimits(seconds=20.0)

Rows = NDArray[np.float32]


def reference_of(
    network: ReconstructionNet, points: FacePoints, eyes: Path | None = None, pose: Path | None = None
) -> Reference:
    """The expressions of the video `eyes` and the poses of the video `pose`, each up to 20 s; either may be None.

    Raises:
        EngineUnavailableError: a file is missing, is no video, is too long, or shows no face.
    """
    rows = {path: video_coefficients(path, network, points) for path in {eyes, pose} if path is not None}
    reference = Reference()
    if eyes is not None:
        reference = replace(reference, expression=rows[eyes][:, EXPRESSION])
    if pose is not None:
        reference = replace(reference, pose=rows[pose][:, POSE])
    return reference


def video_coefficients(path: Path, network: ReconstructionNet, points: FacePoints) -> Rows:
    """The 73 coefficients of the face at 25 frames/s, float32 `[n, 73]`, from the first frame on that shows one.

    The crop of that frame serves for all, so that the motion of the head is not lost; a frame without a face repeats
    the one before it.

    Raises:
        EngineUnavailableError: as `reference_of`.
    """
    rows: list[Rows] = []
    box: Box | None = None
    with tempfile.TemporaryDirectory(prefix="avatarchatbot-") as folder:
        try:
            for picture in _frames(path, Path(folder) / "video.mp4"):
                box = box or _box(picture, points)
                if box is not None and (row := _row(picture, box, network, points)) is not None:
                    rows.append(row)
                elif rows:
                    rows.append(rows[-1])
        except (AvatarError, OSError) as error:
            raise EngineUnavailableError(f"the reference video '{path}' cannot be used: {error}") from error
    if not rows:
        raise EngineUnavailableError(f"the reference video '{path}' shows no face")
    return np.stack(rows)


def _box(picture: Picture, points: FacePoints) -> Box | None:
    found = points.find(picture)
    return None if found is None else face_crop(found, (picture.shape[1], picture.shape[0])).box(tight=True)


def _row(picture: Picture, box: Box, network: ReconstructionNet, points: FacePoints) -> Rows | None:
    left, top, right, bottom = box
    face = cv2.resize(picture[top:bottom, left:right], (SIDE, SIDE)).astype(np.uint8)
    found = points.find(face)
    return None if found is None else coefficients(network, face, found)


def _frames(path: Path, film: Path) -> Iterator[Picture]:
    import_footage(path.read_bytes(), film, _LIMITS)
    with Footage(film) as footage:
        for number in range(-(-len(footage) * MOTION_FPS // footage.fps)):
            yield footage.frame(min(number * footage.fps // MOTION_FPS, len(footage) - 1))
