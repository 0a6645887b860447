"""Turns and nods planted in portraits, and what the coach reads of them by landmarks.

    python -m benchmarks.coach_nods [FOLDER] --landmarker face_landmarker.task

Needs the extra ``mediapipe``. Runs over the shipped presenters and the pictures of FOLDER: each head is turned and nodded
by warping its picture with the mean face's depths, about the pose in which it is read to be held. So this shows how well
differences are read, and not whether the pose of the portrait itself is: heads held straight are read as `level`. `part` is
the share of a planted nod that the landmarks follow, `others` how many looks are read when it is taken from the other heads.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.coach_images import portraits
from comps.animation.coach.image.mesh_pose import NOD_FOLLOWED, mesh_pose
from comps.animation.coach.image.mesh_search import MeshSearch
from comps.animation.coach.image.pose import HeadPose
from comps.animation.coach.image.sighting import even
from comps.animation.engines.portrait.rig.finder import LazyMeshes
from comps.animation.engines.portrait.rig.mesh import FindMeshes
from comps.animation.engines.portrait.rig.rig import Rig
from tests.animation.coach import plants
from tests.animation.coach.plants import Picture

WITHIN = 3.0
"""Degrees from the planted value within which one counts as read."""
NODS = (-20.0, -15.0, -10.0, 10.0, 15.0, 20.0)
GRID = (
    *((0.0, nod) for nod in NODS),
    *((turn, nod) for turn in (-10.0, 10.0) for nod in NODS),
    *((turn, 0.0) for turn in (-20.0, -10.0, 10.0, 20.0)),
)
"""Turns and nods in degrees."""
AHEAD = 15.0
"""Degrees of turn up to which a head looks ahead."""


@dataclass(frozen=True)
class Head:
    """One portrait: how it is held, and of each look of `GRID` that was found what is read; None where it was not."""

    name: str
    held: HeadPose
    read: tuple[HeadPose | None, ...]

    def nods(self) -> tuple[list[float], list[float]]:
        """Planted nods, without turns, and what is read of them, in degrees."""
        pairs = [
            (nod, pose.pitch - self.held.pitch)
            for (turn, nod), pose in zip(GRID, self.read, strict=True)
            if nod and not turn and pose is not None
        ]
        return [planted for planted, _ in pairs], [read for _, read in pairs]

    def part(self) -> float:
        """The share of a nod that its landmarks follow."""
        planted, read = self.nods()
        return NOD_FOLLOWED * float(np.dot(planted, read) / np.dot(planted, planted)) if read else NOD_FOLLOWED

    def within(self, part: float = NOD_FOLLOWED) -> list[bool]:
        """Of each look whether its nod is read within the bound, if landmarks follow `part` of a nod."""
        return [
            pose is not None and abs((pose.pitch - self.held.pitch) * NOD_FOLLOWED / part - nod) <= WITHIN
            for (_, nod), pose in zip(GRID, self.read, strict=True)
        ]

    def aside(self) -> list[bool]:
        """Of each look whether its turn and its lean are read within the bound."""
        return [
            pose is not None and max(abs(pose.yaw - self.held.yaw - turn), abs(pose.roll - self.held.roll)) <= WITHIN
            for (turn, _), pose in zip(GRID, self.read, strict=True)
        ]


def measure(name: str, picture: Picture, rig: Rig, find: FindMeshes) -> Head | None:
    """What is read of the portrait; None where its face has no landmarks."""
    held = _pose(picture, find)
    if held is None:
        return None
    looks = (plants.looking(picture, rig, turn, nod, (held.yaw, held.roll)) for turn, nod in GRID)
    return Head(name, held, tuple(_pose(look, find) for look in looks))


def _pose(picture: Picture, find: FindMeshes) -> HeadPose | None:
    meshes = MeshSearch(even(picture), find).whole()
    return mesh_pose(meshes[0]).head if meshes else None


def report(heads: Sequence[Head]) -> None:
    """Print a row for each head, and the sums of those that look ahead and of the others."""
    print(f"{'portrait':16s}{'turn':>7s}{'level':>7s}{'part':>7s}{'nods':>10s}{'others':>9s}{'turn, lean':>12s}")
    ahead = [head for head in heads if abs(head.held.yaw) <= AHEAD]
    sums: dict[bool, list[int]] = {}
    for head in heads:
        rest = [other.part() for other in ahead if other is not head]
        counts = [
            sum(head.within()),
            sum(head.within(float(np.mean(rest)) if rest else NOD_FOLLOWED)),
            sum(head.aside()),
        ]
        sums[head in ahead] = [
            a + b for a, b in zip(sums.get(head in ahead, [0] * 4), [*counts, len(GRID)], strict=True)
        ]
        print(
            f"{head.name:16s}{head.held.yaw:7.1f}{head.held.pitch:7.1f}{head.part():7.2f}"
            f"{counts[0]:7d}/{len(GRID)}{counts[1]:6d}/{len(GRID)}{counts[2]:9d}/{len(GRID)}"
        )
    print()
    for looks_ahead, (nods, others, aside, looks) in sorted(sums.items(), reverse=True):
        kind = "look ahead" if looks_ahead else "are held turned"
        print(f"heads that {kind}: nods {nods}, by the part of the others {others}, turn and lean {aside} of {looks}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--landmarker", type=Path, required=True)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    find = LazyMeshes(arguments.landmarker)
    heads = [measure(name, picture, rig, find) for name, picture, rig in portraits(arguments.folder)]
    report([head for head in heads if head is not None])
    find.close()


if __name__ == "__main__":
    main()
