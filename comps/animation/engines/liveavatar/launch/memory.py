"""The memory check: how much each GPU will need, whether it has it, and what would make it fit.

Nothing here runs the program; the figures follow from the sizes of its parts. Every GPU must hold its own peak, so the
sum over several GPUs says nothing. All figures are GiB, as the driver reports free memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from comps.animation.engines.liveavatar.launch.frame_size import (
    CONDITION_TOKENS_SINGLE,
    CONDITION_TOKENS_STREAM,
    FrameSize,
)
from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.animation.engines.liveavatar.live.channel import BLOCK_FRAMES

GIB = 2**30
TRANSFORMER_BF16 = 16_295_755_609 * 2
"""Bytes of the transformer: all its parameters at two bytes."""
TRANSFORMER_FP8 = 16_650_000_000
"""Bytes after ``--fp8``: the linear weights at one byte, the rest at two."""
LORA = 676_331_520 * 4
"""Bytes of the LoRA while it is merged, at worst in 32 bits; gone afterwards."""
TEXT_ENCODER = 5_680_000_000 * 2
CODECS = 900_000_000
"""Bytes of the video autoencoder and the audio encoder; an estimate."""
CACHE_PER_TOKEN = 819_200
"""Bytes of the attention cache for one token: keys and values of 40 layers of 5120 numbers in bf16."""
LATENTS_PER_BLOCK = 3
LEAST_MARGIN_GIB, MARGIN_SHARE = 3.0, 0.08
"""Memory for activations, the allocator and the driver; a guess until a run was measured."""
FP8_CAPABILITY = (8, 9)
"""The least compute capability with an 8-bit float matrix product."""


@dataclass(frozen=True, slots=True)
class Need:
    """Memory of one GPU by part, in GiB: while loading, and while running. `margin` comes on top of the larger."""

    loading: Mapping[str, float]
    running: Mapping[str, float]
    margin: float

    @property
    def load(self) -> float:
        """Peak while loading, without the margin."""
        return math.fsum(self.loading.values())

    @property
    def run(self) -> float:
        """Peak while running, without the margin."""
        return math.fsum(self.running.values())

    @property
    def peak(self) -> float:
        """What must be free."""
        return max(self.load, self.run) + self.margin

    @property
    def biggest(self) -> str:
        """The part that takes most at the peak."""
        parts = self.loading if self.load >= self.run else self.running
        return max(parts, key=lambda name: parts[name])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it fits. Memory in GiB.

    `remedies` are what the user could do, in the order to try them, and `least_gib` what is needed with all that the
    settings leave open; None where that is not known.
    """

    fits: bool
    need_gib: float
    free_gib: float
    biggest: str
    remedies: tuple[str, ...] = ()
    least_gib: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def short_gib(self) -> float:
        """What is missing, 0 when it fits."""
        return max(0.0, self.need_gib - self.free_gib)

    def __str__(self) -> str:
        if self.fits:
            return f"needs {self.need_gib:.1f} GiB on each GPU, {self.free_gib:.1f} GiB are free"
        said = (
            f"needs {self.need_gib:.2f} GiB on each GPU, but only {self.free_gib:.2f} GiB are free, "
            f"{self.short_gib:.2f} GiB short; most of it is the {self.biggest}"
        )
        if self.least_gib is not None and self.least_gib > self.free_gib:
            said += f"; even at its leanest it needs {self.least_gib:.1f} GiB"
        return f"{said}; try in this order: {'; '.join(self.remedies)}" if self.remedies else said


def sharded_verdict(resident_gib: float, unshard_gib: float, free_gib: float) -> Verdict:
    """The rule for a model in shards: what stays on the GPU and what re-assembling a layer takes, together.

    21.48 and 4.17 GiB on a card with 23.99 free do not fit: 1.66 GiB short.
    """
    parts = {"shard of the model": resident_gib, "re-assembled parameters": unshard_gib}
    need = resident_gib + unshard_gib
    return Verdict(need <= free_gib, need, free_gib, max(parts, key=lambda name: parts[name]), parts=parts)


def latents(infer_frames: int) -> int:
    """Latents of a clip, four frames each; upstream counts 76 frames of motion before it."""
    return (infer_frames + 76) // 4 - 19


def cache_gib(size: FrameSize, infer_frames: int) -> float:
    """One set of attention caches for a clip."""
    return latents(infer_frames) * size.tokens * CACHE_PER_TOKEN / GIB


def need(plan: Plan, size: FrameSize, margin_gib: float | None = None) -> Need:
    """What each GPU of `plan` holds for frames of `size`; `margin_gib` replaces the guessed margin."""
    running = {"transformer": (TRANSFORMER_FP8 if plan.fp8 else TRANSFORMER_BF16) / GIB}
    sets = plan.steps if plan.single and not plan.offload_kv_cache else 1
    running["attention cache"] = sets * cache_gib(size, plan.infer_frames)
    tokens = CONDITION_TOKENS_SINGLE if plan.single else CONDITION_TOKENS_STREAM
    running["condition cache"] = tokens * CACHE_PER_TOKEN / GIB
    if not plan.offload_model:
        running["codecs"] = CODECS / GIB
        if not plan.t5_cpu:
            running["text encoder"] = TEXT_ENCODER / GIB
    loading = {"transformer": TRANSFORMER_BF16 / GIB, "LoRA": LORA / GIB}
    peak = max(math.fsum(loading.values()), math.fsum(running.values()))
    margin = max(LEAST_MARGIN_GIB, MARGIN_SHARE * peak) if margin_gib is None else margin_gib
    return Need(loading, running, margin)


def preflight(plan: Plan, gpus: Sequence[Gpu], size: FrameSize, margin_gib: float | None = None) -> Verdict:
    """Whether `plan` fits its GPUs, of which the one with least free memory counts.

    The remedies are left to the caller, as they depend on the order in which they are tried.
    """
    wanted = need(plan, size, margin_gib)
    free = min(gpu.free_gib for gpu in gpus)
    parts = wanted.loading if wanted.load >= wanted.run else wanted.running
    return Verdict(wanted.peak <= free, wanted.peak, free, wanted.biggest, parts=dict(parts))


def has_fp8(gpus: Sequence[Gpu]) -> bool:
    """Whether all these GPUs multiply 8-bit floats; one that does not tell is taken not to."""
    return all(gpu.capability is not None and gpu.capability >= FP8_CAPABILITY for gpu in gpus)


assert latents(BLOCK_FRAMES) == LATENTS_PER_BLOCK, "a block is three latents"
