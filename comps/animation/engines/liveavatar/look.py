"""Look: what a video shall show, and the picture of it cut to the sides of the video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engine import Avatar
from comps.animation.engines.liveavatar.launch.frame_size import FrameSize, frame_size
from comps.core.errors import UnprocessableError


@dataclass(frozen=True, slots=True)
class Look:
    """A picture (`version` changes with the file), a prompt, a seed, and the `size` of the program's frames."""

    image: Path
    version: tuple[int, int]
    prompt: str
    seed: int
    size: FrameSize

    @classmethod
    def of(cls, avatar: Avatar, prompt: str, seed: int, budget: str) -> Look:
        """The look of `avatar` under a size budget; blocks. Raises UnprocessableError for a damaged picture."""
        picture = read_picture(avatar.image)
        about = avatar.image.stat()
        size = frame_size(budget, picture.shape[1], picture.shape[0])
        return cls(avatar.image, (about.st_mtime_ns, about.st_size), prompt, seed, size)

    def write(self, path: Path) -> None:
        """The picture as the program takes it without scaling or cutting: `size`, the middle of it; blocks."""
        cv2.imwrite(str(path), cv2.cvtColor(cut(read_picture(self.image), self.size), cv2.COLOR_RGB2BGR))


def read_picture(path: Path) -> NDArray[np.uint8]:
    """RGB uint8 `[h, w, 3]`; raises UnprocessableError when the file cannot be read."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UnprocessableError("the avatar's picture cannot be read: add it again", param="avatar")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def cut(picture: NDArray[np.uint8], size: FrameSize) -> NDArray[np.uint8]:
    """`picture`, uint8 `[h, w, 3]`, scaled to cover `size` and its middle cut out: `[size.height, size.width, 3]`."""
    height, width = picture.shape[:2]
    factor = max(size.width / width, size.height / height)
    wide, high = max(size.width, round(width * factor)), max(size.height, round(height * factor))
    scaled = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    left, top = (wide - size.width) // 2, (high - size.height) // 2
    return scaled[top : top + size.height, left : left + size.width].astype(np.uint8, copy=False)


def scaled_size(size: FrameSize, longest: int) -> tuple[int, int]:
    """Width and height, even, of frames of `size` made `longest` pixels on their longer side."""
    factor = longest / max(size.width, size.height)
    return tuple(max(16, 2 * round(side * factor / 2)) for side in (size.width, size.height))  # type: ignore[return-value]


def scaled_frames(frames: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """`frames`, uint8 `[n, h, w, 3]`, as `[n, height, width, 3]`."""
    if frames.shape[1:3] == (height, width):
        return frames
    smaller = frames.shape[2] > width
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=way) for frame in frames]).astype(np.uint8)
