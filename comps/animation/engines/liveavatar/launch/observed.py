"""Observed: how much memory runs of the program really took, which replaces the guessed margin of the memory check."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from comps.animation.engines.liveavatar.launch.frame_size import largest_size
from comps.animation.engines.liveavatar.launch.gpus import Gpu, read_gpus
from comps.animation.engines.liveavatar.launch.memory import need
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.core.errors import EngineUnavailableError

logger = logging.getLogger(__name__)

PERIOD_S = 15.0
"""Seconds between two looks at the GPUs while the program runs."""
_FIELDS = ("mode", "size", "infer_frames", "steps", "fp8", "t5_cpu", "offload_model", "offload_kv_cache")


def _key(plan: Plan) -> str:
    return " ".join([f"gpus={len(plan.gpus)}", *(f"{name}={getattr(plan, name)}" for name in _FIELDS)])


class Observed:
    """The largest peak of each way of running the program, in GiB, kept in a file of `folder`. Its methods block.

    ``Observed(settings.liveavatar_peaks_dir).margin_gib(plan)``
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "peaks.json"

    def margin_gib(self, plan: Plan) -> float | None:
        """What was taken beyond what is computed, at least 0; None for a way that has not been run."""
        peak = self._peaks().get(_key(plan))
        if peak is None:
            return None
        wanted = need(plan, largest_size(plan.size))
        return max(0.0, peak - max(wanted.load, wanted.run))

    def keep(self, plan: Plan, peak_gib: float) -> None:
        """Remember a peak if it is the largest of this way; a disk that takes nothing is not minded."""
        peaks = self._peaks()
        if peak_gib <= peaks.get(_key(plan), 0.0):
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps({**peaks, _key(plan): round(peak_gib, 2)}), encoding="utf-8")
            draft.replace(self._file)
        except OSError as error:
            logger.warning("the memory that LiveAvatar takes cannot be remembered: %s", error.strerror)

    def _peaks(self) -> dict[str, float]:
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(key): float(value) for key, value in document.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


class Watch:
    """The largest use of any one GPU so far, in GiB, beyond what was used when the program was started."""

    def __init__(self) -> None:
        self.peak_gib = 0.0

    def note(self, before: Sequence[Gpu], now: Sequence[Gpu]) -> None:
        """Look at the same GPUs `before` and `now`."""
        free = {gpu.index: gpu.free_gib for gpu in now}
        taken = [gpu.free_gib - free[gpu.index] for gpu in before if gpu.index in free]
        self.peak_gib = max(self.peak_gib, *taken, 0.0)


@asynccontextmanager
async def watching(smi: str, gpus: Sequence[int]) -> AsyncIterator[Watch]:
    """Look at the GPUs of these numbers again and again, by the program `smi`, until the block ends."""
    watch = Watch()
    task = asyncio.create_task(_look(watch, smi, frozenset(gpus)))
    try:
        yield watch
    finally:
        with anyio.CancelScope(shield=True):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _look(watch: Watch, smi: str, numbers: frozenset[int]) -> None:
    before: list[Gpu] = []
    while True:
        try:
            every = await anyio.to_thread.run_sync(read_gpus, smi, abandon_on_cancel=True)
            now = [gpu for gpu in every if gpu.index in numbers]
        except EngineUnavailableError as error:
            logger.warning("the GPUs cannot be watched: %s", error)
            return
        before = before or now
        watch.note(before, now)
        await asyncio.sleep(PERIOD_S)
