"""What the blend-shape solver costs: 68 shapes, 5,000 vertices, on one core.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.audio2face_solver [--json] [--frames 256]

The rig is made up: bumps of skin where the shapes of that name are, mirrored left and right. "speech"
are smooth weights with a part that no shape explains, "noise" are frames that have nothing to do with each
other, the hardest there are. Times are processor time of all threads. Optimality is how far the worst
weight is from fulfilling the Karush-Kuhn-Tucker conditions, as a change of that weight; with cancel
pairs the shapes that a pair holds at 0 are left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.names import ALL_SHAPES
from comps.animation.audio2face.solver import BlendshapeSolver, Poses, SolverSettings

Array = NDArray[np.float64]

VERTICES = 5000
ROUNDS = 7
HELD = 1e-10
"""What the solver bounds a cancelled shape by."""
REGIONS: dict[str, tuple[float, float, float]] = {
    "EyeBlink": (3, 3, 1.2), "EyeLook": (3, 3, 1.5), "EyeSquint": (3.5, 2, 1.5), "EyeWide": (3, 4, 1.5),
    "Jaw": (0, -8, 5), "Mouth": (1.5, -4, 2), "Brow": (3, 6, 2), "Cheek": (5, -1, 2.5), "Nose": (1, 0, 1.5), "Tongue": (0, -4, 1),
}  # fmt: skip
"""Centre x, y and width of the bumps in centimetres, by the beginning of a shape's name."""


def make_rig(random: np.random.Generator) -> tuple[Array, Array]:
    """A neutral pose `[v, 3]` and displacements `[68, v, 3]`, in centimetres."""
    plane: Array = random.uniform(-1, 1, (VERTICES, 2)) * [9, 12]
    neutral: Array = np.column_stack([plane, 10 - 0.05 * plane[:, 0] ** 2 - 0.02 * plane[:, 1] ** 2])
    shapes: Array = np.stack([bump(name, neutral, random) for name in ALL_SHAPES])
    return neutral, shapes


def bump(name: str, neutral: Array, random: np.random.Generator) -> Array:
    x, y, width = next(place for start, place in REGIONS.items() if name.startswith(start))
    side = -1 if name.endswith("Right") else 1 if name.endswith("Left") else 0
    centre = np.array([side * x, y]) + random.normal(size=2) * 0.3 * width
    distance = ((neutral[:, :2] - centre) ** 2).sum(axis=1) / width**2
    return np.asarray(np.exp(-distance)[:, None] * random.normal(size=3) * random.uniform(0.3, 1.0))


def speech(shapes: Array, count: int, random: np.random.Generator) -> Array:
    seconds: Array = np.arange(count)[:, None] / 30
    size = len(shapes)
    waves = np.sin(2 * np.pi * seconds * random.uniform(0.5, 6, size) + random.uniform(0, 6.3, size))
    weights: Array = np.clip(random.uniform(0.2, 1.2, size) * waves - random.uniform(-0.2, 0.6, size), 0, 1.1)
    unexplained = np.sin(2 * np.pi * seconds * random.uniform(0.5, 6, 12))
    return np.asarray(
        np.tensordot(weights, shapes, 1)
        + np.tensordot(unexplained, random.normal(scale=0.05, size=(12, *shapes.shape[1:])), 1)
    )


def noise(shapes: Array, count: int, random: np.random.Generator) -> Array:
    weights = random.uniform(-0.5, 1.2, (count, len(shapes)))
    return np.asarray(np.tensordot(weights, shapes, 1) + random.normal(scale=0.1, size=(count, *shapes.shape[1:])))


def seconds_of(work: Callable[[], object]) -> float:
    """The least processor time of some runs."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def optimality(solver: BlendshapeSolver, targets: Array, weights: Array) -> float:
    """Largest step that projected coordinate descent would still take, over all frames and weights."""
    x: Array = weights[:, solver.active]
    rhs = solver.project(targets) + solver.carry * np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    gradient = (x @ solver.matrix - rhs) @ solver.matrix
    step = np.clip(x - gradient / (solver.matrix**2).sum(axis=0), 0, np.where(x == HELD, HELD, 1)) - x
    return float(np.abs(step).max())


def measure(frames: int) -> dict[str, dict[str, float]]:
    random = np.random.default_rng(5)
    neutral, shapes = make_rig(random)
    poses = Poses.named(ALL_SHAPES, active={})
    cancelling = Poses.named(
        ALL_SHAPES, active={}, cancel={"JawLeft": 0, "JawRight": 0, "MouthLeft": 1, "MouthRight": 1}
    )
    mark = SolverSettings(l1=0.5, l2=0.5, temporal=0.3, template_bb_size=53.4505028)
    solvers = {
        "defaults": BlendshapeSolver(neutral, shapes, poses),
        "mark (temporal 0.3)": BlendshapeSolver(neutral, shapes, poses, mark),
        "mark, two cancel pairs": BlendshapeSolver(neutral, shapes, cancelling, mark),
        "mark, approximate": BlendshapeSolver(neutral, shapes, poses, mark, exact=False),
    }
    table: dict[str, dict[str, float]] = {}
    for motion in (speech, noise):
        targets: Array = neutral + motion(shapes, frames, random)
        for name, solver in solvers.items():
            table[f"{motion.__name__}, {name}"] = figures(solver, targets)
    return table


def figures(solver: BlendshapeSolver, targets: Array) -> dict[str, float]:
    """Speed and quality of one solver on some frames."""
    weights = solver.stream().solve(targets)
    stream, singles = solver.stream(), targets[:50, None]
    return {
        "frames_per_second": len(targets) / seconds_of(lambda: solver.stream().solve(targets)),
        "single_frame_ms": 1000 / len(singles) * seconds_of(lambda: [stream.solve(target) for target in singles]),
        "projection_us": 1e6 / len(targets) * seconds_of(lambda: solver.project(targets)),
        "at_bounds": float(((weights <= 0) | (weights >= 1)).mean()),
        "optimality": optimality(solver, targets, weights),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = measure(arguments.frames)
    if arguments.json:
        print(json.dumps(table, indent=2))
        return
    print(f"{'':34}{'frames/s':>10}{'single':>10}{'project':>10}{'at bounds':>11}{'optimality':>12}")
    for name, row in table.items():
        print(
            f"{name:34}{row['frames_per_second']:10.0f}{row['single_frame_ms']:7.2f} ms{row['projection_us']:7.0f} us"
            f"{100 * row['at_bounds']:9.0f} %{row['optimality']:12.1e}"
        )


if __name__ == "__main__":
    main()
