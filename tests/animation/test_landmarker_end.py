"""Landmarkers are closed with the service that loaded them: at the interpreter's end it is too late."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig import finder
from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.finder import LazyMeshes, RigFinder
from comps.animation.engines.portrait.rig.mesh import FaceMesh
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import started

PICTURE = np.zeros((64, 64, 3), np.uint8)


class Landmarker:
    """Stands in for both classes of `landmarker`, and notes what is open."""

    open: list[str]

    def __init__(self, path: Path, *, shapes: bool = False) -> None:
        self.name = "meshes" if shapes else "rigs"
        Landmarker.open.append(self.name)

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[FaceMesh, ...]:
        return ()

    def find(self, picture: NDArray[np.uint8]) -> Rig:
        return find_rig(picture)

    def close(self) -> None:
        Landmarker.open.remove(self.name)


@pytest.fixture(autouse=True)
def landmarker(monkeypatch: pytest.MonkeyPatch) -> None:
    Landmarker.open = []
    module = SimpleNamespace(MediaPipeMeshes=Landmarker, MediaPipeFinder=Landmarker)
    monkeypatch.setattr(finder, "_module", lambda: module)


def test_meshes_are_closed_and_loaded_again_when_needed(tmp_path: Path) -> None:
    meshes = LazyMeshes(tmp_path)
    meshes.close()
    for _ in range(2):
        meshes(PICTURE)
        meshes(PICTURE)
        assert Landmarker.open == ["meshes"]
        meshes.close()
        assert Landmarker.open == []


def test_a_finder_of_rigs_is_closed(tmp_path: Path) -> None:
    rigs = RigFinder(tmp_path)
    assert Landmarker.open == ["rigs"]
    rigs.close()
    assert Landmarker.open == []
    RigFinder().close()


async def test_the_service_closes_its_landmarkers(tmp_path: Path) -> None:
    settings = AnimationSettings(data_dir=tmp_path, output_dir=tmp_path / "out", face_landmarker=tmp_path / "face.task")
    app = create_app(settings)
    async with started(app):
        app.state.coach_desk.coach._find_meshes(PICTURE)
        assert sorted(Landmarker.open) == ["meshes", "rigs"]
    assert Landmarker.open == []
