"""Memory of the Wav2Lip engine minute by minute, while a long recording becomes a video.

    python -m benchmarks.wav2lip_memory [--minutes 10] [--every 40] [--backend folded] [--json]

The whole way of the service: speech in pieces of a second, windows, drawing, pasting, the MP4 in fragments, which are
dropped. The network draws one batch in `--every`, the others come back as they were, so that it ends today; its memory is
that of one batch. Weights are synthetic. Needs the extra neural. Linux only: read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import get_args

import anyio
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.wav2lip import ADA, FPS, RATE, save_weights, speech
from comps.animation.engine import AnimationOptions
from comps.animation.engines.wav2lip.drawer import Spoken
from comps.animation.engines.wav2lip.engine import Wav2LipEngine
from comps.animation.engines.wav2lip.picture import Picture
from comps.animation.neural.backend_name import BackendName
from comps.animation.neural.batching import SharedBatch
from comps.animation.session import AnimationSession, Workers
from comps.animation.settings import AnimationSettings
from comps.core.speech import SpeechChunk


def resident_mb() -> float:
    """Memory of this process now, in 10^6 bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Sometimes:
    """Draws one batch in `every` by the engine's own network."""

    def __init__(self, shared: SharedBatch[Spoken, Picture], every: int) -> None:
        self._draw, self._every, self._calls = shared._run, every, 0

    def __call__(self, items: list[Spoken]) -> Sequence[Picture]:
        self._calls += 1
        if self._calls % self._every == 1:
            return self._draw(items)
        return [item.face.picture for item in items]


async def chunks(pcm: np.ndarray, seconds: int) -> AsyncIterator[SpeechChunk]:
    for second in range(seconds):
        yield SpeechChunk(np.roll(pcm, second * 977)[:RATE], RATE, second * RATE)


async def measure(settings: AnimationSettings, minutes: int, every: int) -> list[float]:
    """Resident memory before the answer and after each minute of the video."""
    engine = Wav2LipEngine(settings)
    await engine.load()
    assert engine._shared is not None
    engine._shared._run = Sometimes(engine._shared, every)
    workers = Workers(encode=anyio.CapacityLimiter(2), prepare=anyio.CapacityLimiter(2))
    session = await AnimationSession.open(engine, ADA, AnimationOptions(fps=FPS), RATE, workers)
    found = [resident_mb()]
    async for _ in session.segments(chunks(speech(5), 60 * minutes), session.writer()):
        if session.progress.frames >= len(found) * 60 * FPS:
            found.append(resident_mb())
    assert session.progress.frames == minutes * 60 * FPS
    await engine.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--every", type=int, default=40)
    parser.add_argument("--backend", default="folded", choices=get_args(BackendName))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(Path(folder) / "wav2lip.pth")
        settings = AnimationSettings(models_dir=Path(folder), wav2lip_backend=options.backend, wav2lip_device="cpu")
        found = asyncio.run(measure(settings, options.minutes, max(2, options.every)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    if options.json:
        print(json.dumps({"benchmark": "wav2lip_memory", "resident_mb": found, "peak_mb": peak}))
        return
    table = Table("minute", "MB", title=f"Wav2Lip, {options.minutes} minutes of speech, 512 pixels")
    for minute, megabytes in enumerate(found):
        table.add_row(str(minute), f"{megabytes:.0f}")
    Console().print(table)
    Console().print(f"peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
