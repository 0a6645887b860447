"""What a frame of the SadTalker engine costs, and how much quicker its generator is than the original's loop.

    python -m benchmarks.sadtalker [--backends folded winograd int16 bf16x6 bf16x3 openvino bf16 openvino-bf16] [--size 256] [--batch 1]
                                   [--threads 2] [--device cpu] [--rounds 3] [--minutes 2] [--json]

"original" computes everything anew for every frame, with eager float32 modules, as its authors' script does. The rows
below keep what depends on the source alone. Each round runs every row once, by turns; the cheapest round counts, as
others on the machine only add. Besides the clock, the processor time of all threads is shown, which other work hardly
disturbs. Errors are against the original's picture (0..1). Weights are synthetic: speed does not depend on them, and the
errors of bfloat16 are larger than real weights would give. The rest of a frame (motion, pasting) and what is done once
for an avatar come after, then the memory of the process while it hears `--minutes` of speech. Needs the extra neural, and openvino for its backends; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from comps.animation.avatars import PRESENTERS
from comps.animation.engine import Avatar
from comps.animation.engines.sadtalker.checkpoints import Networks
from comps.animation.engines.sadtalker.composing import Composer
from comps.animation.engines.sadtalker.drawing import Drawer
from comps.animation.engines.sadtalker.loading import make_drawer
from comps.animation.engines.sadtalker.motion import MotionNetworks, MotionOptions, MotionStream
from comps.animation.engines.sadtalker.network import (
    ExpressionNet,
    KeypointDetector,
    MappingNet,
    PoseVAE,
    ReconstructionNet,
    SpadeGenerator,
)
from comps.animation.engines.sadtalker.points import FacePoints
from comps.animation.engines.sadtalker.subject import Subject, picture_tensor, prepare
from comps.animation.faces.haar import HaarDetector
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.checkpoint import fill
from comps.animation.settings import AnimationSettings
from comps.core.errors import EngineUnavailableError
from tests.neural.synthetic_weights import synthetic_state_dict

BACKENDS = ("folded", "winograd", "int16", "bf16x6", "bf16x3", "openvino", "bf16", "openvino-bf16")
FOLDER = PRESENTERS / "ada"
ADA = Avatar("ada", "Ada", FOLDER / "portrait.png", FOLDER / "rig.json")
RATE = 16_000


@dataclass(slots=True)
class Row:
    """Seconds a frame by the clock and of all processors, and the largest and mean error."""

    name: str
    wall_s: float = float("inf")
    cpu_s: float = float("inf")
    max_error: float = 0.0
    mean_error: float = 0.0


def networks(device: torch.device) -> Networks:
    """All networks with synthetic weights."""

    def made(network: nn.Module) -> Any:
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        return fill(network, synthetic_state_dict(shapes), type(network).__name__).to(device)

    return Networks(
        reconstruction=made(ReconstructionNet()),
        keypoints=made(KeypointDetector()),
        generator=made(SpadeGenerator()),
        motion=MotionNetworks(made(ExpressionNet()), made(PoseVAE()), made(MappingNet())),
    )


def measured(work: Callable[[], Any], device: torch.device) -> tuple[float, float]:
    """Seconds by the clock and of all processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def turned(subject: Subject, frames: int) -> Tensor:
    """Key points `[n, 15, 3]` a little away from those of the picture."""
    shift = torch.randn(frames, 15, 3, generator=torch.Generator().manual_seed(0)) * 0.03
    return subject.keypoints + shift.to(subject.keypoints.device)


def generator_rows(nets: Networks, subject: Subject, arguments: argparse.Namespace) -> list[Row]:
    """The original's loop, then each way of drawing with the source kept."""
    device = subject.keypoints.device
    face, points = picture_tensor(subject.cut.face).to(device), turned(subject, arguments.batch)
    one = subject.keypoints[None]

    @torch.inference_mode()
    def original() -> Tensor:
        return torch.cat([nets.generator(face, one, each[None]) for each in points])

    progress = Console(stderr=True)
    progress.print("original's loop ...")
    expected = original()
    row = Row("original")
    for turn in range(arguments.rounds):
        _keep_best(row, measured(original, device), len(points))
        progress.print(_in_words(row, row, turn))
    # Only now, as the original's script leaves the memory of the C library as it is.
    if device.type == "cpu":
        keep_freed_memory()
    ways: dict[str, Callable[[], Tensor]] = {"original, memory kept": original}
    source, sources = subject.source.repeated(len(points)), one.expand(len(points), -1, -1)
    plain = Drawer(nets.generator.dense_motion_network.weigh, nets.generator.paint)
    ways["source kept, eager"] = lambda: plain.pictures(source, sources, points)
    for name, drawer in _drawers(nets, arguments).items():
        ways[f"source kept, {name}"] = lambda drawer=drawer: drawer.pictures(source, sources, points)  # type: ignore[misc]
    rows = {name: Row(name) for name in ways}
    for name, way in ways.items():
        error = (way().to(expected.device) - expected).abs()
        rows[name].max_error, rows[name].mean_error = float(error.max()), float(error.mean())
    for turn in range(arguments.rounds):
        for name, way in ways.items():
            _keep_best(rows[name], measured(way, device), len(points))
            progress.print(_in_words(rows[name], row, turn))
    return [row, *rows.values()]


def _in_words(row: Row, original: Row, turn: int) -> str:
    """What is known of a row so far, for who does not wait for the table."""
    ratios = f"{original.wall_s / row.wall_s:.2f}x, by processor {original.cpu_s / row.cpu_s:.2f}x"
    return f"round {turn + 1}, {row.name}: {row.wall_s:.2f} s a frame, {ratios}, error {row.max_error:.1e}"


def _keep_best(row: Row, took: tuple[float, float], frames: int) -> None:
    row.wall_s, row.cpu_s = min(row.wall_s, took[0] / frames), min(row.cpu_s, took[1] / frames)


def _drawers(nets: Networks, arguments: argparse.Namespace) -> dict[str, Drawer]:
    drawers = {}
    for name in arguments.backends:
        Console(stderr=True).print(f"{name} is made ready ...")
        settings = AnimationSettings(
            sadtalker_backend=name, sadtalker_size=arguments.size, sadtalker_batch=arguments.batch
        )
        try:
            drawers[name] = make_drawer(nets, settings, torch.device(arguments.device))
        except EngineUnavailableError as error:
            Console(stderr=True).print(f"{name}: {error.message}")
    return drawers


def other_costs(nets: Networks, subject: Subject, points: FacePoints, device: torch.device) -> dict[str, float]:
    """Milliseconds of what is not the generator."""
    pcm = (np.random.default_rng(0).normal(size=4 * RATE) * 3000).astype(np.int16)
    size = subject.cut.face.shape[0]

    def motion() -> None:
        stream = MotionStream(nets.motion, subject.coefficients, MotionOptions(RATE))
        stream.feed(pcm)
        stream.finish()

    costs = {
        "an avatar, once": measured(lambda: prepare(ADA, nets, points, "crop", size), device)[0] * 1000,
        "motion, per frame": measured(motion, device)[0] * 10,
    }
    for mode, paste in (("crop", "feather"), ("full", "feather"), ("full", "poisson")):
        composer = Composer(subject.cut, cast("Any", mode), 512, cast("Any", paste))
        took = min(measured(lambda made=composer: made.frame(subject.cut.face), device)[0] for _ in range(5))  # type: ignore[misc]
        costs[f"{mode}, {paste}, per frame"] = took * 1000
    return costs


def memory_by_minute(nets: Networks, subject: Subject, minutes: int) -> list[float]:
    """Resident MiB after each minute of one answer's speech, whose motion is read as the engine reads it."""
    stream, random = MotionStream(nets.motion, subject.coefficients, MotionOptions(RATE)), np.random.default_rng(1)
    resident = []
    for _ in range(minutes):
        for _ in range(60):
            stream.feed((random.normal(size=RATE) * 3000).astype(np.int16))
        resident.append(resident_mib())
    return resident


def resident_mib() -> float:
    """Of this process, now; where /proc is not, the most so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Print the tables, or one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backends", nargs="*", default=BACKENDS)
    parser.add_argument("--size", type=int, choices=(256, 512), default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    nets = networks(device)
    points = FacePoints(HaarDetector(landmarks=True), "the avatar's rig", trusts_rig=True)
    subject = prepare(ADA, nets, points, "crop", arguments.size)
    rows = generator_rows(nets, subject, arguments)
    costs = other_costs(nets, subject, points, device)
    memory = memory_by_minute(nets, subject, arguments.minutes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if arguments.json:
        lines = [{name: getattr(row, name) for name in Row.__slots__} for row in rows]
        print(json.dumps({"generator": lines, "others_ms": costs, "minutes_mib": memory, "peak_mib": peak}))
        return
    console = Console(width=120)
    console.print(_table(rows, arguments))
    for name, milliseconds in costs.items():
        console.print(f"{name}: {milliseconds:.1f} ms")
    console.print(f"resident after each minute of speech: {', '.join(f'{mib:.0f}' for mib in memory)} MiB")
    console.print(f"peak memory, all of the above in one process: {peak:.0f} MiB")


def _table(rows: list[Row], arguments: argparse.Namespace) -> Table:
    title = (
        f"generator, {arguments.size} pixels, batch {arguments.batch}, {arguments.threads} threads, {arguments.device}"
    )
    table = Table(title=title)
    for heading in ("way", "s/frame", "processor s", "x original", "x by processor", "max error", "mean error"):
        table.add_column(heading)
    for row in rows:
        ratios = rows[0].wall_s / row.wall_s, rows[0].cpu_s / row.cpu_s
        table.add_row(
            row.name,
            f"{row.wall_s:.3f}",
            f"{row.cpu_s:.3f}",
            *(f"{ratio:.2f}" for ratio in ratios),
            f"{row.max_error:.1e}",
            f"{row.mean_error:.1e}",
        )
    return table


if __name__ == "__main__":
    main()
