"""Which way rigs are found: classical vision, or MediaPipe's landmarker where its file is given."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.mesh import FaceMesh
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.engine import missing_extra

if TYPE_CHECKING:
    from types import ModuleType


class RigFinder:
    """Finds the rig of a picture, uint8 `[h, w, 3]` RGB; raises FaceError. Close it when it is no longer used.

    Args:
        landmarker: MediaPipe's ``face_landmarker.task``; None needs nothing beyond the base install.

    Raises:
        EngineUnavailableError: a landmarker is given, but the extra ``mediapipe`` or the file is missing.
    """

    def __init__(self, landmarker: Path | None = None) -> None:
        self._by_landmarks = None if landmarker is None else _module().MediaPipeFinder(landmarker)

    def __call__(self, picture: NDArray[np.uint8]) -> Rig:
        """The rig of the face in `picture`."""
        if self._by_landmarks is None:
            return find_rig(picture)
        rig: Rig = self._by_landmarks.find(picture)
        return rig

    def close(self) -> None:
        """Free the landmarker, where there is one."""
        if self._by_landmarks is not None:
            self._by_landmarks.close()


class LoadedMeshes(Protocol):
    """A landmarker that finds meshes until it is closed."""

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[FaceMesh, ...]:
        """The faces in `picture`, uint8 `[h, w, 3]` RGB."""
        ...

    def close(self) -> None:
        """Free it."""


class LazyMeshes:
    """Finds face meshes, with blend shapes, by the landmarker file `path`, which is loaded when first called.

    May be called from any thread. The call raises EngineUnavailableError when the extra ``mediapipe`` or the file is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._find: LoadedMeshes | None = None
        self._loading = threading.Lock()

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[FaceMesh, ...]:
        """The faces in `picture`, uint8 `[h, w, 3]` RGB; blocks."""
        with self._loading:
            find = self._find = self._find or self._loaded()
        return find(picture)

    def close(self) -> None:
        """Free the landmarker; another call loads it again."""
        with self._loading:
            find, self._find = self._find, None
        if find is not None:
            find.close()

    def _loaded(self) -> LoadedMeshes:
        meshes: LoadedMeshes = _module().MediaPipeMeshes(self._path, shapes=True)
        return meshes


def _module() -> ModuleType:
    # Importing MediaPipe takes seconds and needs its extra.
    try:
        from comps.animation.engines.portrait.rig import landmarker
    except ImportError as error:
        raise missing_extra("the landmarker", "mediapipe", error) from error
    return landmarker
