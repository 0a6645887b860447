"""Windows: which 200 ms of speech each frame of the motion is heard in, at the 25 frames/s the networks know.

The window of a frame begins 80 ms before the frame's time and ends 120 ms after it; where it reaches over an end of the
speech, its first or last column is repeated.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from comps.animation.engines.wav2lip.mel import BANDS, COLUMNS_PER_S, HALF, HOP, RATE, Mel, MelStream

MOTION_FPS = 25
SAMPLES = RATE // MOTION_FPS
"""Audio samples, at 16 kHz, of one frame of the motion."""
COLUMNS = 16
"""Mel columns of a window."""
_LEAD = 2
"""Frames by which a window begins before the frame."""
RESAMPLER_S = 0.03
"""Seconds of sound that resampling may hold back, for rates from 8 kHz on."""
LOOK_AHEAD_S = (COLUMNS * HOP + HALF) / RATE - _LEAD / MOTION_FPS + RESAMPLER_S
"""Seconds heard beyond a frame's time before its window is whole."""


def first_column(frame: int) -> int:
    """The column a frame's window begins at; below zero it repeats column 0."""
    return int(COLUMNS_PER_S * (frame - _LEAD) / MOTION_FPS)


def window_columns(frames: int, columns: int) -> NDArray[np.int32]:
    """Column numbers of the windows of all `frames` of a mel of `columns`, int32 `[frames, 16]`."""
    starts = np.array([first_column(frame) for frame in range(frames)], np.int32)
    return np.clip(starts[:, None] + np.arange(COLUMNS, dtype=np.int32), 0, columns - 1)


class WindowStream:
    """Turns speech at `rate` Hz into the mel windows of the motion; memory does not grow with the speech.

    Speech that is no whole number of frames is completed with silence, so that a video has all of it.
    """

    def __init__(self, rate: int) -> None:
        self._resampler = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32")
        self._mel = MelStream()
        self._samples = 0
        self._next = 0
        self._kept: Mel = np.zeros((BANDS, 0), np.float32)
        self._kept_from = 0

    def feed(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """The windows that the next samples complete, float32 `[n, 80, 16]` in -4..4."""
        self._hear(self._resampled(pcm.astype(np.float32) / np.float32(32768), last=False))
        return self._cut(None)

    def finish(self) -> NDArray[np.float32]:
        """The windows up to the end of the speech."""
        self._hear(self._resampled(np.zeros(0, np.float32), last=True))
        frames = -(-self._samples // SAMPLES)
        self._hear(np.zeros(frames * SAMPLES - self._samples, np.float32))
        self._keep(self._mel.finish())
        return self._cut(frames)

    def _resampled(self, audio: NDArray[np.float32], last: bool) -> NDArray[np.float32]:
        if self._resampler is None:
            return audio
        resampled: NDArray[np.float32] = self._resampler.resample_chunk(audio, last)
        return resampled

    def _hear(self, audio: NDArray[np.float32]) -> None:
        self._samples += len(audio)
        self._keep(self._mel.feed(audio))

    def _keep(self, mel: Mel) -> None:
        self._kept = np.concatenate([self._kept, mel], axis=1)

    def _cut(self, frames: int | None) -> NDArray[np.float32]:
        """Those of the next frames whose columns are there; with the number of all `frames`, all that are left."""
        columns = self._kept_from + self._kept.shape[1]
        windows = []
        while self._next < frames if frames is not None else first_column(self._next) + COLUMNS <= columns:
            wanted = np.clip(first_column(self._next) + np.arange(COLUMNS), 0, columns - 1)
            windows.append(self._kept[:, wanted - self._kept_from])
            self._next += 1
        done = min(max(0, first_column(self._next)), columns - 1) - self._kept_from
        if done > 0:
            self._kept, self._kept_from = self._kept[:, done:].copy(), self._kept_from + done
        return np.stack(windows) if windows else np.zeros((0, BANDS, COLUMNS), np.float32)
