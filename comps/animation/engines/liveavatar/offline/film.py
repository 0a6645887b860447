"""Film: the frames of the video that the program wrote, a few at a time. Everything here blocks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.liveavatar.failures import FailedError, Failure

_OPTIONS = {"format_whitelist": "mov,mp4,m4a", "protocol_whitelist": "file"}


class Film:
    """A video file being read from its beginning; raises FailedError for what is no video."""

    def __init__(self, path: Path) -> None:
        try:
            self._container = av.open(str(path), "r", options=_OPTIONS)
            self._frames = self._container.decode(self._container.streams.video[0])
        except (av.FFmpegError, IndexError) as error:
            raise FailedError(Failure("unknown", seen="its file is no video")) from error
        self._last: NDArray[np.uint8] | None = None

    def take(self, count: int) -> NDArray[np.uint8]:
        """The next `count` frames, RGB uint8 `[count, h, w, 3]`; beyond the end the last one again."""
        taken = []
        for _ in range(count):
            try:
                frame = next(self._frames, None)
            except av.FFmpegError as error:
                raise FailedError(Failure("unknown", seen="its video is damaged")) from error
            if frame is not None:
                self._last = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            if self._last is None:
                raise FailedError(Failure("unknown", seen="its video has no frames"))
            taken.append(self._last)
        return np.stack(taken)

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def count_frames(path: Path) -> int:
    """Frames of a video file, which is not decoded for it; raises FailedError for what is no video."""
    try:
        with av.open(str(path), "r", options=_OPTIONS) as container:
            return sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)
    except (av.FFmpegError, IndexError) as error:
        raise FailedError(Failure("unknown", seen="its file is no video")) from error
