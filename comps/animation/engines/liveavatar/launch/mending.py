"""What to change before the program is started again after a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from comps.animation.engines.liveavatar.failures import Failure
from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.ladder import next_rung
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.animation.engines.liveavatar.settings import Order


def mended(plan: Plan, failure: Failure, gpus: Sequence[Gpu], order: Order) -> Plan | None:
    """The plan to try after `failure`, with a note when it differs; None when trying again is of no use."""
    if failure.permanent:
        return None
    if failure.kind == "memory":
        rung = next_rung(plan, gpus, order)
        if rung is None:
            return None
        remedy, changed = rung
        return changed.noted(f"after it ran out of memory: {remedy.advice(changed)}")
    if failure.kind == "nccl" and plan.p2p:
        return replace(plan, p2p=False).noted(
            "after the GPUs could not talk to one another: AVATAR_ANIMATION_LIVEAVATAR_P2P=false (slower)"
        )
    return plan
