"""How well and how fast the knowledge engine finds its answers.  Run:  python -m benchmarks.llm_knowledge [--json FILE]

Quality is measured on the labelled questions of ``tests/data`` that are no examples of the base; nothing was tuned on those marked fresh. Load is
the time to read and index the shipped folder, answer the time from a conversation to all its sentences.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from comps.llm.engine import Message
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.conversation import Conversation
from comps.llm.knowledge.retriever import KNOWN, OFF_TOPIC, UNKNOWN, Retriever
from comps.llm.knowledge.text import tokens

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
HISTORY = (Message("user", "what ports do you use"), Message("assistant", "The gateway is on port 3009."))


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares of one file of questions; `precision` is of the questions that got an answer."""

    questions: str
    found: float
    found_misheard: float
    unknown_answered: float
    precision: float
    count: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Load in seconds, answers in milliseconds, memory in MB of this process at its largest."""

    load_s: float
    answer_median_ms: float
    answer_p95_ms: float
    follow_up_median_ms: float
    memory_mb: float


def share(values: list[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")


def read(path: Path) -> list[tuple[str, str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(topic, question, kind) for topic, question, kind in csv.reader(file, delimiter="\t")]


def quality(path: Path, base: KnowledgeBase, retriever: Retriever) -> Quality:
    examples = {tuple(tokens(example)) for topic in base for example in topic.examples}
    rows = []
    for wanted, question, kind in read(path):
        if tuple(tokens(question)) in examples:
            continue
        match = retriever.search(question, 1)[0]
        known = match.score >= KNOWN and match.topic.id != OFF_TOPIC
        rows.append((kind, (match.topic.id if known else UNKNOWN) in wanted.split("|"), known))
    return Quality(
        questions=path.stem.removeprefix("knowledge_questions_"),
        found=share([right for kind, right, _ in rows if kind != "unanswerable"]),
        found_misheard=share([right for kind, right, _ in rows if kind == "misheard"]),
        unknown_answered=share([known for kind, _, known in rows if kind == "unanswerable"]),
        precision=share([right for _, right, known in rows if known]),
        count=len(rows),
    )


def cost(questions: list[str]) -> Cost:
    began = time.perf_counter()
    conversation = Conversation(KnowledgeBase.load())
    load_s = time.perf_counter() - began
    answers = sorted(timed_ms(conversation, (Message("user", question),)) for question in questions)
    follow_ups = [timed_ms(conversation, (*HISTORY, Message("user", f"and {question}"))) for question in questions]
    return Cost(
        load_s=load_s,
        answer_median_ms=statistics.median(answers),
        answer_p95_ms=answers[int(0.95 * len(answers))],
        follow_up_median_ms=statistics.median(follow_ups),
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def timed_ms(conversation: Conversation, messages: tuple[Message, ...]) -> float:
    began = time.perf_counter()
    conversation.reply(messages)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    paths = sorted(DATA.glob("knowledge_questions_*.tsv"))
    spent = cost([question for path in paths for _, question, _ in read(path)])
    base = KnowledgeBase.load()
    rows = [quality(path, base, Retriever(base)) for path in paths]
    print("| questions | n | found | found, misheard | unknown answered | precision |\n|---|---|---|---|---|---|")
    for row in rows:
        shares = (row.found, row.found_misheard, row.unknown_answered, row.precision)
        print(f"| {row.questions} | {row.count} | " + " | ".join(f"{value:.1%}" for value in shares) + " |")
    print("\n| load | answer, median | answer, p95 | follow-up, median | memory |\n|---|---|---|---|---|")
    times = f"{spent.answer_median_ms:.2f} ms | {spent.answer_p95_ms:.2f} ms | {spent.follow_up_median_ms:.2f} ms"
    print(f"| {spent.load_s:.2f} s | {times} | {spent.memory_mb:.0f} MB |")
    if options.json:
        figures = {"quality": [asdict(row) for row in rows], "cost": asdict(spent)}
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
