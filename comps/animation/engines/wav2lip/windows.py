"""Windows: which 200 ms of speech each frame of the video is drawn from.

The window of a frame begins at the frame's time, so a frame can be drawn when the 200 ms after it were heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from comps.animation.engines.wav2lip.mel import BANDS, COLUMNS_PER_S, FFT, HOP, RATE, Mel, MelStream
from comps.animation.engines.wav2lip.silence import SilenceGate

WINDOW = 16
"""Columns of one window."""
RESAMPLER_S = 0.003
"""Seconds of sound that resampling may hold back, for rates from 8 kHz on."""
LOOK_AHEAD_S = (WINDOW - 1) * HOP / RATE + FFT / 2 / RATE + RESAMPLER_S
"""Seconds heard beyond a frame's time before it can be drawn."""


def start(frame: int, fps: float) -> int:
    """The first column of a frame's window."""
    return int(frame * (COLUMNS_PER_S / fps))


def original_starts(columns: int, fps: float) -> list[int]:
    """First columns of the windows the original script cuts from a mel of at least 16 `columns`.

    It stops with one window that ends at the last column, hence about three frames before the end of the sound at 25
    frames/s. Raises ValueError when there are fewer than 16 columns, on which it fails.
    """
    if columns < WINDOW:
        raise ValueError(f"a mel of {columns} columns holds no window of {WINDOW}: continue the sound with silence")
    starts: list[int] = []
    while start(len(starts), fps) + WINDOW <= columns:
        starts.append(start(len(starts), fps))
    return [*starts, columns - WINDOW]


def frame_count(samples: int, rate: int, fps: int) -> int:
    """Frames of a video as long as `samples` at `rate` Hz, the last one begun counted whole."""
    return -(-samples * fps // rate)


@dataclass(frozen=True, slots=True)
class Windows:
    """What consecutive frames from number `first` are drawn from.

    `mel` is float32 `[n, 80, 16]`; `resting` bool `[n]` is where nothing is heard in the whole window.
    """

    first: int
    mel: NDArray[np.float32]
    resting: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.mel)

    def __getitem__(self, part: slice) -> Windows:
        begin, _, _ = part.indices(len(self))
        return Windows(self.first + begin, self.mel[part], self.resting[part])

    def then(self, later: Windows) -> Windows:
        """These and the ones that follow them."""
        return Windows(self.first, np.concatenate([self.mel, later.mel]), np.concatenate([self.resting, later.resting]))


class WindowStream:
    """Turns speech at `rate` Hz into the windows of a video of `fps`; memory does not grow with the speech.

    With `gate`, what is quieter than speech counts as digital silence, so that noise does not move the mouth.
    """

    def __init__(self, rate: int, fps: int, gate: bool = True) -> None:
        self._rate, self._fps = rate, fps
        self._resampler = None if rate == RATE else _Resampler(rate)
        self._mel = MelStream()
        self._gate = SilenceGate() if gate else None
        self._samples = 0
        self._next = 0
        self._kept: Mel = np.zeros((BANDS, 0), np.float32)
        self._closed = np.zeros(0, np.bool_)
        self._kept_from = 0

    def feed(self, pcm: NDArray[np.int16]) -> Windows:
        """The windows that the next samples complete."""
        self._samples += len(pcm)
        self._keep(self._mel.feed(self._resampled(pcm.astype(np.float32) / np.float32(32768), last=False)))
        return self._cut(frame_count(self._samples, self._rate, self._fps))

    def finish(self) -> Windows:
        """The windows up to the end of the speech, which silence follows."""
        frames = frame_count(self._samples, self._rate, self._fps)
        rest = self._resampled(np.zeros(0, np.float32), last=True)
        self._keep(self._mel.feed(rest))
        lacking = start(max(0, frames - 1), self._fps) + WINDOW - self._mel.columns
        self._keep(self._mel.feed(np.zeros((max(0, lacking) + 4) * HOP, np.float32)))
        return self._cut(frames)

    def _resampled(self, audio: NDArray[np.float32], last: bool) -> NDArray[np.float32]:
        return audio if self._resampler is None else self._resampler.resample(audio, last)

    def _keep(self, mel: Mel) -> None:
        if self._gate is not None:
            mel, closed = self._gate.apply(mel)
        else:
            closed = np.zeros(mel.shape[1], np.bool_)
        self._kept = np.concatenate([self._kept, mel], axis=1)
        self._closed = np.concatenate([self._closed, closed])

    def _cut(self, frames: int) -> Windows:
        """Those of the frames before number `frames` whose columns are there."""
        first, mel, resting = self._next, [], []
        while self._next < frames:
            begin = start(self._next, self._fps) - self._kept_from
            if begin + WINDOW > self._kept.shape[1]:
                break
            mel.append(self._kept[:, begin : begin + WINDOW])
            resting.append(self._closed[begin : begin + WINDOW].all())
            self._next += 1
        self._forget()
        shape = (0, BANDS, WINDOW)
        return Windows(first, np.stack(mel) if mel else np.zeros(shape, np.float32), np.array(resting, np.bool_))

    def _forget(self) -> None:
        done = min(start(self._next, self._fps) - self._kept_from, self._kept.shape[1])
        self._kept, self._closed = self._kept[:, done:].copy(), self._closed[done:].copy()
        self._kept_from += done


class _Resampler:
    """To 16 kHz by FFmpeg, which holds back a millisecond or two; soxr, otherwise used here, up to a tenth of a second."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = AudioResampler(format="flt", layout="mono", rate=RATE)

    def resample(self, audio: NDArray[np.float32], last: bool) -> NDArray[np.float32]:
        frames: list[AudioFrame] = []
        if len(audio):
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(audio[None]), format="flt", layout="mono")
            frame.sample_rate = self._rate
            frames += self._resampler.resample(frame)
        if last:
            frames += self._resampler.resample(None)
        return np.concatenate([np.zeros(0, np.float32), *(frame.to_ndarray()[0] for frame in frames)])
