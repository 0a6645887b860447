"""Live sessions that share one network: latency of a frame, and how many sessions are served in time.

    python -m benchmarks.neural_sessions [--json] [--sessions 1 2 4 8] [--backend auto] [--device auto] [--max-batch 16] [--max-wait-ms 8]

Each session wants one Wav2Lip frame every 40 ms, out of step with the others, as live answers do. Latency is from the
moment a frame is wanted until it is there; a session is live while the 95th percentile stays below 80 ms. Beside it the
same load without sharing: one call per frame. Weights are synthetic. Needs the extra neural; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from dataclasses import asdict, dataclass
from typing import get_args

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.neural import inputs, network
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.backend import Plan, Program, build, together
from comps.animation.neural.backend_name import BackendName
from comps.animation.neural.batching import SharedBatch
from comps.core.errors import BusyError

FPS = 25
LIVE_P95_MS = 80.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of sessions got: milliseconds, frames per second of all, frames per call, frames refused."""

    sessions: int
    max_batch: int
    p50_ms: float
    p95_ms: float
    frames_per_s: float
    frames_per_call: float
    refused: int

    @property
    def live(self) -> bool:
        """Whether every frame came in time."""
        return self.refused == 0 and self.p95_ms <= LIVE_P95_MS


async def load(program: Program, sessions: int, max_batch: int, options: argparse.Namespace) -> Load:
    """Run `sessions` for some seconds."""
    shared = SharedBatch(together(program), max_batch, options.max_wait_ms / 1000, max_pending=64 + 4 * sessions)
    loop = asyncio.get_running_loop()
    mel, faces = inputs(1)
    item = (mel[0], faces[0])
    latencies: list[float] = []
    refused = 0

    async def frame(session: int, wanted: float) -> None:
        nonlocal refused
        try:
            await shared.submit(item, session)
            latencies.append(loop.time() - wanted)
        except BusyError:
            refused += 1

    async def session(index: int, begin: float) -> None:
        for number in range(int(options.seconds * FPS)):
            wanted = begin + number / FPS
            await asyncio.sleep(max(0.0, wanted - loop.time()))
            frames.append(asyncio.create_task(frame(index, wanted)))

    frames: list[asyncio.Task[None]] = []
    start = loop.time() + 0.1
    phases = random.Random(sessions)
    await asyncio.gather(*(session(i, start + phases.random() / FPS) for i in range(sessions)))
    await asyncio.gather(*frames)
    spent = loop.time() - start
    await shared.close()
    p50, p95 = np.percentile(latencies, [50, 95]) * 1000
    counts = shared.counts
    return Load(
        sessions, max_batch, float(p50), float(p95), len(latencies) / spent, counts.items / counts.calls, refused
    )


def warm_up(program: Program, max_batch: int) -> None:
    """Every batch size once: some backends prepare themselves for a size when they first see it."""
    for batch in range(1, max_batch + 1):
        program(*inputs(batch))


def show(rows: list[Load], title: str) -> None:
    """Print the table."""
    table = Table(title=title)
    for heading in (
        "sessions",
        "frames a call, at most",
        "p50, ms",
        "p95, ms",
        "frames/s",
        "frames a call",
        "refused",
        "live",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row.sessions),
            str(row.max_batch),
            f"{row.p50_ms:.0f}",
            f"{row.p95_ms:.0f}",
            f"{row.frames_per_s:.1f}",
            f"{row.frames_per_call:.1f}",
            str(row.refused),
            "yes" if row.live else "no",
        )
    Console(width=130).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sessions", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--backend", default="auto", choices=get_args(BackendName))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--max-batch", type=int, default=16)
    parser.add_argument("--max-wait-ms", type=float, default=8.0)
    parser.add_argument("--max-error", type=float, default=2e-2)
    options = parser.parse_args()
    keep_freed_memory()
    plan = Plan(backend=options.backend, device=options.device, max_error=options.max_error)
    program = build(network("synthetic"), inputs(options.max_batch), plan)
    warm_up(program, options.max_batch)
    rows = [
        asyncio.run(load(program, sessions, max_batch, options))
        for sessions in options.sessions
        for max_batch in (1, options.max_batch)
    ]
    if options.json:
        print(
            json.dumps(
                {"benchmark": "neural_sessions", "backend": program.backend, "rows": [asdict(row) for row in rows]}
            )
        )
    else:
        show(
            rows,
            f"Live Wav2Lip sessions at {FPS} frames/s, backend {program.backend}, {torch.get_num_threads()} threads",
        )


if __name__ == "__main__":
    main()
