"""Compositor: the frames of one answer, from a scene and the faces that were drawn for it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.wav2lip.paste import Paster
from comps.animation.engines.wav2lip.picture import Picture, cropped
from comps.animation.engines.wav2lip.scene import Scene, SceneReader

Yuv = NDArray[np.uint8]
"""A planar yuv420p frame `[h * 3 // 2, w]`."""


class Compositor:
    """Blocks; used by one thread at a time; to be closed."""

    def __init__(self, scene: Scene, paster: Paster) -> None:
        self._scene = scene
        self._paster = paster
        self._reader = SceneReader(scene)
        self._still = to_yuv(scene.picture) if scene.picture is not None else None

    def face(self, index: int) -> Picture:
        """The face in a frame of the scene, uint8 `[96, 96, 3]` RGB."""
        return cropped(self._reader.picture(index), self._scene.boxes[index])

    def compose(
        self,
        indices: Sequence[int],
        drawn: Sequence[Picture | None],
        shown: Sequence[Picture],
        strengths: Sequence[float],
    ) -> Yuv:
        """Frames of the scene with their faces put in, uint8 yuv420p `[n, h * 3 // 2, w]`.

        Args:
            indices: which frames.
            drawn: the face for each, uint8 `[96, 96, 3]` RGB, or None to leave the frame as it is.
            shown: what each was drawn from, likewise.
            strengths: how much of each drawn face is seen, 0..1.
        """
        scene = self._scene
        frames = np.empty((len(indices), scene.height * 3 // 2, scene.width), np.uint8)
        for row, index in enumerate(indices):
            picture = self._reader.picture(index)
            frames[row] = self._still if self._still is not None else to_yuv(picture)
            face = drawn[row]
            if face is not None:
                self._put(frames[row], picture, index, face, shown[row], strengths[row])
        return frames

    def close(self) -> None:
        """Close the scene's film; may be called again."""
        self._reader.close()

    def _put(self, frame: Yuv, picture: Picture, index: int, drawn: Picture, shown: Picture, strength: float) -> None:
        """Paste into a copy of the box's part of `picture`, then replace that part of the planes of `frame`."""
        x1, y1, x2, y2 = (int(v) for v in self._scene.boxes[index])
        # Colours are stored for blocks of 2x2 pixels.
        left, top, right, bottom = x1 & ~1, y1 & ~1, x2 + (x2 & 1), y2 + (y2 & 1)
        part = picture[top:bottom, left:right].copy()
        self._paster.paste(part, (x1 - left, y1 - top, x2 - left, y2 - top), drawn, shown, strength)
        planes = zip(_planes(frame, picture.shape), _planes(to_yuv(part), part.shape), strict=True)
        for (whole, new), half in zip(planes, (1, 2, 2), strict=True):
            whole[top // half : bottom // half, left // half : right // half] = new


def to_yuv(picture: Picture) -> Yuv:
    """An RGB picture with even sides as yuv420p, BT.601, limited range."""
    return cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YUV_I420).astype(np.uint8, copy=False)


def _planes(frame: Yuv, shape: tuple[int, ...]) -> tuple[Yuv, Yuv, Yuv]:
    """Views of lightness `[h, w]` and both colours `[h // 2, w // 2]`."""
    height, width = shape[:2]
    flat = frame.reshape(-1)
    colours = flat[height * width :].reshape(2, height // 2, width // 2)
    return flat[: height * width].reshape(height, width), colours[0], colours[1]
