"""Each network is a plain module of its engine's `network.py` and takes the state dict of the original strictly."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.neural.parity import shapes

pytestmark = pytest.mark.torch

NETWORKS = [
    ("wav2lip", "Wav2Lip", {}, "wav2lip"),
    ("gfpgan", "GFPGAN", {}, "gfpgan_v1_clean"),
    ("sadtalker", "ExpressionNet", {}, "sadtalker_audio2exp"),
    ("sadtalker", "PoseVAE", {}, "sadtalker_audio2pose"),
    ("sadtalker", "MappingNet", {"channels": 70}, "sadtalker_mapping70"),
    ("sadtalker", "MappingNet", {"channels": 73}, "sadtalker_mapping73"),
    ("sadtalker", "KeypointDetector", {}, "sadtalker_kp_extractor"),
    ("sadtalker", "SpadeGenerator", {}, "sadtalker_generator"),
    ("sadtalker", "ReconstructionNet", {}, "sadtalker_recon"),
]


@pytest.mark.parametrize(("engine", "name", "options", "table"), NETWORKS, ids=[row[3] for row in NETWORKS])
def test_a_state_dict_of_the_originals_keys_loads_strictly(
    engine: str, name: str, options: dict[str, int], table: str
) -> None:
    import torch

    module: Any = importlib.import_module(f"comps.animation.engines.{engine}.network")
    with torch.device("meta"):
        network = getattr(module, name)(**options)
        state = {key: torch.empty(shape) for key, shape in shapes(table).items()}
    assert isinstance(network, torch.nn.Module)
    network.load_state_dict(state, strict=True, assign=True)
    del state[next(iter(state))]
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state_dict(state, strict=True, assign=True)
