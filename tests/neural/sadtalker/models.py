"""Official checkpoint sets with synthetic weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.neural.parity import weights

NETWORKS = {
    "face_3drecon": "recon",
    "audio2exp": "audio2exp",
    "audio2pose": "audio2pose",
    "kp_extractor": "kp_extractor",
    "generator": "generator",
}
"""Prefix of a network's keys in the new set, and its fixture."""


def state(name: str) -> dict[str, Any]:
    """The synthetic weights of fixture `sadtalker_<name>`."""
    return weights(f"sadtalker_{name}")


def write_mappings(folder: Path) -> None:
    import torch

    torch.save({"mapping": state("mapping70")}, folder / "mapping_00229-model.pth.tar")
    torch.save({"mapping": state("mapping73")}, folder / "mapping_00109-model.pth.tar")


def write_new_set(folder: Path) -> None:
    """Version 0.0.2 for 256 pixels: about 1 GB."""
    from safetensors.torch import save_file

    flat = {f"{prefix}.{key}": value for prefix, name in NETWORKS.items() for key, value in state(name).items()}
    save_file(flat, folder / "SadTalker_V0.0.2_256.safetensors")
    write_mappings(folder)


def write_old_set(folder: Path) -> None:
    """The first release, with what else its files hold left out."""
    import torch

    torch.save({"net_recon": state("recon"), "opt_00": {}}, folder / "epoch_20.pth")
    torch.save({"model": state("audio2exp"), "optimizer": {}}, folder / "auido2exp_00300-model.pth")
    torch.save({"model": state("audio2pose"), "optimizer": {}}, folder / "auido2pose_00140-model.pth")
    both = {"generator": state("generator"), "kp_detector": state("kp_extractor")}
    torch.save(both, folder / "facevid2vid_00189-model.pth.tar")
    write_mappings(folder)
