"""Folders of a few topics, as users write them: what is answered rightly, wrongly and not, typed and spoken.

Asks three small bases (`tests/data/small_bases`: a shop with a question or two for each topic, a practice with more, a
handbook without any) questions that they can answer, in other words, and questions that they cannot. Run:
python -m benchmarks.small_bases [--set tuning|held_out|examples] [--typed] [--base NAME] [--unadapted] [--quick] [--show] [--processes N] [--json FILE]

By the set ``tuning`` thresholds and tables of words were chosen, by ``held_out`` nothing. ``examples`` are the headings and
example questions of the bases themselves, word for word, also of a shop of three topics (``corner``), and also in a
voice by which nothing was chosen. ``wrong`` answers come from
another topic than the one meant, ``outside answered`` is the share of foreign questions that a topic of the base
answers; small talk counts as no answer. ``unadapted`` hears without the base, but answers from it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.asr_adaptation import ESPEAK_HELD_OUT, TUNING_VOICES, Hear, Score, engine, speak
from comps.asr.engine import SAMPLE_RATE
from comps.asr.settings import AsrSettings
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.retriever import KNOWN, Retriever

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "small_bases"
BASES = ("shop", "clinic", "handbook")
EXAMPLES = "examples"
WITHOUT_QUESTIONS = ("corner",)
"""Bases that only their own examples are asked of."""
NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the topic that answers it or `NOTHING`."""

    base: str
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the words in which it arrived, and the topic that answered or `NOTHING`."""

    question: Question
    text: str
    got: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Shares of the questions inside and outside of the base; word error rates are 0 for typed questions."""

    inside: int
    outside: int
    found: float
    wrong: float
    outside_answered: float
    word_errors_inside: float
    word_errors_outside: float


def questions(base: str, chosen: str) -> list[Question]:
    if chosen == EXAMPLES:
        own = [topic for topic in KnowledgeBase.load(DATA / base) if not topic.reserved]
        return [Question(base, topic.id, text) for topic in own for text in (topic.title, *topic.examples)]
    with (DATA / f"{base}.tsv").open(encoding="utf-8", newline="") as file:
        return [Question(base, topic, text) for topic, text, part in csv.reader(file, delimiter="\t") if part == chosen]


def answers(base: str, texts: Iterable[tuple[Question, str]]) -> list[Asked]:
    retriever = Retriever(KnowledgeBase.load(DATA / base))
    found = []
    for question, text in texts:
        match = retriever.search(text, 1)[0]
        known = match.score >= KNOWN and not match.topic.reserved
        found.append(Asked(question, text, match.topic.id if known else NOTHING))
    return found


def outcome(asked: list[Asked]) -> Outcome:
    inside = [one for one in asked if one.question.topic != NOTHING]
    outside = [one for one in asked if one.question.topic == NOTHING]
    return Outcome(
        len(inside),
        len(outside),
        share(one.got == one.question.topic for one in inside),
        share(one.got not in (one.question.topic, NOTHING) for one in inside),
        share(one.got != NOTHING for one in outside),
        word_errors(inside),
        word_errors(outside),
    )


def share(values: Iterable[bool]) -> float:
    counted = list(values)
    return sum(counted) / len(counted) if counted else 0.0


def word_errors(asked: list[Asked]) -> float:
    score = Score()
    for one in asked:
        score.add(one.question.text, one.text)
    return score.rate


@dataclass(slots=True)
class Listening:
    """What one hearer made of recordings, and seconds of processor time and of speech."""

    asked: list[Asked]
    busy_s: float = 0.0
    length_s: float = 0.0


def listen(names: list[str], base: str, voice: str, asked: list[Question]) -> dict[str, Listening]:
    """The hearers hear the same recordings in this process, and the base answers what they heard."""
    hearers = {
        name: engine(AsrSettings(adapt=name == "adapted", knowledge_dir=DATA / base), f"{base}, {voice}, {name}")
        for name in names
    }
    return {name: listen_with(hear, base, voice, asked) for name, hear in hearers.items()}


def listen_with(hear: Hear, base: str, voice: str, asked: list[Question]) -> Listening:
    heard: list[tuple[Question, str]] = []
    busy = length = 0.0
    for question in asked:
        audio = speak(question.text, voice)
        began = time.process_time()
        heard.append((question, hear(audio)))
        busy += time.process_time() - began
        length += len(audio) / SAMPLE_RATE
    return Listening(answers(base, heard), busy, length)


def spoken(
    names: list[str], asked: dict[str, list[Question]], voices: list[str], processes: int, *, quick: bool
) -> dict[str, dict[str, Listening]]:
    """By hearer and base, all voices together."""
    if not names:
        return {}
    found: dict[str, dict[str, Listening]] = {name: {base: Listening([]) for base in asked} for name in names}
    turns = len(voices)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        jobs: list[tuple[str, Future[dict[str, Listening]]]] = [
            (base, pool.submit(listen, names, base, voice, given[turn::turns] if quick else given))
            for base, given in asked.items()
            for turn, voice in enumerate(voices)
        ]
        for base, job in jobs:
            for name, part in job.result().items():
                whole = found[name][base]
                whole.asked += part.asked
                whole.busy_s += part.busy_s
                whole.length_s += part.length_s
    return found


def report(title: str, by_base: dict[str, list[Asked]], *, show: bool) -> dict[str, Outcome]:
    print(f"\n{title}\n| base | inside | found | wrong | word errors | outside | answered | word errors |")
    print("|---|---|---|---|---|---|---|---|")
    rows = {**by_base, "all": [one for asked in by_base.values() for one in asked]}
    outcomes = {name: outcome(asked) for name, asked in rows.items()}
    for name, row in outcomes.items():
        print(
            f"| {name} | {row.inside} | {row.found:.1%} | {row.wrong:.1%} | {row.word_errors_inside:.1%} "
            f"| {row.outside} | {row.outside_answered:.1%} | {row.word_errors_outside:.1%} |"
        )
    for one in rows["all"] if show else ():
        if one.got != one.question.topic:
            print(f"  {one.question.base}: {one.question.text} -> {one.text} -> {one.got}, not {one.question.topic}")
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=["tuning", "held_out", EXAMPLES], default="held_out")
    parser.add_argument(
        "--base",
        choices=(*BASES, *WITHOUT_QUESTIONS),
        action="append",
        help="only this one; may be given several times",
    )
    parser.add_argument("--typed", action="store_true", help="leave out speech, which takes minutes")
    parser.add_argument("--unadapted", action="store_true", help="also hear without the base, for comparison")
    parser.add_argument("--quick", action="store_true", help="ask every question in one of the voices, in turn")
    parser.add_argument("--show", action="store_true", help="print what was not answered as it should")
    parser.add_argument("--processes", type=int, default=min(4, os.cpu_count() or 1), help="that hear at the same time")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    bases: tuple[str, ...] = BASES
    voices = [*TUNING_VOICES.values()]
    if options.set == EXAMPLES:
        bases, voices = (*bases, *WITHOUT_QUESTIONS), [*voices, *ESPEAK_HELD_OUT.values()]
    elif not {*(options.base or ())} <= {*bases}:
        parser.error(f"of {', '.join(WITHOUT_QUESTIONS)} there are only --set {EXAMPLES}")
    asked = {base: questions(base, options.set) for base in options.base or bases}
    typed = {base: answers(base, [(one, one.text) for one in given]) for base, given in asked.items()}
    figures = {"typed": report("typed", typed, show=options.show)}
    names = [] if options.typed else ["unadapted", "adapted"] if options.unadapted else ["adapted"]
    for name, heard in spoken(names, asked, voices, options.processes, quick=options.quick).items():
        figures[name] = report(
            f"spoken in {len(voices)} voices, {name}",
            {base: part.asked for base, part in heard.items()},
            show=options.show,
        )
        busy, length = (sum(getattr(part, key) for part in heard.values()) for key in ("busy_s", "length_s"))
        print(f"processor time / length of speech: {busy / length:.3f}")
    if options.json:
        rows = {name: {base: asdict(row) for base, row in table.items()} for name, table in figures.items()}
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
