"""Which backend is fastest here: measured once for a network, a batch and a machine, then read from a file.

What is fastest depends on instruction sets and library versions more than on anything that could be tabled. Each
candidate is timed on the examples and compared with eager float32; one that differs by more than the plan allows, or
cannot run, is out. ``compile`` is no candidate, as it would take longer to make than all others together.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import math
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from comps.animation.neural.amx import matrix_unit
from comps.animation.neural.backend import BACKENDS, Plan, Program, Task, build_one
from comps.animation.neural.cache import cache_folder
from comps.animation.neural.device import describe
from comps.animation.neural.fused_winograd import is_fusible_here
from comps.animation.neural.int16_products import int16_code
from comps.core.errors import EngineUnavailableError

logger = logging.getLogger(__name__)

_CANDIDATES = {
    "cpu": (
        "folded",
        "bf16x3",
        "int16",
        "bf16x6",
        "winograd",
        "openvino-bf16",
        "openvino-int8",
        "bf16",
        "openvino",
        "onnxruntime",
    ),
    "cuda": ("folded", "cuda-graphs", "bf16"),
}
_ELSEWHERE = ("folded", "bf16")
_LIBRARIES = ("torch", "openvino", "onnxruntime")
BUDGET_S = 90.0
"""No further candidate is begun after this time, building included."""
_TIMED_S = 1.5
_MOST_CALLS = 12
_MOST_FILES = 256


@dataclass(frozen=True, slots=True)
class Measurement:
    """One backend on one network: calls' inputs per second, and its largest difference from eager float32."""

    backend: str
    items_per_s: float
    max_error: float


def fastest(task: Task, plan: Plan, *, budget_s: float = BUDGET_S) -> Program:
    """The program that ``auto`` stands for; measures when no earlier measurement is on file.

    Raises:
        EngineUnavailableError: not even eager runs.
    """
    file = (plan.cache or cache_folder() / "backends") / f"{_key(task, plan)}.json"
    chosen = _remembered(file)
    if chosen is not None:
        try:
            return build_one(chosen, task)
        except EngineUnavailableError as error:
            logger.warning("%s was fastest here, but no longer runs: %s", chosen, error.message)
    # At a level that `up` shows: nothing else says why it is not ready yet.
    logger.warning("measuring which backend runs %s fastest here, once: up to %.0f s", _title(task), budget_s)
    program, table = compare(task, plan.max_error, budget_s=budget_s)
    logger.info("fastest backend of %s: %s", _title(task), program.backend)
    _remember(file, program.backend, table)
    return program


def _title(task: Task) -> str:
    return type(task.module).__name__


def compare(task: Task, max_error: float, *, budget_s: float = BUDGET_S) -> tuple[Program, list[Measurement]]:
    """The fastest program that differs by at most `max_error`, and what was measured, eager first."""
    deadline = time.monotonic() + budget_s
    best = build_one("eager", task)
    reference = best(*task.examples)
    table = [Measurement("eager", items_per_s(best, task.examples), 0.0)]
    speed = table[0].items_per_s
    for name in candidates(task):
        if time.monotonic() > deadline:
            logger.info("no time left to try %s", name)
            break
        try:
            program = build_one(name, task)
            error = difference(reference, program(*task.examples))
            found = Measurement(name, items_per_s(program, task.examples), error)
        except (EngineUnavailableError, RuntimeError, MemoryError) as failure:
            logger.info("backend %s is out: %s", name, str(failure)[:200])
            continue
        table.append(found)
        if error <= max_error and found.items_per_s > speed:
            best.close()
            best, speed = program, found.items_per_s
        else:
            program.close()
    return best, table


def candidates(task: Task) -> Sequence[str]:
    """Backends that ``auto`` tries for a task; int8 only with inputs to calibrate it."""
    names = _CANDIDATES.get(task.device.type, _ELSEWHERE)
    return [name for name in names if name != "openvino-int8" or task.calibration]


def difference(expected: Any, found: Any) -> float:
    """Largest absolute difference between the outputs of two programs; infinite when one is not finite."""
    if not isinstance(expected, Tensor):
        return max(difference(a, b) for a, b in zip(expected, found, strict=True))
    largest = float((expected.double() - found.to(expected.device).double()).abs().max())
    return largest if math.isfinite(largest) else math.inf


def items_per_s(program: Program, examples: Sequence[Tensor], seconds: float = _TIMED_S) -> float:
    """Inputs per second of the quickest of several calls: what others do on the machine only adds."""
    _timed(program, examples)
    end = time.monotonic() + seconds
    times = [_timed(program, examples)]
    while time.monotonic() < end and len(times) < _MOST_CALLS:
        times.append(_timed(program, examples))
    return len(examples[0]) / min(times)


def _timed(program: Program, examples: Sequence[Tensor]) -> float:
    start = time.perf_counter()
    program(*examples)
    if program.device.type != "cpu":
        getattr(torch, program.device.type).synchronize(program.device)
    return time.perf_counter() - start


def _key(task: Task, plan: Plan) -> str:
    """Digest of all that the choice depends on, a compiler that is installed or removed among it."""
    facts = {
        "network": f"{type(task.module).__module__}.{type(task.module).__qualname__}",
        "weights": _checksum(task.module),
        "versions": {name: _version(name) for name in _LIBRARIES},
        "ways": _source_checksum(),
        "device": [task.device.type, describe(task.device)],
        "compiled": task.device.type == "cpu" and [is_fusible_here(), int16_code.is_here(), matrix_unit.is_here()],
        "threads": task.threads,
        "inputs": [[list(example.shape), str(example.dtype)] for example in task.examples],
        "calibrated": bool(task.calibration),
        "max_error": plan.max_error,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def _source_checksum() -> int:
    """CRC of the code that runs the networks: its speed is what is measured."""
    value = 0
    folder = Path(__file__).parent
    for file in sorted(each for kind in ("*.py", "*.cpp", "*.h") for each in folder.rglob(kind)):
        value = zlib.crc32(file.read_bytes(), value)
    return value


def _checksum(module: nn.Module) -> int:
    """CRC of all weights: accuracy is theirs."""
    value = 0
    for tensor in module.state_dict().values():
        value = zlib.crc32(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data, value)
    return value


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _remembered(file: Path) -> str | None:
    """The backend on file, None when there is none that can be read."""
    try:
        chosen = json.loads(file.read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return chosen if isinstance(chosen, str) and chosen in BACKENDS else None


def _remember(file: Path, backend: str, table: Sequence[Measurement]) -> None:
    """Write the choice in one step, so that no other process reads half of it; a full disk does not matter."""
    content = json.dumps({"backend": backend, "measured": [asdict(each) for each in table]}, indent=1)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".tmp", delete=False) as part:
            part.write(content)
        Path(part.name).replace(file)
        kept = sorted(file.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)
        for old in kept[:-_MOST_FILES]:
            old.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("what was measured cannot be kept in %s: %s", file.parent, error)
