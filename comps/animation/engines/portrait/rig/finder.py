"""Which way rigs are found: classical vision, or MediaPipe's landmarker where its file is given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.mesh import FaceMesh, FindMeshes
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.engine import missing_extra

if TYPE_CHECKING:
    from types import ModuleType

FindRig = Callable[[NDArray[np.uint8]], Rig]


def rig_finder(landmarker: Path | None = None) -> FindRig:
    """The function that finds the rig of a picture, uint8 `[h, w, 3]` RGB; it raises FaceError.

    Args:
        landmarker: MediaPipe's ``face_landmarker.task``; None needs nothing beyond the base install.

    Raises:
        EngineUnavailableError: a landmarker is given, but the extra ``mediapipe`` or the file is missing.
    """
    if landmarker is None:
        return find_rig
    find: FindRig = _module().MediaPipeFinder(landmarker).find
    return find


class LazyMeshes:
    """Finds face meshes, with blend shapes, by the landmarker file `path`, which is loaded when first called.

    May be called from any thread. The call raises EngineUnavailableError when the extra ``mediapipe`` or the file is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._find: FindMeshes | None = None
        self._loading = threading.Lock()

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[FaceMesh, ...]:
        """The faces in `picture`, uint8 `[h, w, 3]` RGB; blocks."""
        with self._loading:
            if self._find is None:
                self._find = _module().MediaPipeMeshes(self._path, shapes=True)
        return self._find(picture)


def _module() -> ModuleType:
    # Importing MediaPipe takes seconds and needs its extra.
    try:
        from comps.animation.engines.portrait.rig import landmarker
    except ImportError as error:
        raise missing_extra("mediapipe landmarker", "mediapipe", error) from error
    return landmarker
