"""GFPGAN: seconds per face of the network by backend, and what a frame costs by step, against the original's way.

    python -m benchmarks.gfpgan [--json] [--device cpu] [--threads 2] [--batch 4] [--backends NAME ...] [--rounds 3]

The first table compares backends with a plain loop over the same network: eager float32, one face a call. The second
splits a frame of 512 x 512 pixels as the original treats it (find the face, align, restore, parse, paste; each frame
anew) and shows what is left of it for a still avatar: one transform, one feathered mask, faces in batches, on the last
of the backends. Weights are those of the parity tests. Each figure is the least of `rounds`. On a processor times are
those of all threads together, so that other work on the machine disturbs them little; on a card they are the clock's.
Needs the extra neural, and for the OpenVINO rows openvino.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.gfpgan import align, masks
from comps.animation.engines.gfpgan.loading import sample_faces
from comps.animation.engines.gfpgan.network import GFPGAN
from comps.animation.engines.gfpgan.parsenet import ParseNet
from comps.animation.engines.gfpgan.paste import enlarge, paste
from comps.animation.engines.gfpgan.quick import quick
from comps.animation.engines.gfpgan.restorer import Restorer
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.faces.face import DetectedFace, Picture
from comps.animation.faces.retinaface import RetinaFaceDetector
from comps.animation.faces.retinaface_network import RetinaFaceNetwork
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.backend import BACKENDS, Program, Task, build_one
from comps.animation.neural.checkpoint import fill
from comps.animation.neural.device import describe, resolve
from comps.animation.neural.measure import difference
from comps.core.errors import EngineUnavailableError
from comps.core.media.image import decode_image
from tests.neural.synthetic_weights import synthetic_state_dict

SIDE = 512
ON_CPU = ("folded", "bf16", "openvino", "openvino-bf16", "bf16x3", "bf16x6", "winograd", "int16")
ON_GPU = ("folded", "bf16", "cuda-graphs")


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run the network: seconds per face alone and in batches, errors in units of -1..1."""

    name: str
    alone: float
    batched: float
    max_error: float = 0.0
    mean_error: float = 0.0


@dataclass(slots=True)
class Frame:
    """Milliseconds of one frame by step."""

    name: str
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.steps.values())


def made(kind: Callable[[], nn.Module]) -> Any:
    """The network with weights that every machine has."""
    with torch.device("meta"):
        network = kind()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return fill(network, synthetic_state_dict(shapes), "synthetic weights")


def least(work: Callable[[], object], rounds: int, device: torch.device) -> float:
    """Seconds of processor time on a processor, of time elsewhere; a first call is not counted."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times = []
    for _ in range(rounds + 1):
        start = clock()
        work()
        if device.type != "cpu":
            getattr(torch, device.type).synchronize(device)
        times.append(clock() - start)
    return min(times[1:])


def network_rows(options: argparse.Namespace, device: torch.device) -> tuple[list[Row], Program]:
    """The loop compared with first; and the program of the last backend."""
    progress = Console(stderr=True)
    progress.print("plain loop ...")
    network = made(GFPGAN)
    faces = sample_faces()
    batch = faces.repeat(options.batch, 1, 1, 1)[: options.batch]
    task = Task(network, (faces[:1],), device, options.threads)
    program = build_one("eager", task)
    reference = program(faces[:1]).cpu()

    def seconds(ready: Program, calls: Tensor) -> float:
        moved = calls.to(device)
        return least(lambda: ready(moved), options.rounds, device) / len(calls)

    rows = [Row("plain loop", seconds(program, faces[:1]), seconds(program, batch))]
    progress.print(in_words(rows[0], rows[0]))
    if device.type == "cpu":
        keep_freed_memory()
    for name in options.backends or (ON_CPU if device.type == "cpu" else ON_GPU):
        progress.print(f"{name} ...")
        try:
            ready = build_one(name, Task(quick(network), (batch,), device, options.threads))
        except EngineUnavailableError as error:
            progress.print(f"{name}: {error.message}")
            continue
        program.close()
        program, found = ready, ready(faces[:1]).cpu()
        mean = float((found - reference).abs().mean())
        alone, batched = seconds(ready, faces[:1]), seconds(ready, batch)
        rows.append(Row(name, alone, batched, difference(reference, found), mean))
        progress.print(in_words(rows[-1], rows[0]))
    return rows, program


def in_words(row: Row, loop: Row) -> str:
    """What is known of a row as soon as it is measured, for who does not wait for the table."""
    ratio = loop.alone / min(row.alone, row.batched)
    return f"{row.name}: {row.alone:.2f} s alone, {row.batched:.2f} s in batches, {ratio:.2f}x, {row.max_error:.1e}"


def frame_costs(options: argparse.Namespace, device: torch.device, program: Program) -> list[Frame]:
    """The original's frame, and that of a still avatar on `program`."""
    picture, points = presenter()
    face = DetectedFace(np.zeros(4, np.float32), 1.0, points)
    matrix = align.fit(face.five_points())
    assert matrix is not None
    back, size = align.inverse(matrix, 1), (picture.shape[1], picture.shape[0])
    cut = align.cut(picture, matrix)

    def timed(work: Callable[[], object]) -> float:
        return 1000 * least(work, options.rounds, device)

    detector = RetinaFaceDetector(made(RetinaFaceNetwork).to(device))
    original = Frame("the original's way", {"find": timed(lambda: detector.detect([picture]))})
    original.steps["align"] = timed(lambda: align.cut(picture, matrix))
    plain = Restorer(made(GFPGAN).to(device), made(ParseNet).to(device), device)
    original.steps["restore"] = timed(lambda: plain.restore([cut]))
    labels = plain.parse([cut])[0]
    original.steps["parse"] = timed(lambda: plain.parse([cut]))
    original.steps["paste"] = timed(
        lambda: paste(enlarge(picture, 1), cut, masks.place(masks.parse_mask(labels), back, size), back)
    )
    quick, mask = Restorer(program, None, device), masks.place(masks.ellipse_mask(), back, size)
    still = Frame(f"still avatar, {program.backend}", {"find": 0.0, "align": original.steps["align"]})
    still.steps["restore"] = timed(lambda: quick.restore([cut] * options.batch)) / options.batch
    still.steps["parse"] = 0.0
    still.steps["paste"] = timed(lambda: paste(enlarge(picture, 1), cut, mask, back))
    return [original, still]


def presenter() -> tuple[Picture, np.ndarray]:
    """The first shipped avatar at 512 pixels, and its points."""
    path = min(PRESENTERS.glob("*/rig.json"))
    picture, rig = decode_image((path.parent / "portrait.png").read_bytes(), max_pixels=10**8), Rig.load(path)
    scale = SIDE / max(rig.size)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8), rig.points * np.float32(scale)


def show(rows: list[Row], frames: list[Frame], options: argparse.Namespace, title: str) -> None:
    table = Table(title=f"GFPGAN, s a face, {title}")
    for heading in ("backend", "one a call", f"{options.batch} a call", "to the loop", "max error", "mean error"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    for row in rows:
        ratio = rows[0].alone / min(row.alone, row.batched)
        figures = (f"{row.alone:.4f}", f"{row.batched:.4f}", f"{ratio:.2f}x")
        table.add_row(row.name, *figures, f"{row.max_error:.1e}", f"{row.mean_error:.1e}")
    steps = Table(title=f"a frame of {SIDE} x {SIDE}, ms")
    for heading in ("", *frames[0].steps, "in all", "to the original"):
        steps.add_column(heading, justify="right" if heading else "left")
    for frame in frames:
        ratio = frames[0].total / frame.total
        figures = (f"{cost:.1f}" for cost in (*frame.steps.values(), frame.total))
        steps.add_row(frame.name, *figures, f"{ratio:.2f}x")
    console = Console(width=120)
    console.print(table)
    console.print(steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"peak memory, all of the above in one process: {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--backends", nargs="+", choices=list(BACKENDS), default=None)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = resolve(options.device)
    rows, program = network_rows(options, device)
    frames = frame_costs(options, device, program)
    if options.json:
        document = {"benchmark": "gfpgan", "device": describe(device), "rows": [asdict(row) for row in rows]}
        print(json.dumps({**document, "frames": [asdict(frame) for frame in frames]}))
    else:
        show(rows, frames, options, f"{describe(device)}, {options.threads} threads")


if __name__ == "__main__":
    main()
