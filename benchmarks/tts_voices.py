"""Which of eSpeak's variants are understood: PocketSphinx's word errors on ten sentences.

Run: python -m benchmarks.tts_voices [voice ...]   (as gmw/en-US+f5; without one, those the service uses)
"""

from __future__ import annotations

import sys

import numpy as np
import soxr
from pocketsphinx import Decoder
from rapidfuzz.distance import Levenshtein

from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawEvent, RawSettings
from comps.core.speech import Pcm
from comps.tts.engines.espeak_voices import CHARACTERS

SENTENCES = (
    "The quick brown fox jumps over the lazy dog",
    "She had your dark suit in greasy wash water all year",
    "Please tell me what the weather will be tomorrow morning",
    "I would like to know how the talking face is made",
    "How many frames are shown in every second of the video",
    "People in the city like to walk along the river",
    "My mother bought a basket of apples and a bottle of milk",
    "The train to London leaves at seven in the evening",
    "We will meet again when the work is finished",
    "He asked me to open the window because it was hot",
)


def main(voices: list[str]) -> None:
    decoder = Decoder(samprate=16000.0, loglevel="FATAL")
    for voice in voices:
        errors = words = 0
        for sentence in SENTENCES:
            expected, heard = sentence.lower().split(), hear(decoder, speak(sentence + ".", voice))
            errors, words = errors + Levenshtein.distance(expected, heard), words + len(expected)
        print(f"{voice}: word errors {errors / words:.2f}")


def speak(text: str, voice: str) -> Pcm:
    pieces: list[Pcm] = []

    def on_block(pcm: Pcm, events: list[RawEvent]) -> bool:
        pieces.append(pcm)
        return True

    synthesise(text, RawSettings(voice, rate=160), on_block)
    return np.concatenate(pieces)


def hear(decoder: Decoder, pcm: Pcm) -> list[str]:
    audio = soxr.resample(pcm.astype(np.float32), sample_rate(), 16000).astype(np.int16)
    decoder.start_utt()
    decoder.process_raw(audio.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr.split() if hypothesis else []


if __name__ == "__main__":
    main(sys.argv[1:] or ["gmw/en-US", *(f"gmw/en-US+{variant}" for variant in sorted(set(CHARACTERS.values())))])
