"""Memory of the whole stack: all processes of `avatarchatbot up`, at rest, after use, and by length of the answer.

    python -m benchmarks.memory [--json] [--questions 20]

Resident memory is the sum over the processes of RSS (pages shared between them counted each time)
and of PSS (each shared page counted once). Linux only: read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.latency import QUESTIONS, ask, running_stack, spoken

LIMIT_MB = 800.0
SENTENCE = "This sentence is spoken again and again, to see whether memory grows with the answer. "
LENGTHS = (1, 8, 32)
_SAMPLE_S = 0.1


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes (10^6 bytes) of a tree of processes."""

    rss_mb: float
    pss_mb: float
    processes: int


def memory_of(pid: int) -> Memory:
    """Memory of a process and all below it."""
    pids = tree(pid)
    rollups = [rollup(each) for each in pids]
    return Memory(
        sum(values.get("Rss", 0) for values in rollups) / 1e3,
        sum(values.get("Pss", 0) for values in rollups) / 1e3,
        len(pids),
    )


def tree(pid: int) -> list[int]:
    """A process and everything it started."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid, *(found for child in children for found in tree(child))]


def rollup(pid: int) -> dict[str, float]:
    """The kernel's account of one process's pages, in kilobytes of 1000 bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {line.partition(":")[0]: int(line.split()[1]) * 1.024 for line in lines}


async def peak_while(pid: int, work: asyncio.Task[None]) -> Memory:
    """The highest PSS while `work` runs."""
    peak = memory_of(pid)
    while not work.done():
        await asyncio.sleep(_SAMPLE_S)
        peak = max(peak, memory_of(pid), key=lambda memory: memory.pss_mb)
    await work
    return peak


async def use(client: httpx.AsyncClient, questions: int) -> None:
    """Typed and spoken questions, one after the other."""
    for index in range(questions):
        text = QUESTIONS[index % len(QUESTIONS)]
        await ask(client, {"text": text})
        if index % 4 == 0:
            await ask(client, (await spoken(client, text))[0])


async def say(client: httpx.AsyncClient, sentences: int, seconds: dict[int, float]) -> None:
    """Speak a text of `sentences` sentences; notes the length of the video."""
    body = {"text": SENTENCE * sentences, "response_format": "json"}
    reply = await client.post("/v1/say", json=body)
    if not reply.is_success:
        raise RuntimeError(f"{sentences} sentences: {reply.text}")
    seconds[sentences] = reply.json()["duration_s"]


async def measure(url: str, pid: int, questions: int) -> tuple[dict[str, Memory], dict[int, float]]:
    """Memory at each stage of use, and the length in seconds of the long answers."""
    found = {"at rest": memory_of(pid)}
    seconds: dict[int, float] = {}
    async with httpx.AsyncClient(base_url=url, timeout=300, trust_env=False) as client:
        await use(client, questions)
        found[f"after {questions} questions"] = memory_of(pid)
        for sentences in LENGTHS:
            peak = await peak_while(pid, asyncio.create_task(say(client, sentences, seconds)))
            found[f"peak in an answer of {seconds[sentences]:.0f} s"] = peak
        found["after all"] = memory_of(pid)
    return found, seconds


def show(found: dict[str, Memory]) -> None:
    """Print the table."""
    table = Table("when", "RSS, MB", "PSS, MB", "processes", title=f"Memory of the whole stack (bar: {LIMIT_MB:g} MB)")
    for when, memory in found.items():
        table.add_row(when, f"{memory.rss_mb:.0f}", f"{memory.pss_mb:.0f}", str(memory.processes))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--questions", type=int, default=20)
    options = parser.parse_args()
    with running_stack() as stack:
        found, _ = asyncio.run(measure(stack.url, stack.pid, options.questions))
    if options.json:
        print(json.dumps({"benchmark": "memory", **{when: asdict(memory) for when, memory in found.items()}}))
    else:
        show(found)


if __name__ == "__main__":
    main()
