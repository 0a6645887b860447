"""Finds the stretches of speech in audio that arrives piece by piece."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from pocketsphinx import Vad

from comps.asr.engine import SAMPLE_RATE, Audio

FRAME = SAMPLE_RATE * 30 // 1000
"""Samples of one decision: 30 ms."""


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """When speech begins and ends; seconds.

    `onset_s` of speech within `window_s` open a segment, `pause_s` without speech close it, and so does
    `longest_s`, which bounds memory and time. `lead_s` and `tail_s` of sound around the speech are kept.
    A segment with less than `shortest_s` of speech is noise. `floor_db` is the level, relative to full
    scale, below which nothing is speech, and `liveliness_db` how much the level of speech must rise and
    fall, which noise and hum do not. `strictness` is the detector's own, 0 to 3.
    """

    onset_s: float = 0.12
    window_s: float = 0.3
    pause_s: float = 0.75
    longest_s: float = 15.0
    lead_s: float = 0.3
    tail_s: float = 0.3
    shortest_s: float = 0.15
    floor_db: float = -65.0
    liveliness_db: float = 4.0
    strictness: int = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """Speech: mono float32 `[n]` at `SAMPLE_RATE`; `start` counts samples from the beginning of the audio."""

    start: int
    samples: Audio


def _frames(seconds: float) -> int:
    return max(1, round(seconds * SAMPLE_RATE / FRAME))


class Segmenter:
    """Cuts one recording into segments of speech."""

    def __init__(self, options: SegmentOptions | None = None) -> None:
        self._options = chosen = options or SegmentOptions()
        self._vad = Vad(chosen.strictness, SAMPLE_RATE, FRAME / SAMPLE_RATE)
        self._floor = 10 ** (chosen.floor_db / 20)
        self._rest: Audio = np.zeros(0, np.float32)
        self._position = 0
        self._recent: deque[tuple[Audio, bool]] = deque(maxlen=_frames(chosen.lead_s) + _frames(chosen.window_s))
        self._open: list[Audio] = []
        self._start = 0
        self._spoken = 0
        self._quiet = 0

    def feed(self, samples: Audio) -> list[Segment]:
        """Segments that ended within `samples` (mono float32 in -1..1)."""
        waiting = np.concatenate([self._rest, samples])
        whole = len(waiting) // FRAME * FRAME
        self._rest = waiting[whole:]
        found = (self._frame(waiting[at : at + FRAME]) for at in range(0, whole, FRAME))
        return [segment for segment in found if segment]

    def finish(self) -> Segment | None:
        """The segment still open at the end of the audio, if it holds speech."""
        self._open.append(self._rest)
        return self._close()

    @property
    def open(self) -> Segment | None:
        """The segment that has begun and not ended, as far as it has arrived, if it is no steady noise so far."""
        return self._lively(np.concatenate(self._open)) if self._open else None

    def _frame(self, frame: Audio) -> Segment | None:
        speech = self._is_speech(frame)
        self._position += FRAME
        if not self._open:
            self._wait(frame, speech)
            return None
        self._open.append(frame)
        self._spoken += speech
        self._quiet = 0 if speech else self._quiet + 1
        full = len(self._open) >= _frames(self._options.longest_s)
        return self._close() if full or self._quiet >= _frames(self._options.pause_s) else None

    def _wait(self, frame: Audio, speech: bool) -> None:
        self._recent.append((frame, speech))
        window = [heard for _, heard in self._recent][-_frames(self._options.window_s) :]
        if sum(window) >= _frames(self._options.onset_s):
            self._open = [kept for kept, _ in self._recent]
            self._start = self._position - len(self._open) * FRAME
            self._spoken, self._quiet = sum(window), 0
            self._recent.clear()

    def _close(self) -> Segment | None:
        frames, self._open = self._open, []
        spoken, quiet = self._spoken, self._quiet
        self._spoken = self._quiet = 0
        if spoken < _frames(self._options.shortest_s):
            return None
        spare = max(0, quiet - _frames(self._options.tail_s))
        samples = np.concatenate(frames[: len(frames) - spare])
        return self._lively(samples)

    def _lively(self, samples: Audio) -> Segment | None:
        return Segment(self._start, samples) if _liveliness_db(samples) >= self._options.liveliness_db else None

    def _is_speech(self, frame: Audio) -> bool:
        if float(np.sqrt(np.mean(np.square(frame)))) < self._floor:
            return False
        pcm = np.clip(frame * 32767, -32768, 32767).astype("<i2")
        return bool(self._vad.is_speech(pcm.tobytes()))


def _liveliness_db(samples: Audio) -> float:
    """How far apart the loud and the quiet frames are, decibels."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt(np.mean(np.square(frames), axis=1)) + 1e-9
    quiet, loud = np.percentile(levels, (10, 90))
    return float(20 * np.log10(loud / quiet))
