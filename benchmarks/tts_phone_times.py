"""How well eSpeak's corrected phone times sit on its sound.

Releases of voiceless stops are found in the samples (end of the silence nearest to the vowel after
it) and compared with the end of the closure; closures with where the sound stops.

Run: python -m benchmarks.tts_phone_times
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import EVENT_PHONEME, RawEvent, RawSettings
from comps.core.language.espeak_times import PhoneTimer
from comps.core.language.phones import facts, normalise
from comps.core.speech import Pcm, Phone

TEXT = (
    "Peter packed a pack of papers at a pop up shop. Kick a cake to Kate. A cat, a top, a pea. "
    "Put it on the table again. Six slow snakes saw seven fish. Happy people keep a paper cup."
)
VOICES = ("gmw/en-US", "gmw/en-US+f5", "gmw/en-US+edward", "gmw/en-US+klatt3")
WINDOW_S = 0.002


def main() -> None:
    print(
        "voice | raw event minus release, ms: median, worst | corrected closure start minus silence, ms: median, worst"
    )
    for voice in VOICES:
        pcm, events, phones = speak(voice)
        silent = quiet(pcm)
        releases = [
            delay
            for event in events
            if event.type == EVENT_PHONEME and is_voiceless_stop(normalise(event.phoneme))
            if (delay := from_silence_end(silent, event.sample)) is not None
        ]
        closures = [
            (phone.start - start / sample_rate()) * 1e3
            for before, phone in pairwise(phones)
            if before.phone and is_voiceless_stop((phone.phone,))
            if (start := silence_start(silent, phone)) is not None
        ]
        print(f"{voice} | {summary(releases)} (n={len(releases)}) | {summary(closures)} (n={len(closures)})")


def speak(voice: str) -> tuple[Pcm, list[RawEvent], list[Phone]]:
    timer, pieces, found = PhoneTimer(TEXT, sample_rate()), list[Pcm](), list[RawEvent]()

    def on_block(pcm: Pcm, events: list[RawEvent]) -> bool:
        timer.feed(pcm, events)
        pieces.append(pcm)
        found.extend(events)
        return True

    synthesise(TEXT, RawSettings(voice, rate=160), on_block)
    timer.finish()
    return np.concatenate(pieces), found, timer.take_phones()


def quiet(pcm: Pcm) -> np.ndarray:
    """Whether each sample lies in silence: level over `WINDOW_S` below 2 % of the peak."""
    width = int(WINDOW_S * sample_rate())
    signal = pcm.astype(float)
    level = np.sqrt(np.convolve(signal**2, np.ones(width) / width, "same"))
    return np.asarray(level < 0.02 * np.abs(signal).max())


def is_voiceless_stop(symbols: tuple[str, ...]) -> bool:
    return bool(symbols) and facts(symbols[0]).has_closure and not facts(symbols[0]).voiced


def from_silence_end(silent: np.ndarray, sample: int) -> float | None:
    """Milliseconds from `sample` to the nearest end of a silence, None when none is within 30 ms."""
    ends = np.flatnonzero(silent[:-1] & ~silent[1:])
    delay = (ends[np.argmin(np.abs(ends - sample))] - sample) / sample_rate() * 1e3
    return float(delay) if abs(delay) < 30 else None


def silence_start(silent: np.ndarray, phone: Phone) -> int | None:
    """First sample of the silence that `phone` holds, which may have begun before it."""
    first, stop = int(phone.start * sample_rate()), int(phone.end * sample_rate())
    inside = np.flatnonzero(silent[first:stop])
    if not len(inside):
        return None
    loud = np.flatnonzero(~silent[: first + int(inside[0])])
    return int(loud[-1]) + 1 if len(loud) else 0


def summary(values: list[float]) -> str:
    return f"{np.median(values):+.1f}, {max(values, key=abs):+.1f}"


if __name__ == "__main__":
    main()
