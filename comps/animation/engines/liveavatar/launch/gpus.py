"""Gpu: what nvidia-smi says of each card, above all how much memory is free."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from comps.core.errors import EngineUnavailableError

MIB_PER_GIB = 1024
_FIELDS = "index,name,memory.total,memory.free,compute_cap"
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card. Memory is in GiB, as the driver counts it: a "24 GB" card has 23.99 of them.

    `capability` is major and minor, such as (8, 9); None where the driver does not tell.
    """

    index: int
    name: str
    total_gib: float
    free_gib: float
    capability: tuple[int, int] | None = None


def read_gpus(program: str = "nvidia-smi") -> tuple[Gpu, ...]:
    """The cards of this machine by number; blocks.

    Raises:
        EngineUnavailableError: there is no such program, it failed, or it printed what is no list of cards.
    """
    command = [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailableError(
            f"LiveAvatar needs NVIDIA GPUs, and {program} cannot be run to list them ({type(error).__name__})"
        ) from error
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[0][:200]
        raise EngineUnavailableError(f"LiveAvatar needs NVIDIA GPUs, but {program} found none: {said}")
    try:
        return tuple(sorted((_gpu(line) for line in lines), key=lambda gpu: gpu.index))
    except (ValueError, IndexError) as error:
        raise EngineUnavailableError(f"{program} printed what is no list of GPUs: {lines[0][:200]}") from error


def chosen(gpus: Sequence[Gpu], numbers: Sequence[int]) -> tuple[Gpu, ...]:
    """The cards of these numbers; raises EngineUnavailableError that names those that are not there."""
    here = {gpu.index: gpu for gpu in gpus}
    absent = [number for number in numbers if number not in here]
    if absent:
        names = ", ".join(str(number) for number in absent)
        raise EngineUnavailableError(
            f"GPU {names} is set for LiveAvatar but not here; there are: {', '.join(map(str, here))}"
        )
    return tuple(here[number] for number in numbers)


def _gpu(line: str) -> Gpu:
    index, *name, total, free, capability = (part.strip() for part in line.split(","))
    return Gpu(
        index=int(index),
        name=", ".join(name)[:100],
        total_gib=float(total) / MIB_PER_GIB,
        free_gib=float(free) / MIB_PER_GIB,
        capability=_capability(capability),
    )


def _capability(text: str) -> tuple[int, int] | None:
    major, dot, minor = text.partition(".")
    return (int(major), int(minor)) if dot and major.isdigit() and minor.isdigit() else None
