"""What NVIDIA's networks cost besides the networks: from their numbers to 68 weights, at their published sizes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.audio2face_onnx [--json]

Rigs and numbers are made up, with the sizes of the published files. "points" is the way over every point (`skin.py`,
`tongue.py`, `solver.py`), "projected" the one that streams take. Times are the least processor time of some runs, both
ways in turn. "ready" is what a new mask or set of poses costs once, "memory" what a stream holds.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from comps.animation.audio2face.configuration.layers import ModelDefaults
from comps.animation.audio2face.inference.model import FaceTuning
from comps.animation.audio2face.inference.onnx.projection import Face
from comps.animation.audio2face.inference.onnx.rig import Character, MovingParts, ShapeRig
from comps.animation.audio2face.names import (
    ACTIVE_POSES,
    ARKIT_SHAPES,
    CANCEL_POSES,
    SYMMETRY_POSES,
    TONGUE_SHAPES,
)
from comps.animation.audio2face.parameters import Value, defaults
from comps.animation.audio2face.skin import SkinRig, SkinSettings, SkinStream
from comps.animation.audio2face.solver import SKIN, TONGUE, BlendshapeSolver, Poses, SolverSettings
from comps.animation.audio2face.tongue import pose_tongue

Single = NDArray[np.float32]

ROUNDS = 5
SIZES = {"regression (Mark)": (61_520, 5_602, 272, 10), "diffusion": (24_002, 5_602, None, None)}
"""Vertices of skin and tongue, components of both."""
FITTED = 10_000
"""Vertices of the frontal mask."""
FRAMES = 30


def shape_rig(names: tuple[str, ...], neutral: Single, settings: SolverSettings, fitted: int | None) -> ShapeRig:
    random = np.random.default_rng(len(names))
    shapes = random.normal(0, 0.1, (len(names), *neutral.shape)).astype(np.float32)
    vertices = None if fitted is None else np.arange(min(fitted, len(neutral)))
    return ShapeRig(neutral, shapes, names, vertices, settings, {}, {})


def character(skin: int, tongue: int, components: int | None, tongue_components: int | None) -> Character:
    random = np.random.default_rng(0)

    def points(*shape: int) -> Single:
        return random.normal(0, 1, (*shape, 3)).astype(np.float32)

    neutral, resting = points(skin) * np.float32(9), points(tongue)
    parts = MovingParts(
        SkinRig(neutral, points(skin), points(skin)), resting,
        None if components is None else points(components, skin) / np.float32(30),
        None if tongue_components is None else points(tongue_components, tongue) / np.float32(30),
    )  # fmt: skip
    return Character(
        parts, shape_rig(ARKIT_SHAPES, neutral, SKIN, FITTED), shape_rig(TONGUE_SHAPES, resting, TONGUE, None), ModelDefaults()
    )  # fmt: skip


def tuning(**values: Value) -> FaceTuning:
    return FaceTuning(30, {**defaults(character="mark"), **values}, ACTIVE_POSES, CANCEL_POSES, SYMMETRY_POSES)


class OverPoints:
    """The weights of one stream, by the formulas on points."""

    def __init__(self, of: Character, values: FaceTuning) -> None:
        self._parts, self._values = of.parts, values.values
        self._skin = SkinStream(of.parts.skin, SkinSettings.of(values.values), fps=30)
        self._solvers = [
            BlendshapeSolver(
                rig.neutral, rig.shapes, Poses.named(rig.names), rig.settings, vertices=rig.vertices
            ).stream()
            for rig in (of.skin, of.tongue)
        ]

    def weights(self, skin: Single, tongue: Single) -> NDArray[np.float64]:
        parts = self._parts
        moved = [
            (numbers if basis is None else numbers @ basis.reshape(len(basis), -1)).reshape(len(numbers), -1, 3)
            for numbers, basis in ((skin, parts.skin_components), (tongue, parts.tongue_components))
        ]
        raised = pose_tongue(
            parts.tongue, moved[1], strength=float(self._values["tongue_strength"]),
            height_offset=float(self._values["tongue_height_offset"]), depth_offset=float(self._values["tongue_depth_offset"]),
        )  # fmt: skip
        posed = self._skin.pose(moved[0])
        return np.concatenate([self._solvers[0].solve(posed), self._solvers[1].solve(raised)], axis=1)


def least(*works: Callable[[], object]) -> list[float]:
    """The least processor time of each, run in turn."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, taken in zip(works, times, strict=True):
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
    return [min(taken) for taken in times]


def measure(sizes: tuple[int, int, int | None, int | None]) -> dict[str, float]:
    made = character(*sizes)
    random = np.random.default_rng(1)
    widths = [3 * points if count is None else count for points, count in zip(sizes[:2], sizes[2:], strict=True)]
    skin, tongue = (random.normal(0, 0.3, (FRAMES, width)).astype(np.float32) for width in widths)
    face = Face(made, tongue=True)
    start = time.process_time()
    stream = face.open(tuning(), 30)
    ready = time.process_time() - start
    points = OverPoints(made, tuning())
    over, projected, single = least(
        lambda: points.weights(skin, tongue),
        lambda: stream.weights(stream.targets(skin, tongue)),
        lambda: [stream.weights(stream.targets(skin[n, None], tongue[n, None])) for n in range(FRAMES)],
    )
    apart = np.abs(OverPoints(made, tuning()).weights(skin, tongue) - same(face, skin, tongue)).max()
    return {
        "points_ms": 1000 * over / FRAMES,
        "projected_ms": 1000 * projected / FRAMES,
        "single_ms": 1000 * single / FRAMES,
        "times_faster": over / projected,
        "ready_s": ready,
        "memory_kb": memory(face),
        "apart": float(apart),
    }


def same(face: Face, skin: Single, tongue: Single) -> NDArray[np.float64]:
    stream = face.open(tuning(), 30)
    return stream.weights(stream.targets(skin, tongue))


def memory(face: Face) -> float:
    """Kilobytes of a stream."""
    tracemalloc.start()
    streams = [face.open(tuning(), 30) for _ in range(20)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / len(streams) / 1000


def show(table: dict[str, dict[str, float]]) -> None:
    shown = Table(title="from a network's numbers to 68 weights, ms of one core per frame")
    for heading in ("", "points", "projected", "faster", "one by one", "ready", "stream", "apart"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for name, row in table.items():
        shown.add_row(
            name, f"{row['points_ms']:.2f}", f"{row['projected_ms']:.2f}", f"{row['times_faster']:.0f} x",
            f"{row['single_ms']:.2f}", f"{row['ready_s']:.2f} s", f"{row['memory_kb']:.0f} kB", f"{row['apart']:.0e}",
        )  # fmt: skip
    Console(width=110).print(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = {name: measure(sizes) for name, sizes in SIZES.items()}
    if arguments.json:
        print(json.dumps(table, indent=2))
    else:
        show(table)


if __name__ == "__main__":
    main()
