"""The networks with the weights of their fixtures, made once per test run of a module."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.neural.parity import shapes, weights


def filled(name: str, network: Any) -> Any:
    """`network` with the synthetic weights of fixture `sadtalker_<name>`, strictly loaded, for inference."""
    network.load_state_dict(weights(f"sadtalker_{name}"), strict=True)
    return network.eval()


def same_keys(name: str, network: Any) -> bool:
    """Whether keys and shapes are those of the original."""
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return found == shapes(f"sadtalker_{name}")


def picture(pixels: NDArray[np.uint8]) -> Any:
    """uint8 `[h, w, 3]` or `[n, h, w, 3]` as a float tensor `[n, 3, h, w]` in 0..1."""
    import torch

    batch = pixels if pixels.ndim == 4 else pixels[None]
    return torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2))).float() / 255
