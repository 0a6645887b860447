"""Wav2Lip's weights as files, in every form in which they are published or converted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.neural.parity import weights


def _training(state: dict[str, Any]) -> dict[str, Any]:
    wrapped = {f"module.{key}": value for key, value in state.items()}
    return {"state_dict": wrapped, "optimizer": None, "global_step": 500, "global_epoch": 3}


def _zip(path: Path, state: dict[str, Any]) -> None:
    import torch

    torch.save(_training(state), path)


def _legacy(path: Path, state: dict[str, Any]) -> None:
    import torch

    torch.save(_training(state), path, _use_new_zipfile_serialization=False)


def _bare(path: Path, state: dict[str, Any]) -> None:
    import torch

    torch.save(state, path)


def _safetensors(path: Path, state: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file(state, path)


def _torchscript(path: Path, state: dict[str, Any]) -> None:
    import torch

    from comps.animation.engines.wav2lip.network import Wav2Lip

    network = Wav2Lip()
    network.load_state_dict(state)
    with torch.inference_mode():
        examples = (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96))
        torch.jit.trace(network.eval(), examples, check_trace=False).save(str(path))


FORMS: dict[str, tuple[str, Callable[[Path, dict[str, Any]], None]]] = {
    "zip": ("wav2lip_gan.pth", _zip),
    "legacy": ("wav2lip.pth", _legacy),
    "bare": ("wav2lip.pth", _bare),
    "safetensors": ("wav2lip.safetensors", _safetensors),
    "torchscript": ("Wav2Lip-SD-GAN.pt", _torchscript),
}


def save(form: str, folder: Path) -> Path:
    """Write the synthetic weights into `folder` in one of `FORMS`, under the name such files have."""
    name, write = FORMS[form]
    write(folder / name, weights("wav2lip"))
    return folder / name
