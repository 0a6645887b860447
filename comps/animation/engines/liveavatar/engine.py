"""LiveAvatarEngine: a picture becomes a talking person, painted by a program of its own on NVIDIA GPUs."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace

import anyio
import anyio.to_thread

from comps.animation.engine import AnimationCapabilities, AnimationEngine, AnimationOptions, Avatar, Performance
from comps.animation.engines.liveavatar.groups import Groups
from comps.animation.engines.liveavatar.launch.fit import fit, planned
from comps.animation.engines.liveavatar.launch.gpus import Gpu, read_gpus
from comps.animation.engines.liveavatar.launch.memory import GIB
from comps.animation.engines.liveavatar.launch.plan import Plan, for_preset
from comps.animation.engines.liveavatar.launch.program import Program
from comps.animation.engines.liveavatar.live.channel import CHUNK_SAMPLES, RATE
from comps.animation.engines.liveavatar.live.performance import LivePerformance
from comps.animation.engines.liveavatar.live.supervisor import Worker
from comps.animation.engines.liveavatar.look import Look
from comps.animation.engines.liveavatar.offline.performance import Bench, WholePerformance
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.animation.engines.liveavatar.standby import Standby
from comps.core.errors import EngineUnavailableError, NotReadyError

logger = logging.getLogger(__name__)

LOOK_AHEAD_S = CHUNK_SAMPLES / RATE
"""The first frame of a block needs the sound of the whole block and 20 ms more."""
CAPABILITIES = AnimationCapabilities(
    look_ahead_s=LOOK_AHEAD_S, needs_phones=False, head_pose=False, emotion=False, text=True
)
LEAST_HOST_GIB = 64
"""Memory of the machine below which models that wait on the CPU may not find room."""
_LIVE_SEED = 0
_BUSY = "all GPUs of LiveAvatar are busy"


class LiveAvatarEngine(AnimationEngine):
    """Runs the program LiveAvatar in its own environment: a job per answer on one GPU, live on five.

    Args:
        settings: the animation service's.
    """

    capabilities = CAPABILITIES

    def __init__(self, settings: LiveAvatarSettings) -> None:
        self._settings = settings
        self._program: Program | None = None
        self._workers: Groups[Worker] | None = None
        self._benches: Groups[Bench] | None = None
        self._standby: Standby | None = None
        self._why = ""

    async def load(self) -> None:
        """Check everything that can be checked without starting the program.

        Raises:
            EngineUnavailableError: something is missing, set so that it would crash, or does not fit the GPUs' memory,
                and no other engine is set to draw meanwhile.
        """
        if self._settings.liveavatar_fallback:
            self._standby = await anyio.to_thread.run_sync(Standby, self._settings)
            await self._standby.load()
        try:
            await self._load_program()
        except EngineUnavailableError as error:
            if self._standby is None:
                raise
            self._why = error.message
            logger.warning("%s", error.message)

    async def _load_program(self) -> None:
        settings = self._settings
        if not hasattr(socket, "AF_UNIX") or sys.platform != "linux":
            raise EngineUnavailableError("LiveAvatar runs on Linux only")
        program, groups = await anyio.to_thread.run_sync(prepare, settings)
        self._program = program
        room = settings.liveavatar_queue, settings.liveavatar_queue_s
        if groups[0][0].mode == "stream":
            self._workers = Groups([Worker(settings, program, plan, gpus) for plan, gpus in groups], *room)
            self.capabilities = replace(CAPABILITIES, text=False)
        else:
            self._benches = Groups([Bench(plan, gpus) for plan, gpus in groups], *room)
            self.capabilities = replace(CAPABILITIES, look_ahead_s=settings.max_audio_s)

    async def close(self) -> None:
        """End every program; nothing of them is left afterwards."""
        if self._workers is not None:
            await asyncio.gather(*(worker.stop() for worker in self._workers.members))
            self._workers = None
        if self._standby is not None:
            await self._standby.close()
            self._standby = None

    async def check(self) -> dict[str, str]:
        """The state of each group of GPUs: of a live program, or of the job being made with the time it will take."""
        states = {f"GPU {','.join(map(str, member.plan.gpus))}": str(member) for member in self._members}
        return {**states, **({"program": self._why} if self._why else {})}

    @property
    def occupied(self) -> tuple[Gpu, ...]:
        """The GPUs that its programs run on, each with the memory that was free when the engine was loaded."""
        return tuple(gpu for member in self._members if member.running for gpu in member.gpus)

    @property
    def _members(self) -> Sequence[Worker | Bench]:
        lent = self._workers or self._benches
        return () if lent is None else lent.members

    async def open(self, avatar: Avatar, options: AnimationOptions) -> Performance:
        """Prepare an answer; the first one sets a live program going, which takes minutes.

        Raises:
            BusyError: all GPUs are in use and the queue for them is full.
            UnprocessableError: the avatar's picture cannot be read.
        """
        if self._why and self._standby is not None:
            return await self._standby.open(avatar, options, self._why)
        if self._workers is not None:
            return await self._open_live(self._workers, avatar, options)
        if self._benches is None or self._program is None:
            raise NotReadyError("the LiveAvatar engine is not loaded")
        if self._standby is not None and not self._benches.has(lambda _: True):
            return await self._standby.open(avatar, options, _BUSY)
        self._benches.check()
        budget = for_preset(self._benches.members[0].plan, options.preset).size
        prompt = " ".join(options.prompt.split()) or self._settings.liveavatar_scene
        look = await anyio.to_thread.run_sync(Look.of, avatar, prompt, options.seed, budget)
        return WholePerformance(self._settings, self._program, self._benches, look, options)

    async def _open_live(self, workers: Groups[Worker], avatar: Avatar, options: AnimationOptions) -> Performance:
        """An answer by a live program, or by the other engine when none that shows this avatar is ready and free."""
        # Another prompt or seed would mean a restart of minutes: a live program keeps those of the settings.
        scene, budget = self._settings.liveavatar_scene, workers.members[0].plan.size
        look = await anyio.to_thread.run_sync(Look.of, avatar, scene, _LIVE_SEED, budget)
        for worker in workers.members:
            if worker.look is None or worker.may_be_tried_again:
                await worker.prepare(worker.look or look)
        if self._standby is not None and not workers.has(
            lambda worker: worker.look == look and worker.state == "ready"
        ):
            return await self._standby.open(avatar, options, _reason(workers.members, look))
        workers.check()
        return LivePerformance(workers, look, options.fps, options.size)


def _reason(workers: Sequence[Worker], look: Look) -> str:
    """Why none of these draws `look` now."""
    showing = [worker for worker in workers if worker.look == look]
    if not showing:
        return "LiveAvatar shows another avatar, and a change takes minutes"
    return _BUSY if any(worker.state == "ready" for worker in showing) else f"LiveAvatar is not ready ({showing[0]})"


def prepare(settings: LiveAvatarSettings) -> tuple[Program, list[tuple[Plan, tuple[Gpu, ...]]]]:
    """The program, and a plan that fits for each group of GPUs; blocks. Raises EngineUnavailableError."""
    program = Program.of(settings)
    found = read_gpus(settings.liveavatar_nvidia_smi)
    groups = planned(settings, found)
    program.check(streaming=groups[0][0].mode == "stream")
    return program, [(_fitted(settings, plan, gpus), gpus) for plan, gpus in groups]


def _fitted(settings: LiveAvatarSettings, plan: Plan, gpus: Sequence[Gpu]) -> Plan:
    """The plan, with remedies until it fits; says so in the log."""
    fitted, verdict = fit(settings, plan, gpus)
    if not verdict.fits:
        raise EngineUnavailableError(f"LiveAvatar does not fit: it {verdict}. Another engine, such as portrait, does.")
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    if (fitted.offload_model or fitted.offload_kv_cache) and host < LEAST_HOST_GIB:
        fitted = fitted.noted(
            f"the machine has {host:.0f} GiB of memory; models that wait there may need {LEAST_HOST_GIB}"
        )
    logger.info("LiveAvatar %s", verdict)
    for note in fitted.notes:
        logger.warning("LiveAvatar: %s", note)
    return fitted
