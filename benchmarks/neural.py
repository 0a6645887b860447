"""Wav2Lip's generator on every backend that runs here: frames per second, ratio to the original's loop, error.

    python -m benchmarks.neural [--json] [--device cpu] [--threads 2] [--backends NAME ...] [--batches 1 8 16] [--weights synthetic|initial]

The loop compared with is the same network as its authors run it: eager float32, default memory layout and allocator. It is
timed first, before the allocator is told to keep freed memory, which all other rows have. "cached" rows leave out
the face encoder, as the engine does after an avatar's first answer.

Weights: ``synthetic`` are those of the parity tests, whose pictures use all of 0..1, so that errors are as large as they
get; ``initial`` are torch's, with pictures near 0.5 and errors ten times smaller. Speeds are the same. Needs the
extras neural, onnx and openvino; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from comps.animation.engines.wav2lip.drawer import Speaker
from comps.animation.engines.wav2lip.network import Wav2Lip
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.backend import BACKENDS, Program, Task, build_one
from comps.animation.neural.backends.compiled import CompiledProgram
from comps.animation.neural.backends.pytorch import TorchProgram
from comps.animation.neural.checkpoint import fill
from comps.animation.neural.device import describe, resolve
from comps.animation.neural.measure import difference, items_per_s
from comps.core.errors import EngineUnavailableError
from tests.neural.synthetic_weights import synthetic_state_dict

ORIGINAL_BATCH = 128
"""What the original takes when it is not told."""
BARS = {
    "folded": (2.0, 1e-5),
    "winograd": (2.0, 1e-5),
    "compile": (2.0, 1e-5),
    "onnxruntime": (2.0, 1e-5),
    "winograd, cached": (2.0, 1e-5),
    "int16": (4.0, 5e-3),
    "int16, cached": (4.3, 5e-3),
    "bf16x6": (2.0, 1e-5),
    "bf16x6, cached": (2.0, 1e-5),
    "bf16x3": (4.0, 5e-3),
    "bf16x3, cached": (4.3, 5e-3),
    "openvino": (2.0, 1e-5),
    "openvino, cached": (2.0, 1e-5),
    "bf16": (4.0, 5e-3),
    "openvino-bf16": (4.0, 5e-3),
    "openvino-bf16, cached": (4.3, 5e-3),
    "openvino-int8": (6.0, None),
}
"""Least ratio at batch 16 and largest error that are aimed at, on two cores with AVX-512, BF16 and VNNI, or AMX."""
CACHED = (
    "folded",
    "winograd",
    "int16",
    "bf16x6",
    "bf16x3",
    "openvino",
    "openvino-bf16",
    "openvino-int8",
    "cuda-graphs",
)
CALIBRATION_CALLS = 8
SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Row:
    """One backend: frames per second by batch, and its errors in units of 0..1."""

    name: str
    build_s: float
    frames_per_s: dict[int, float]
    max_error: float = 0.0
    mean_error: float = 0.0


def inputs(batch: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Windows of speech and faces, of the real ranges: mel in -4..4, pictures in 0..1 with the lower half hidden."""
    generator = torch.Generator().manual_seed(seed)
    mel = torch.rand(batch, 1, 80, 16, generator=generator) * 8 - 4
    faces = torch.rand(batch, 6, 96, 96, generator=generator)
    faces[:, :3, 48:] = 0
    return mel, faces


def network(weights: str) -> Wav2Lip:
    """The generator with weights that every machine has."""
    torch.manual_seed(0)
    module = Wav2Lip().eval().requires_grad_(False)
    if weights == "initial":
        return module
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    return fill(module, synthetic_state_dict(shapes), "synthetic weights")


def cached(module: Wav2Lip, call: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """The inputs of `Speaker` for the inputs of the whole network."""
    with torch.inference_mode(False), torch.no_grad():
        return (call[0], *module.encode_face(call[1]))


def measure(name: str, task: Task, calls: dict[int, tuple[Tensor, ...]], reference: Tensor, label: str) -> Row:
    """Build one backend and time it on calls of several batch sizes; the reference is for the last of them."""
    start = time.perf_counter()
    program = build_one(name, task)
    compiled_only = isinstance(program, CompiledProgram)
    if isinstance(program, CompiledProgram) and not program.wait():
        raise EngineUnavailableError(f"torch.compile: {program.failure}")
    built_s = time.perf_counter() - start
    found = program(*task.examples).to("cpu")
    wanted = [max(calls)] if compiled_only else list(calls)
    speeds = {batch: items_per_s(program, calls[batch], SECONDS) for batch in wanted}
    program.close()
    mean = float((found - reference).abs().mean())
    return Row(label, built_s, speeds, difference(reference, found), mean)


def original(module: nn.Module, device: torch.device, batches: Sequence[int]) -> Row:
    """The loop of the original: a plain call per batch."""
    program: Program = TorchProgram("original", module.to(device), device)
    speeds = {batch: items_per_s(program, inputs(batch), SECONDS) for batch in batches}
    return Row("original's loop", 0.0, speeds)


def run(options: argparse.Namespace) -> list[Row]:
    """All rows: the original's loop first, then eager with kept memory and the backends."""
    device = resolve(options.device)
    module = network(options.weights)
    batches = sorted(options.batches)
    rows = [original(module, device, [*batches, ORIGINAL_BATCH])]
    module = module.cpu()
    keep_freed_memory()
    calls = {batch: inputs(batch) for batch in batches}
    examples = calls[batches[-1]]
    with torch.inference_mode():
        reference = module(*examples)
    calibration = tuple(inputs(batches[-1], seed) for seed in range(1, CALIBRATION_CALLS + 1))
    whole = Task(module, examples, device, options.threads, calibration)
    part = Speaker(module).eval()
    cached_calls = {batch: cached(module, call) for batch, call in calls.items()}
    speaking = Task(
        part, cached_calls[batches[-1]], device, options.threads, tuple(cached(module, each) for each in calibration)
    )
    for name in options.backends:
        if device.type not in BACKENDS[name].devices:
            continue
        label = "eager, freed memory kept" if name == "eager" and device.type == "cpu" else name
        jobs = [(whole, calls, label)] + ([(speaking, cached_calls, f"{name}, cached")] if name in CACHED else [])
        for task, wanted, title in jobs:
            try:
                rows.append(measure(name, task, wanted, reference, title))
            except EngineUnavailableError as error:
                Console(stderr=True).print(f"{title}: {error.message}")
    return rows


def show(rows: list[Row], title: str) -> None:
    """Print the table."""
    base = rows[0].frames_per_s
    table = Table(title=title)
    batches = list(base)
    for heading in ("backend", "ready, s", *(f"batch {batch}" for batch in batches), "max error", "mean error", "bar"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    for row in rows:
        speeds = [
            f"{row.frames_per_s[batch]:.1f} ({row.frames_per_s[batch] / base[batch]:.2f}x)"
            if batch in row.frames_per_s
            else "–"
            for batch in batches
        ]
        table.add_row(
            row.name, f"{row.build_s:.0f}", *speeds, f"{row.max_error:.1e}", f"{row.mean_error:.1e}", verdict(row, base)
        )
    Console(width=150).print(table)


def verdict(row: Row, base: dict[int, float]) -> str:
    """Whether a row reaches its bar at batch 16."""
    bar = BARS.get(row.name)
    if bar is None or 16 not in row.frames_per_s:
        return ""
    ratio, error = row.frames_per_s[16] / base[16], bar[1]
    kept = ratio >= bar[0] and (error is None or row.max_error <= error)
    aim = f"{bar[0]:g}x" if error is None else f"{bar[0]:g}x, {error:g}"
    return f"{aim} {'reached' if kept else 'missed'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--backends", nargs="+", choices=list(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 16])
    parser.add_argument("--weights", choices=["synthetic", "initial"], default="synthetic")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = run(options)
    device = resolve(options.device)
    if options.json:
        print(json.dumps({"benchmark": "neural", "device": describe(device), "rows": [asdict(row) for row in rows]}))
    else:
        show(rows, f"Wav2Lip, frames/s (ratio to the original's loop), {describe(device)}, {options.threads} threads")


if __name__ == "__main__":
    main()
