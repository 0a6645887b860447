"""The audio of one clip: from PCM at the client's rate to the networks' 16 kHz, and back to the client frame by frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import soxr
from numpy.typing import NDArray

from comps.animation.audio2face.configuration.advanced import Resampling
from comps.animation.audio2face.inference.model import SAMPLE_RATE, Audio
from comps.core.errors import UnprocessableError

BYTES_PER_SAMPLE = 2
_FULL_SCALE = 32768.0
_QUALITIES = ((3.0, "LQ"), (5.0, "MQ"), (9.0, "HQ"), (float("inf"), "VHQ"))
"""Below which `quality` of the advanced file soxr works at which of its own."""


class ClipAudio:
    """PCM16 mono of one clip in pieces of any size; the samples at 16 kHz do not depend on how it was cut.

    Args:
        sample_rate: the client's, Hz.
        fps: frames per second of the echo.
        resampling: block and quality of the way to 16 kHz.
    """

    def __init__(self, sample_rate: int, fps: int, resampling: Resampling) -> None:
        self.sample_rate = sample_rate
        self._fps = fps
        self._odd = b""
        self.received = 0
        """Whole samples that have arrived."""
        self._converted = 0
        self._echo = bytearray()
        self._echoed = 0
        self._resampler = None if sample_rate == SAMPLE_RATE else _Resampler(sample_rate, resampling)

    @property
    def duration_s(self) -> float:
        """Length of what has arrived, s."""
        return self.received / self.sample_rate

    def bytes_for(self, samples: int) -> int:
        """Bytes that have to come before so many more samples at 16 kHz may be ready."""
        if self._resampler is None:
            return max(0, samples * BYTES_PER_SAMPLE - len(self._odd))
        wanted = (self._converted + samples - 1) * self.sample_rate // SAMPLE_RATE
        missing = self._resampler.whole(wanted) - self.received
        return max(0, missing * BYTES_PER_SAMPLE - len(self._odd))

    def push(self, pcm: bytes) -> Audio:
        """Takes more of the clip; the samples that this makes ready, maybe none."""
        whole, self._odd = _split(self._odd + pcm if self._odd else pcm)
        self._echo += whole
        self.received += len(whole) // BYTES_PER_SAMPLE
        samples: Audio = np.frombuffer(whole, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)
        return self._count(samples if self._resampler is None else self._resampler.push(samples))

    def finish(self) -> Audio:
        """The samples that are left, so that all are ceil(received * 16000 / rate); UnprocessableError for half a sample."""
        if self._odd:
            raise UnprocessableError("the audio ends in the middle of a sample: PCM16 has 2 bytes each", param="audio")
        if self._resampler is None:
            return np.empty(0, np.float32)
        due = -(-self.received * SAMPLE_RATE // self.sample_rate) - self._converted
        rest = self._resampler.finish()[:due]
        return self._count(np.pad(rest, (0, due - len(rest))))

    def echo(self, first: int, frames: int) -> tuple[bytes, ...]:
        """The client's bytes of `frames` frames from number `first` on, cut at floor(k * rate / fps); each is given once.

        Slices concatenate to exactly the input; behind its end they are empty.
        """
        cuts = [min(self._cut(first + step), self.received) * BYTES_PER_SAMPLE for step in range(frames + 1)]
        whole = bytes(self._echo[cuts[0] - self._echoed : cuts[-1] - self._echoed])
        del self._echo[: cuts[-1] - self._echoed]
        self._echoed = cuts[-1]
        return tuple(whole[start - cuts[0] : stop - cuts[0]] for start, stop in pairwise(cuts))

    def _cut(self, frame: int) -> int:
        return frame * self.sample_rate // self._fps

    def _count(self, samples: Audio) -> Audio:
        self._converted += len(samples)
        return samples


class _Resampler:
    """Resamples in blocks of one size, so that what is ready depends on the position in the clip alone."""

    def __init__(self, sample_rate: int, resampling: Resampling) -> None:
        quality = next(name for bound, name in _QUALITIES if resampling.quality < bound)
        self._stream = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32", quality=quality)
        self._block = resampling.chunk_size
        self._waiting: Audio = np.empty(0, np.float32)

    def whole(self, samples: int) -> int:
        """So many samples, filled up to whole blocks."""
        return -(-samples // self._block) * self._block

    def push(self, samples: Audio) -> Audio:
        waiting = np.concatenate([self._waiting, samples])
        whole = len(waiting) // self._block * self._block
        self._waiting = waiting[whole:]
        blocks = [self._resample(waiting[start : start + self._block]) for start in range(0, whole, self._block)]
        return np.concatenate(blocks) if blocks else np.empty(0, np.float32)

    def finish(self) -> Audio:
        return self._resample(self._waiting, last=True)

    def _resample(self, samples: Audio, *, last: bool = False) -> Audio:
        made: NDArray[np.float32] = self._stream.resample_chunk(samples, last=last)
        return made


def _split(pcm: bytes) -> tuple[bytes, bytes]:
    """The whole samples of `pcm`, and the byte that is over."""
    return (pcm, b"") if len(pcm) % BYTES_PER_SAMPLE == 0 else (pcm[:-1], pcm[-1:])
