"""Parity fixtures: what the original networks returned for weights that are a function of the keys.

``tests/data/parity/NAME.npz`` holds inputs, expected outputs and the sha256 of the weights; ``NAME.keys.json.gz`` the
names and shapes of the state dict in upstream order. Both were recorded from the unmodified original networks in
float32 on a CPU; they hold numbers only, no code, no weights and no picture of anybody.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.neural.synthetic_weights import digest, synthetic_state_dict

FOLDER = Path(__file__).parents[1] / "data" / "parity"


def fixture(name: str) -> dict[str, NDArray[Any]]:
    """The arrays of one fixture."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Key to shape, in the order of the original state dict."""
    table = json.loads(gzip.decompress((FOLDER / f"{name}.keys.json.gz").read_bytes()))
    return {key: tuple(shape) for key, shape in table.items()}


@cache
def weights(name: str) -> dict[str, Any]:
    """The synthetic state dict of a network; raises AssertionError when it is not the recorded one."""
    state = synthetic_state_dict(shapes(name))
    recorded = str(fixture(name)["weights_sha256"])
    assert digest(state) == recorded, f"the weights of {name} are not those of the fixture"
    return state


def assert_close(found: Any, expected: NDArray[Any], atol: float) -> None:
    """`found` (tensor or array) within `atol` of `expected` everywhere."""
    array = found.detach().cpu().numpy() if hasattr(found, "detach") else np.asarray(found)
    np.testing.assert_allclose(array, expected, rtol=0, atol=atol)
