"""GFPGAN's published checkpoints: which are this network, and which only look like it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from comps.animation.engines.gfpgan import parsenet
from comps.animation.engines.gfpgan.network import GFPGAN
from comps.animation.engines.gfpgan.parsenet import ParseNet
from comps.animation.neural.checkpoint import fill, read_state_dict
from comps.core.errors import EngineUnavailableError
from comps.core.weights import require

CLEAN_1_2 = "GFPGANCleanv1-NoCE-C2.pth"
MODELS = {"1.4": "gfpgan", "1.3": "gfpgan-1.3"}
"""Versions and what they are called in the table of models; 1.2 is not in it."""
_SECTIONS = ("params_ema", "params")
_ORIGINAL = "conv_body_first.0."
"""Begins keys of the original architecture, whose first layer is several."""
_QUANTISER = ("quantize.", "vqvae.")
"""Begin keys of RestoreFormer."""


def find(version: str, folder: Path) -> Path:
    """The checkpoint of a version ("1.2", "1.3" or "1.4") in `folder`.

    Raises:
        EngineUnavailableError: no such version, one of another architecture, or the file is missing; says which file
            and how to get it.
    """
    version = version.removeprefix("v")
    if version in MODELS:
        return require(MODELS[version], folder)[0]
    if version == "1.2":
        path = folder / CLEAN_1_2
        if not path.is_file():
            raise EngineUnavailableError(
                f"{CLEAN_1_2} is not in {folder}: get it from GFPGAN's release v0.2.0, or take version 1.4:  "
                "avatarchatbot models pull gfpgan"
            )
        return path
    if version == "1":
        raise EngineUnavailableError(_original("GFPGAN version 1"))
    raise EngineUnavailableError(f"there is no GFPGAN version '{version}'; there are: 1.2, 1.3, 1.4")


def load_gfpgan(path: Path) -> GFPGAN:
    """The network with the weights of a checkpoint, on the CPU.

    Raises:
        EngineUnavailableError: the file cannot be used; the original architecture and RestoreFormer are named.
    """
    state = read_state_dict(path, sections=_SECTIONS)
    _check_architecture(path, state)
    with torch.device("meta"):
        network = GFPGAN()
    return fill(network, state, str(path))


def load_parsenet(folder: Path) -> ParseNet:
    """ParseNet with its published weights, on the CPU; raises EngineUnavailableError."""
    (path,) = require("parsenet", folder)
    with torch.device("meta"):
        network = ParseNet()
    return fill(network, read_state_dict(path), parsenet.FILE)


def _check_architecture(path: Path, keys: Collection[str]) -> None:
    if any(key.startswith(_ORIGINAL) for key in keys):
        raise EngineUnavailableError(_original(f"'{path.name}'"))
    if any(key.startswith(_QUANTISER) for key in keys):
        raise EngineUnavailableError(
            f"'{path.name}' is RestoreFormer, another network, which is not offered: use GFPGANv1.4.pth"
        )


def _original(what: str) -> str:
    return (
        f"{what} is of the original architecture, which needs operators written for CUDA: use version 1.3 or 1.4 "
        "(avatarchatbot models pull gfpgan)"
    )
