"""How soon an answer begins: question to first video fragment at the client, over HTTP between real processes.

    python -m benchmarks.latency [--json] [--questions 24]

Starts everything with `avatarchatbot up` on free ports and asks over the event stream, one question
after the other, with connections kept open as a browser does. A fragment counts when its last byte
is here. Spoken questions are the same ones, made by the speech service of the stack itself.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

QUESTIONS = (
    "What can you do?",
    "What is AvatarChatbot?",
    "How do I start you?",
    "Can I use my own photo?",
    "Which languages do you speak?",
    "How does the lip sync work?",
    "Do you need a graphics card?",
    "How do I swap the language model?",
)
WARM_UP = 3
READY_S = 6.0
TEXT_MS = 150.0
RECOGNITION_RATIO = 0.25


@dataclass(frozen=True, slots=True)
class RunningStack:
    """`avatarchatbot up` in processes of its own; `ready_s` is how long it took until every service answered."""

    url: str
    pid: int
    ready_s: float


@contextmanager
def running_stack() -> Iterator[RunningStack]:
    """Start everything on free ports and end it on leaving."""
    base = free_ports(5)
    url = f"http://127.0.0.1:{base}"
    command = [sys.executable, "-m", "gateway.cli", "up", "--port", str(base), "--base-port", str(base + 1)]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        places = {"XDG_DATA_HOME": folder, "XDG_CACHE_HOME": folder}
        began = time.perf_counter()
        process = subprocess.Popen(command, env={**os.environ, **places}, stderr=log)
        try:
            _wait_ready(url, process)
            yield RunningStack(url, process.pid, time.perf_counter() - began)
        except TimeoutError:
            log.seek(0)
            sys.exit(f"the services did not start:\n{log.read()}")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/ready", timeout=2, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise TimeoutError


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + count < 65_536 and all(_is_free(first + offset) for offset in range(count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


@dataclass(frozen=True, slots=True)
class Answered:
    """Seconds from sending one question to what came of it; `answer_s` is the length of the answer."""

    heard_s: float | None
    first_fragment_s: float
    total_s: float
    answer_s: float


async def ask(client: httpx.AsyncClient, body: dict[str, Any]) -> Answered:
    """Ask over the event stream and time its events."""
    began = time.perf_counter()
    heard = first = None
    done: dict[str, Any] = {}
    name = ""
    async with client.stream("POST", "/v1/avatarchatbot/stream", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif name == "transcript" and line.startswith("data: "):
                heard = time.perf_counter() - began
            elif name == "media" and first is None and line.startswith('data: {"kind":"fragment"'):
                first = time.perf_counter() - began
            elif name == "done" and line.startswith("data: "):
                done = json.loads(line[6:])
            elif name == "error" and line.startswith("data: "):
                raise RuntimeError(line)
    if first is None:
        raise RuntimeError("the answer had no video")
    return Answered(heard, first, time.perf_counter() - began, done["duration_s"])


async def spoken(client: httpx.AsyncClient, text: str) -> tuple[dict[str, Any], float]:
    """A spoken question as a request, and its length in seconds."""
    reply = await client.post("/v1/audio/speech", json={"input": text, "response_format": "wav"})
    sound = reply.raise_for_status().content
    with wave.open(io.BytesIO(sound)) as file:
        # a streamed WAV does not know its length: count the bytes that came
        seconds = (len(sound) - 44) / (file.getframerate() * file.getsampwidth() * file.getnchannels())
    return {"audio": base64.b64encode(sound).decode()}, seconds


async def measure(url: str, questions: int) -> dict[str, float]:
    """Medians over `questions` typed and as many spoken questions."""
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
        texts = [QUESTIONS[index % len(QUESTIONS)] for index in range(questions)]
        for text in texts[:WARM_UP]:
            await ask(client, {"text": text})
        typed = [await ask(client, {"text": text}) for text in texts]
        recordings = [await spoken(client, text) for text in texts]
        await ask(client, recordings[0][0])
        aloud = [(await ask(client, body), seconds) for body, seconds in recordings]
    heard = [(answer.heard_s or 0.0, answer, seconds) for answer, seconds in aloud]
    return {
        "text_first_fragment_ms": 1000 * statistics.median(answer.first_fragment_s for answer in typed),
        "text_first_fragment_p95_ms": 1000 * statistics.quantiles([a.first_fragment_s for a in typed], n=20)[-1],
        "text_total_per_answer_s": statistics.median(answer.total_s / answer.answer_s for answer in typed),
        "answer_s": statistics.median(answer.answer_s for answer in typed),
        "spoken_question_s": statistics.median(seconds for _, _, seconds in heard),
        "spoken_recognition_ratio": statistics.median(heard_s / seconds for heard_s, _, seconds in heard),
        "spoken_first_fragment_ms": 1000 * statistics.median(answer.first_fragment_s for _, answer, _ in heard),
        "spoken_after_recognition_ms": 1000
        * statistics.median(answer.first_fragment_s - heard_s for heard_s, answer, _ in heard),
    }


def show(result: dict[str, float], questions: int) -> None:
    """Print the table."""
    table = Table("what", "median", "bar", title=f"Latency, {questions} questions each, one after the other")
    rows = (
        ("`up` to ready", f"{result['up_to_ready_s']:.2f} s", f"<= {READY_S:g} s"),
        ("typed question to first fragment", f"{result['text_first_fragment_ms']:.0f} ms", f"<= {TEXT_MS:g} ms"),
        ("  95th percentile", f"{result['text_first_fragment_p95_ms']:.0f} ms", ""),
        ("  whole answer / its length", f"{result['text_total_per_answer_s']:.3f}", ""),
        ("  length of the answers", f"{result['answer_s']:.1f} s", ""),
        ("spoken question: recognition / its length", f"{result['spoken_recognition_ratio']:.3f}", "<= 0.25"),
        ("  recognised to first fragment", f"{result['spoken_after_recognition_ms']:.0f} ms", f"<= {TEXT_MS:g} ms"),
        ("  question to first fragment", f"{result['spoken_first_fragment_ms']:.0f} ms", ""),
        ("  length of the questions", f"{result['spoken_question_s']:.2f} s", ""),
    )
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--questions", type=int, default=24)
    options = parser.parse_args()
    with running_stack() as stack:
        result = {"up_to_ready_s": stack.ready_s, **asyncio.run(measure(stack.url, options.questions))}
    if options.json:
        print(json.dumps({"benchmark": "latency", **result}))
    else:
        show(result, options.questions)


if __name__ == "__main__":
    main()
