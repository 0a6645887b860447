"""Pictures that the fixtures hold as lossless WebP."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.neural import parity


def picture(fixture: str, key: str = "face_rgb_webp") -> NDArray[np.uint8]:
    """RGB uint8 `[h, w, 3]`."""
    return np.array(Image.open(io.BytesIO(parity.fixture(fixture)[key].tobytes())))


def tensor(face: NDArray[np.uint8]) -> Any:
    """The face as the networks take it: float32 `[1, 3, h, w]` in -1..1."""
    import torch

    return torch.from_numpy((face.astype(np.float32) / 255 - 0.5) / 0.5).permute(2, 0, 1)[None].contiguous()
