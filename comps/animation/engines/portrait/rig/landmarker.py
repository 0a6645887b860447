"""MediaPipe's face landmarker: face meshes, and rigs from them, of faces that classical vision misses."""

from __future__ import annotations

import threading
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.mesh import FaceMesh, rig_of
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.portrait.rig.subject import check_size, choose
from comps.core.errors import EngineUnavailableError

_MOST_FACES = 4


class MediaPipeMeshes:
    """Finds face meshes with the landmarker file `path`, up to four in a picture; may be called from any thread.

    Args:
        path: ``face_landmarker.task``.
        shapes: whether blend shapes are told too.

    Raises:
        EngineUnavailableError: the file is missing.
    """

    def __init__(self, path: Path, *, shapes: bool = False) -> None:
        if not path.is_file():
            raise EngineUnavailableError(f"the face landmarker '{path.name}' does not exist")
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=path.read_bytes()),
            num_faces=_MOST_FACES,
            output_face_blendshapes=shapes,
        )
        self._landmarker = vision.FaceLandmarker.create_from_options(options)
        self._lock = threading.Lock()

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[FaceMesh, ...]:
        """The faces in `picture`, uint8 `[h, w, 3]` RGB."""
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        with self._lock:
            result = self._landmarker.detect(image)
        size = np.array([picture.shape[1], picture.shape[0]])
        points = [np.array([[p.x, p.y] for p in face]) * size for face in result.face_landmarks]
        shapes = [{shape.category_name: float(shape.score) for shape in face} for face in result.face_blendshapes]
        return tuple(FaceMesh(*face) for face in zip(points, shapes or [{}] * len(points), strict=True))

    def close(self) -> None:
        """Free the landmarker, which cannot end any more when the interpreter does: threads of its own close it."""
        with self._lock:
            self._landmarker.close()


class MediaPipeFinder:
    """Finds rigs with the landmarker file `path`; may be used from any thread.

    Raises:
        EngineUnavailableError: the file is missing.
    """

    def __init__(self, path: Path) -> None:
        self._meshes = MediaPipeMeshes(path)

    def find(self, picture: NDArray[np.uint8]) -> Rig:
        """The rig of the face in `picture`, uint8 `[h, w, 3]` RGB; raises FaceError as `find_rig` does."""
        meshes = self._meshes(picture)
        mesh = choose(meshes, [mesh.eye_distance for mesh in meshes])
        check_size(mesh.eye_distance)
        return rig_of(mesh.points, (picture.shape[1], picture.shape[0]))

    def close(self) -> None:
        """Free the landmarker."""
        self._meshes.close()
