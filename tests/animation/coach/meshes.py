"""Meshes that MediaPipe found of the shipped presenters, stored, so that what is told by them is tested without MediaPipe.

    python -m tests.animation.coach.meshes face_landmarker.task

writes `meshes.npz` anew; it needs the extra ``mediapipe``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from comps.animation.coach.image.mesh_search import WHOLE_SIDE, MeshSearch, _frame, face_of
from comps.animation.engines.portrait.rig.mesh import FaceMesh, FindMeshes
from tests.animation.coach import plants
from tests.animation.coach.plants import Picture, presenter

STORE = Path(__file__).with_suffix(".npz")
MIXED = ((-10.0, -15.0), (10.0, 15.0))
"""Turns and nods, in degrees, that are made at once."""


def _acted(name: str, **weights: float) -> Callable[[], Picture]:
    return cache(lambda: _acting(name)(**weights))


@cache
def _acting(name: str) -> Callable[..., Picture]:
    return plants.acting(*presenter(name))


def _turned(name: str, yaw: float, pitch: float = 0.0) -> Callable[[], Picture]:
    return cache(lambda: plants.looking(*presenter(name), yaw, pitch))


PICTURES: dict[str, Callable[[], Picture]] = {
    f"{name} {kind}": make
    for name in ("ada", "noor")
    for kind, make in {
        "plain": lambda name=name: presenter(name)[0],
        "open": _acted(name, jawOpen=1.0),
        "shut": _acted(name, eyeBlink=1.0),
        "smiling": _acted(name, mouthSmile=1.0),
        **{f"turned {yaw:+.0f}": _turned(name, yaw) for yaw in (-45.0, -20.0, 20.0, 45.0)},
        **{f"nods {pitch:+.0f}": _turned(name, 0.0, pitch) for pitch in (-15.0, 15.0)},
        **{f"turned {yaw:+.0f}, nods {pitch:+.0f}": _turned(name, yaw, pitch) for yaw, pitch in MIXED},
    }.items()
}
"""What the stored meshes are of, by name; each is drawn once."""


@lru_cache(maxsize=1)
def stored() -> dict[str, FaceMesh]:
    """The meshes by the names of `PICTURES`, in pixels of those pictures."""
    with np.load(STORE) as file:
        names = [str(name) for name in file["shapes"]]
        return {
            name: FaceMesh(file[f"{name} points"].astype(float), dict(zip(names, map(float, file[name]), strict=True)))
            for name in PICTURES
        }


def stand_in(*meshes: FaceMesh, size: tuple[int, int]) -> FindMeshes:
    """Finds `meshes` in a picture of `size` (height, width), and each alone where it is looked at again from near."""

    def find(picture: Picture) -> tuple[FaceMesh, ...]:
        scale = min(1.0, WHOLE_SIDE / max(size))
        if picture.shape[:2] == (round(size[0] * scale), round(size[1] * scale)):
            return tuple(mesh.mapped(np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]])) for mesh in meshes)
        # From near only the frame of the face that was asked for brings a face to the middle.
        return tuple(mesh.mapped(_frame(face_of(mesh))) for mesh in meshes[:1])

    return find


def main() -> None:
    from comps.animation.engines.portrait.rig.landmarker import MediaPipeMeshes

    find = MediaPipeMeshes(Path(sys.argv[1]), shapes=True)
    found = {name: MeshSearch(make(), find).whole()[0] for name, make in PICTURES.items()}
    names = sorted(next(iter(found.values())).shapes)
    points = {f"{name} points": mesh.points.astype(np.float32) for name, mesh in found.items()}
    shapes = {name: np.array([mesh.shapes[shape] for shape in names], np.float32) for name, mesh in found.items()}
    np.savez_compressed(STORE, shapes=np.array(names), **points, **shapes)


if __name__ == "__main__":
    main()
