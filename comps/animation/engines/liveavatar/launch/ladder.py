"""Remedy and the ladder of remedies: what saves memory, in which order, before a launch and after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from comps.animation.engines.liveavatar.launch.frame_size import BUDGETS, largest_size
from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.memory import Need, Verdict, has_fp8, need, preflight
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.animation.engines.liveavatar.launch.preset import CLIP_FRAMES
from comps.animation.engines.liveavatar.settings import Order

_PREFIX = "AVATAR_ANIMATION_LIVEAVATAR_"
_SAVING = "to save memory: "


@dataclass(frozen=True, slots=True)
class Remedy:
    """One rung.

    Args:
        field: the field of the plan that it changes.
        applied: the plan with it, None where it cannot help or is in use.
        price: what it costs, in words.
    """

    field: str
    applied: Callable[[Plan, Sequence[Gpu]], Plan | None]
    price: str

    def advice(self, plan: Plan) -> str:
        """How a user sets what `plan`, which has it, has."""
        value = getattr(plan, self.field)
        return f"{_PREFIX}{self.field.upper()}={'on' if value is True else value} ({self.price})"


def _fp8(plan: Plan, gpus: Sequence[Gpu]) -> Plan | None:
    return None if plan.fp8 or not has_fp8(gpus) else replace(plan, fp8=True)


def _t5_cpu(plan: Plan, _: Sequence[Gpu]) -> Plan | None:
    return None if plan.t5_cpu else replace(plan, t5_cpu=True)


def _offload_kv_cache(plan: Plan, _: Sequence[Gpu]) -> Plan | None:
    return None if plan.offload_kv_cache or not plan.single else replace(plan, offload_kv_cache=True)


def _offload_model(plan: Plan, _: Sequence[Gpu]) -> Plan | None:
    return None if plan.offload_model or not plan.single else replace(plan, offload_model=True)


def _size(plan: Plan, _: Sequence[Gpu]) -> Plan | None:
    smaller = [name for name, area in BUDGETS.items() if area < BUDGETS[plan.size]]
    return replace(plan, size=min(smaller, key=BUDGETS.__getitem__)) if smaller else None


def _infer_frames(plan: Plan, _: Sequence[Gpu]) -> Plan | None:
    shorter = [frames for frames in CLIP_FRAMES if frames < plan.infer_frames]
    return replace(plan, infer_frames=max(shorter)) if shorter and plan.mode == "offline" else None


REMEDIES = {
    "fp8": Remedy("fp8", _fp8, "slightly worse picture"),
    "t5_cpu": Remedy("t5_cpu", _t5_cpu, "the prompt takes longer, once"),
    "offload_kv_cache": Remedy("offload_kv_cache", _offload_kv_cache, "slower"),
    "size": Remedy("size", _size, "smaller picture"),
    "infer_frames": Remedy("infer_frames", _infer_frames, "less context from clip to clip"),
    "offload_model": Remedy("offload_model", _offload_model, "slower"),
}
ORDERS: dict[Order, tuple[str, ...]] = {
    "guide": ("size", "infer_frames", "offload_kv_cache", "offload_model", "fp8", "t5_cpu"),
    "picture": ("fp8", "t5_cpu", "offload_kv_cache", "size", "infer_frames", "offload_model"),
}
"""``guide`` begins with a smaller picture, as guides to the program's parameters do; ``picture`` keeps it as long as it can.

The guide's third step, decoding as it goes, frees nothing in this program: caches on the CPU take its place.
"""


def next_rung(plan: Plan, gpus: Sequence[Gpu], order: Order, *, pinned: bool = False) -> tuple[Remedy, Plan] | None:
    """The first remedy of `order` that lowers what `plan` takes while running, and the plan with it; None at the end.

    Args:
        pinned: whether to climb also what the settings fix, as advice does.
    """
    for name in ORDERS[order]:
        changed = REMEDIES[name].applied(plan, gpus) if pinned or name not in plan.pinned else None
        if changed is not None and _need(changed).run < _need(plan).run:
            return REMEDIES[name], changed
    return None


def _no_margin(_: Plan) -> None:
    return None


def settle(
    plan: Plan, gpus: Sequence[Gpu], order: Order, margin_gib: Callable[[Plan], float | None] = _no_margin
) -> tuple[Plan, Verdict]:
    """Climb until the largest picture of the plan's size fits; `margin_gib` tells the margin of a plan, None guesses it.

    Returns the plan that fits, with a note for each change, or where none does the plan as it was; and its verdict,
    with advice and the least that the last rung would need.
    """
    first = verdict = preflight(plan, gpus, largest_size(plan.size), margin_gib(plan))
    changed = plan
    while not verdict.fits:
        rung = next_rung(changed, gpus, order)
        if rung is None:
            return plan, replace(first, remedies=advice(plan, gpus, order), least_gib=verdict.need_gib)
        remedy, better = rung
        changed = better.noted(f"{_SAVING}{remedy.advice(better)}")
        verdict = preflight(changed, gpus, largest_size(changed.size), margin_gib(changed))
    return changed, verdict


def saved(plan: Plan) -> tuple[str, ...]:
    """The remedies that `settle` gave `plan`, as settings with their prices."""
    return tuple(note.removeprefix(_SAVING) for note in plan.notes if note.startswith(_SAVING))


def advice(plan: Plan, gpus: Sequence[Gpu], order: Order) -> tuple[str, ...]:
    """What would lower the peak of `plan`, in order, as settings; also what the settings now fix otherwise."""
    found = []
    while _need(plan).run > _need(plan).load and (rung := next_rung(plan, gpus, order, pinned=True)) is not None:
        remedy, plan = rung
        found.append(remedy.advice(plan))
    return tuple(found)


def _need(plan: Plan) -> Need:
    return need(plan, largest_size(plan.size))
