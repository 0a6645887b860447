"""Word errors of PocketSphinx with and without its adaptation to the knowledge base, and its speed.

Speaks questions that the shipped base can answer, and sentences about something else, in three voices of
eSpeak NG, and prints a table. Run:  python benchmarks/asr_adaptation.py [--show] [--json FILE]

``stock`` is PocketSphinx as it comes: its own settings, the recording as it is. ``unadapted`` is the engine
of this project without a knowledge base: level and noise floor set, speech cut out, quicker search.
``adapted`` is the engine with the shipped base. Times are CPU seconds of this process over seconds of speech.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pocketsphinx
import soxr
from anyio.from_thread import BlockingPortal, start_blocking_portal
from rapidfuzz.distance import Levenshtein

from comps.asr.adaptation.corpus import build_corpus, read_folder
from comps.asr.adaptation.spoken import spoken_words
from comps.asr.engine import SAMPLE_RATE, AsrOptions, Audio
from comps.asr.engines.pocketsphinx import PocketSphinxEngine
from comps.asr.settings import SHIPPED_KNOWLEDGE, AsrSettings
from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawSettings

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "asr"
VOICES = {"American": "gmw/en-US", "British": "gmw/en", "American, f3": "gmw/en-US+f3"}
WORDS_PER_MINUTE = 160
SILENCE_S = 0.2


@dataclass(slots=True)
class Score:
    """Word errors and words said."""

    errors: int = 0
    words: int = 0

    def add(self, said: str, heard: str) -> None:
        reference, hypothesis = plain(said), plain(heard)
        self.errors += Levenshtein.distance(reference, hypothesis)
        self.words += len(reference)

    @property
    def rate(self) -> float:
        return self.errors / self.words if self.words else 0.0


def plain(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split()


@cache
def speak(text: str, voice: str) -> Audio:
    """Every recogniser hears the same recording: eSpeak's breath noise differs from one synthesis to the next."""
    pieces: list[np.ndarray] = []

    def keep(pcm: np.ndarray, events: object) -> bool:
        pieces.append(pcm.copy())
        return True

    synthesise(text, RawSettings(voice, WORDS_PER_MINUTE), keep)
    speech = np.concatenate(pieces).astype(np.float32) / 32768
    silence = np.zeros(int(SILENCE_S * SAMPLE_RATE), np.float32)
    return np.concatenate([silence, soxr.resample(speech, sample_rate(), SAMPLE_RATE), silence])


Hear = Callable[[Audio], str]


def stock() -> Hear:
    decoder = pocketsphinx.Decoder(loglevel="FATAL")

    def hear(audio: Audio) -> str:
        decoder.start_utt()
        decoder.process_raw((audio * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return hear


def engine(portal: BlockingPortal, *, adapt: bool) -> Hear:
    chosen = PocketSphinxEngine(AsrSettings(adapt=adapt))
    began = time.perf_counter()
    portal.call(chosen.load)
    print(
        f"{'adapted' if adapt else 'unadapted'}: loaded in {time.perf_counter() - began:.2f} s, "
        f"{resident_mb()} MB resident"
    )

    async def final(audio: Audio) -> str:
        async def once() -> AsyncIterator[Audio]:
            yield audio

        return [transcript.text async for transcript in chosen.transcribe(once(), AsrOptions())][-1]

    return lambda audio: portal.call(final, audio)


def resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 2**20


def sets() -> dict[str, list[str]]:
    """The questions as the base has them, those it has in other words, and other speech."""
    questions = (DATA / "questions.txt").read_text(encoding="utf-8").splitlines()
    known = {sentence.words for sentence in build_corpus(read_folder(SHIPPED_KNOWLEDGE)).sentences}
    verbatim = [text for text in questions if tuple(spoken_words(text)) in known]
    return {
        "questions, verbatim": verbatim,
        "questions, reworded": [text for text in questions if text not in verbatim],
        "general speech": (DATA / "general.txt").read_text(encoding="utf-8").splitlines(),
    }


def measure(hear: Hear, texts: dict[str, list[str]], *, show: bool) -> dict[str, object]:
    scores = {(kind, voice): Score() for kind in texts for voice in VOICES}
    busy = spoken = 0.0
    for (kind, voice), score in scores.items():
        for text in texts[kind]:
            audio = speak(text, VOICES[voice])
            began = time.process_time()
            heard = hear(audio)
            busy += time.process_time() - began
            spoken += len(audio) / SAMPLE_RATE
            score.add(text, heard)
            if show:
                print(f"  {voice:14} {text} -> {heard}")
    return {
        "scores": {f"{kind} / {voice}": score.rate for (kind, voice), score in scores.items()},
        "groups": grouped(scores),
        "real_time_factor": busy / spoken,
    }


def grouped(scores: dict[tuple[str, str], Score]) -> dict[str, float]:
    def over(prefix: str) -> float:
        chosen = [score for (kind, _), score in scores.items() if kind.startswith(prefix)]
        return sum(s.errors for s in chosen) / sum(s.words for s in chosen)

    kinds = dict.fromkeys(kind for kind, _ in scores)
    return {**{kind: over(kind) for kind in kinds}, "all questions": over("questions")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print every sentence and what was heard")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    texts = sets()
    print("sentences in each of three voices:", {kind: len(lines) for kind, lines in texts.items()})
    with start_blocking_portal() as portal:
        hearers = {"stock": stock(), "unadapted": engine(portal, adapt=False), "adapted": engine(portal, adapt=True)}
        results = {name: measure(hear, texts, show=arguments.show) for name, hear in hearers.items()}
    report(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


def report(results: dict[str, dict[str, object]]) -> None:
    print(f"\n{'word error rate':38}" + "".join(f"{name:>12}" for name in results))
    for table in ("scores", "groups"):
        for row in next(iter(results.values()))[table]:  # type: ignore[attr-defined]
            print(f"{row:38}" + "".join(f"{100 * result[table][row]:11.1f}%" for result in results.values()))  # type: ignore[index]
        print()
    print(f"{'CPU time / length of speech':38}" + "".join(f"{r['real_time_factor']:12.3f}" for r in results.values()))


if __name__ == "__main__":
    main()
