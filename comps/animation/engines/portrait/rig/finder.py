"""Which way rigs are found: classical vision, or MediaPipe's landmarker where its file is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.engine import missing_extra

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
    # Importing MediaPipe takes seconds and needs its extra.
    try:
        from comps.animation.engines.portrait.rig.landmarker import MediaPipeFinder
    except ImportError as error:
        raise missing_extra("mediapipe landmarker", "mediapipe", error) from error

    find: FindRig = MediaPipeFinder(landmarker).find
    return find
