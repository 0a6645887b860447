"""How well phones are found in audio, against eSpeak's true times: with the text, and without it.

Columns: share of 10 ms frames with the right mouth shape (silence, lips closed, teeth on lip,
rounded, open, other vowel, other consonant), lip closures found within 40 ms, lip closures that
are none, median error of phone starts, seconds per second of audio.

Run: python -m benchmarks.tts_alignment
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.tts_voices import SENTENCES
from comps.core.language.alignment import SAMPLE_RATE, align, fit_durations
from comps.core.language.espeak_library import RawSettings
from comps.core.language.espeak_speech import spoken
from comps.core.language.phone_recognition import recognise_phones
from comps.core.language.phones import facts
from comps.core.speech import Phone

Audio = NDArray[np.float32]
Finder = Callable[[Audio, str], Sequence[Phone]]
VOICES = ("gmw/en-US+f5", "gmw/en-US+edward", "gmw/en-US", "gmw/en+f2")
FINDERS: dict[str, Finder] = {
    "aligned, text known": lambda audio, text: align(audio, text, "en").phones,
    "fitted, text known": lambda audio, text: fit_durations(audio, text, "en-gb").phones,
    "recognised": lambda audio, text: recognise_phones(audio),
}


def main() -> None:
    for voice in VOICES:
        sentences = [(text, *speak(text, voice)) for text in SENTENCES]
        for name, finder in FINDERS.items():
            print(f"{voice}, {name}: {score(sentences, finder)}")


def speak(text: str, voice: str) -> tuple[Audio, tuple[Phone, ...]]:
    return spoken(text, RawSettings(voice, rate=160), SAMPLE_RATE)


def score(sentences: list[tuple[str, Audio, tuple[Phone, ...]]], finder: Finder) -> str:
    same = frames = hits = wanted = false = 0
    errors: list[float] = []
    began = time.perf_counter()
    for text, audio, truth in sentences:
        found = finder(audio, text)
        pairs = list(zip(shapes(truth, audio), shapes(found, audio), strict=True))
        same, frames = same + sum(a == b for a, b in pairs), frames + len(pairs)
        real, heard = closures(truth), closures(found)
        hits += sum(any(near(a, b) for b in heard) for a in real)
        false += sum(not any(near(a, b) for a in real) for b in heard)
        wanted += len(real)
        starts = np.array([p.start for p in truth])
        errors += [float(np.abs(starts - p.start).min()) for p in found if p.phone]
    took = (time.perf_counter() - began) / sum(len(audio) / SAMPLE_RATE for _, audio, _ in sentences)
    return (
        f"shapes {same / frames:.2f}, closures {hits}/{wanted}, false {false}, "
        f"start error {np.median(errors) * 1e3:.0f} ms, {took:.3f} s/s"
    )


def shapes(phones: Sequence[Phone], audio: Audio) -> list[str]:
    grid = ["silence"] * (len(audio) * 100 // SAMPLE_RATE)
    for phone in phones:
        first, stop = round(phone.start * 100), min(len(grid), round(phone.end * 100))
        grid[first:stop] = [shape(phone.phone)] * max(stop - first, 0)
    return grid


def shape(phone: str) -> str:
    found = facts(phone)
    if found.kind == "pause":
        return "silence"
    if found.closes_lips:
        return "closed"
    if found.place == "labiodental":
        return "teeth on lip"
    if found.rounded:
        return "rounded"
    if found.kind == "vowel":
        return "open" if found.height > 0.6 else "vowel"
    return "consonant"


def closures(phones: Sequence[Phone]) -> list[Phone]:
    return [phone for phone in phones if facts(phone.phone).closes_lips]


def near(a: Phone, b: Phone) -> bool:
    return a.start - 0.04 < b.end and b.start < a.end + 0.04


if __name__ == "__main__":
    main()
