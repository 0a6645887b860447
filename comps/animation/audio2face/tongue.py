"""The tongue: neutral + delta * tongue_strength, raised and moved forward (NVIDIA Audio2Face-3D SDK 1.0.0, MIT)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]


def pose_tongue(
    neutral: Points, delta: Points, *, strength: float, height_offset: float, depth_offset: float
) -> Points:
    """Points `[n, v, 3]` for motions `delta` `[n, v, 3]` from `neutral` `[v, 3]`; y is up, z forward, in mesh units."""
    return np.asarray(neutral + delta * strength + np.array([0.0, height_offset, depth_offset], neutral.dtype))
