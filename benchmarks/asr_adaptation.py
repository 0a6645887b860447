"""Word errors of PocketSphinx with and without its adaptation to the knowledge base, and its speed.

Speaks questions that the shipped base can answer, and sentences about something else, and prints a table for
each of two sets: ``tuning``, in voices of eSpeak NG, by which the bias and the noise floor were chosen, and
``held-out``, other sentences in other voices, by which nothing was chosen; its voices of Flite are heard where the
program `flite` is installed.  Run:  python -m benchmarks.asr_adaptation [--set NAME] [--no-stock] [--show]
[--processes N] [--json FILE]

``stock`` is PocketSphinx as it comes: its own settings, the recording as it is. ``unadapted`` is the engine
of this project without a knowledge base: level and noise floor set, speech cut out, quicker search.
``adapted`` is the engine with the shipped base. Recordings are made once and heard by all, in as many processes as
there are cores; times are processor seconds over seconds of speech.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pocketsphinx
import soxr
from rapidfuzz.distance import Levenshtein

from comps.asr.adaptation.corpus import build_corpus, read_folder
from comps.asr.adaptation.spoken import spoken_words
from comps.asr.engine import SAMPLE_RATE, AsrOptions, Audio
from comps.asr.engines.pocketsphinx import PocketSphinxEngine
from comps.asr.settings import SHIPPED_KNOWLEDGE, AsrSettings
from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawSettings

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
TUNING_VOICES = {"American": "gmw/en-US", "British": "gmw/en", "American, f3": "gmw/en-US+f3"}
ESPEAK_HELD_OUT = {"American, m3": "gmw/en-US+m3"}
FLITE_HELD_OUT = {"Flite slt": "flite:slt", "Flite rms": "flite:rms", "Flite awb": "flite:awb"}
HELD_OUT_QUESTIONS = 30
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


@dataclass(frozen=True, slots=True)
class SpokenSet:
    """Sentences by kind, each said in all voices."""

    texts: dict[str, list[str]]
    voices: dict[str, str]


def plain(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split()


@cache
def speak(text: str, voice: str) -> Audio:
    """Every recogniser hears the same recording: eSpeak's breath noise differs from one synthesis to the next."""
    name = voice.removeprefix("flite:")
    speech, rate = by_espeak(text, voice) if name == voice else by_flite(text, name)
    silence = np.zeros(int(SILENCE_S * SAMPLE_RATE), np.float32)
    return np.concatenate([silence, soxr.resample(speech, rate, SAMPLE_RATE), silence])


def by_espeak(text: str, voice: str) -> tuple[Audio, int]:
    pieces: list[np.ndarray] = []

    def keep(pcm: np.ndarray, events: object) -> bool:
        pieces.append(pcm.copy())
        return True

    synthesise(text, RawSettings(voice, WORDS_PER_MINUTE), keep)
    return np.concatenate(pieces).astype(np.float32) / 32768, sample_rate()


def by_flite(text: str, voice: str) -> tuple[Audio, int]:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", file.name], check=True)
        with wave.open(file.name) as recording:
            pcm = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
            return pcm.astype(np.float32) / 32768, recording.getframerate()


Hear = Callable[[Audio], str]
Result = dict[str, Any]


def stock() -> Hear:
    decoder = pocketsphinx.Decoder(loglevel="FATAL")

    def hear(audio: Audio) -> str:
        decoder.start_utt()
        decoder.process_raw((audio * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return hear


def engine(settings: AsrSettings, name: str) -> Hear:
    """The engine of this project, in an event loop of its own."""
    loop = asyncio.new_event_loop()
    chosen = PocketSphinxEngine(settings)
    began = time.perf_counter()
    loop.run_until_complete(chosen.load())
    print(f"{name}: loaded in {time.perf_counter() - began:.2f} s, {resident_mb()} MB resident", flush=True)

    async def final(audio: Audio) -> str:
        async def once() -> AsyncIterator[Audio]:
            yield audio

        return [transcript.text async for transcript in chosen.transcribe(once(), AsrOptions())][-1]

    return lambda audio: loop.run_until_complete(final(audio))


HEARERS: dict[str, Callable[[], Hear]] = {
    "stock": stock,
    "unadapted": lambda: engine(AsrSettings(adapt=False), "unadapted"),
    "adapted": lambda: engine(AsrSettings(), "adapted"),
}


def resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 2**20


def sets() -> dict[str, SpokenSet]:
    """Questions as the base has them, in other words, and other speech."""
    known = {sentence.words for sentence in build_corpus(read_folder(SHIPPED_KNOWLEDGE)).sentences}

    def by_kind(questions: list[str], general: str) -> dict[str, list[str]]:
        verbatim = [text for text in questions if tuple(spoken_words(text)) in known]
        kinds = {
            "questions, verbatim": verbatim,
            "questions, reworded": [text for text in questions if text not in verbatim],
            "general speech": lines("asr", general),
        }
        return {kind: texts for kind, texts in kinds.items() if texts}

    flite = FLITE_HELD_OUT if shutil.which("flite") else {}
    return {
        "tuning": SpokenSet(by_kind(lines("asr", "questions.txt"), "general.txt"), TUNING_VOICES),
        "held-out": SpokenSet(by_kind(held_out_questions(), "general_held_out.txt"), ESPEAK_HELD_OUT | flite),
    }


def lines(*path: str) -> list[str]:
    return DATA.joinpath(*path).read_text(encoding="utf-8").splitlines()


def held_out_questions() -> list[str]:
    """Evenly chosen from those that the knowledge base's own held-out test asks, written as they were meant."""
    rows = [line.split("\t") for line in lines("knowledge_questions_en_held_out.tsv")]
    clean = [row[1] for row in rows if len(row) == 3 and row[2] == "clean" and not row[0].startswith(("talk-", "none"))]
    return clean[:: max(1, len(clean) // HELD_OUT_QUESTIONS)][:HELD_OUT_QUESTIONS]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recogniser heard of a recording of `length_s`, and the processor time it took."""

    text: str
    busy_s: float
    length_s: float


_hearers: dict[str, Hear] = {}
"""Those of this process, each made when first needed."""


def hear_all(name: str, recordings: list[Audio]) -> list[Heard]:
    """Let the recogniser `name` hear the recordings in this process, one after the other."""
    if name not in _hearers:
        _hearers[name] = HEARERS[name]()
    found = []
    for audio in recordings:
        began = time.process_time()
        text = _hearers[name](audio)
        found.append(Heard(text, time.process_time() - began, len(audio) / SAMPLE_RATE))
    return found


def measure(pool: ProcessPoolExecutor, names: list[str], spoken_set: SpokenSet, *, show: bool) -> dict[str, Result]:
    """Every recogniser hears the same recordings; voices are heard at the same time, one in each process."""
    rows = [(kind, voice) for kind in spoken_set.texts for voice in spoken_set.voices]
    recordings = {
        (kind, voice): [speak(text, spoken_set.voices[voice]) for text in spoken_set.texts[kind]]
        for kind, voice in rows
    }
    jobs = {(name, row): pool.submit(hear_all, name, recordings[row]) for name in names for row in rows}
    return {name: result({row: jobs[name, row].result() for row in rows}, spoken_set, show=show) for name in names}


def result(heard: dict[tuple[str, str], list[Heard]], spoken_set: SpokenSet, *, show: bool) -> Result:
    scores = {row: Score() for row in heard}
    for (kind, voice), transcripts in heard.items():
        for text, transcript in zip(spoken_set.texts[kind], transcripts, strict=True):
            scores[kind, voice].add(text, transcript.text)
            if show:
                print(f"  {voice:14} {text} -> {transcript.text}")
    everything = [transcript for transcripts in heard.values() for transcript in transcripts]
    return {
        "scores": {f"{kind} / {voice}": score.rate for (kind, voice), score in scores.items()},
        "groups": grouped(scores),
        "real_time_factor": sum(t.busy_s for t in everything) / sum(t.length_s for t in everything),
    }


def grouped(scores: dict[tuple[str, str], Score]) -> dict[str, float]:
    def over(prefix: str) -> float:
        chosen = [score for (kind, _), score in scores.items() if kind.startswith(prefix)]
        return sum(s.errors for s in chosen) / sum(s.words for s in chosen)

    kinds = dict.fromkeys(kind for kind, _ in scores)
    return {**{kind: over(kind) for kind in kinds}, "all questions": over("questions")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=["tuning", "held-out"], help="only this one")
    parser.add_argument("--no-stock", action="store_true", help="leave out PocketSphinx as it comes, the slowest")
    parser.add_argument("--show", action="store_true", help="print every sentence and what was heard")
    parser.add_argument("--processes", type=int, default=min(4, os.cpu_count() or 1), help="that hear at the same time")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    chosen = {name: spoken for name, spoken in sets().items() if arguments.set in (None, name)}
    names = [name for name in HEARERS if name != "stock" or not arguments.no_stock]
    results = {}
    # Forked processes would share the decoders and threads of this one.
    with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:
        for name, spoken in chosen.items():
            results[name] = measure(pool, names, spoken, show=arguments.show)
            sizes = {kind: len(texts) for kind, texts in spoken.texts.items()}
            print(f"\n{name} set, sentences in each of {len(spoken.voices)} voices: {sizes}", end="")
            report(results[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


def report(results: dict[str, Result]) -> None:
    print(f"\n{'word error rate':38}" + "".join(f"{name:>12}" for name in results))
    for table in ("scores", "groups"):
        for row in next(iter(results.values()))[table]:
            print(f"{row:38}" + "".join(f"{100 * result[table][row]:11.1f}%" for result in results.values()))
        print()
    print(f"{'CPU time / length of speech':38}" + "".join(f"{r['real_time_factor']:12.3f}" for r in results.values()))


if __name__ == "__main__":
    main()
