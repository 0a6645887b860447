"""Whether LiveAvatar fits the GPUs: the one judgement behind its start, `/readyz`, `doctor` and the coach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from comps.animation.engines.liveavatar.launch.frame_size import largest_size
from comps.animation.engines.liveavatar.launch.gpus import Gpu, chosen, read_gpus
from comps.animation.engines.liveavatar.launch.ladder import settle
from comps.animation.engines.liveavatar.launch.memory import FP8_CAPABILITY, Verdict, has_fp8, need
from comps.animation.engines.liveavatar.launch.observed import Observed
from comps.animation.engines.liveavatar.launch.plan import STREAM_GPUS, Plan, for_preset, make_plan
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings, PresetName
from comps.core.errors import EngineUnavailableError

LookAtGpus = Callable[[str], Sequence[Gpu]]
"""Reads the cards by a program of the name of `nvidia-smi`; see `read_gpus`."""


def planned(settings: LiveAvatarSettings, found: Sequence[Gpu]) -> list[tuple[Plan, tuple[Gpu, ...]]]:
    """A plan for each group of the GPUs `found`, and its GPUs; raises EngineUnavailableError for what cannot work."""
    plans = [make_plan(settings, group) for group in settings.liveavatar_groups or (_best(settings, found),)]
    if len({plan.mode for plan in plans}) > 1:
        raise EngineUnavailableError(
            "LiveAvatar's groups of GPUs are all single ones or all of five: change the setting"
        )
    return [(plan, chosen(found, plan.gpus)) for plan in plans]


def fit(settings: LiveAvatarSettings, plan: Plan, gpus: Sequence[Gpu]) -> tuple[Plan, Verdict]:
    """The plan with remedies until it fits, as it was where it never does, and the verdict on it.

    Raises:
        EngineUnavailableError: it is set to 8-bit floats, which these GPUs do not multiply.
    """
    if plan.fp8 and not has_fp8(gpus):
        raise EngineUnavailableError(
            "these GPUs do not multiply 8-bit floats (compute capability 8.9 or newer): "
            "set AVATAR_ANIMATION_LIVEAVATAR_FP8=off"
        )
    return settle(plan, gpus, settings.liveavatar_remedies, partial(_margin, settings))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be expected of a group of GPUs: `asked_gib` each for the settings as they are, and what `fit` says."""

    asked_gib: float
    plan: Plan
    verdict: Verdict


def judged(
    settings: LiveAvatarSettings, preset: PresetName, look: LookAtGpus = read_gpus, occupied: Sequence[Gpu] = ()
) -> Judgement:
    """Whether an answer of a preset fits the GPUs, those of this machine or those that are stated; blocks.

    Of several groups the one that is worst off counts.

    Args:
        look: what reads the GPUs of this machine.
        occupied: those that LiveAvatar runs on, as they were before: what it holds is at its own disposal.

    Raises:
        EngineUnavailableError: there are no GPUs, or they cannot work as set.
    """
    stated = settings.liveavatar_gpu_gib
    if stated is None:
        found = _without_own(look(settings.liveavatar_nvidia_smi), occupied)
    else:
        found = _stated(settings, stated)
    groups = [_judged(settings, for_preset(plan, preset), gpus) for plan, gpus in planned(settings, found)]
    return max(groups, key=lambda group: (not group.verdict.fits, group.asked_gib - group.verdict.free_gib))


def _without_own(found: Sequence[Gpu], occupied: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The GPUs `found`, where LiveAvatar runs with no less free memory than before it did."""
    before = {gpu.index: gpu.free_gib for gpu in occupied}
    return tuple(replace(gpu, free_gib=max(gpu.free_gib, before.get(gpu.index, 0.0))) for gpu in found)


def _judged(settings: LiveAvatarSettings, plan: Plan, gpus: Sequence[Gpu]) -> Judgement:
    asked = need(plan, largest_size(plan.size), _margin(settings, plan))
    return Judgement(asked.peak, *fit(settings, plan, gpus))


def _stated(settings: LiveAvatarSettings, gib: float) -> tuple[Gpu, ...]:
    """Cards that are not here: as many as the settings name, each with so much free memory and with 8-bit floats."""
    named = [number for group in settings.liveavatar_groups for number in group]
    numbers = named or range(STREAM_GPUS if settings.liveavatar_mode == "stream" else 1)
    return tuple(Gpu(number, "stated", gib, gib, FP8_CAPABILITY) for number in numbers)


def _margin(settings: LiveAvatarSettings, plan: Plan) -> float | None:
    """The margin that is set, else the one that was seen when the program ran like this."""
    set_here = settings.liveavatar_margin_gib
    return Observed(settings.liveavatar_peaks_dir).margin_gib(plan) if set_here is None else set_here


def _best(settings: LiveAvatarSettings, gpus: Sequence[Gpu]) -> tuple[int, ...]:
    """The GPUs to take when none are named: the first five, else the one with most free memory."""
    if settings.liveavatar_mode != "offline" and len(gpus) >= STREAM_GPUS:
        return tuple(gpu.index for gpu in gpus[:STREAM_GPUS])
    return (max(gpus, key=lambda gpu: gpu.free_gib).index,)
