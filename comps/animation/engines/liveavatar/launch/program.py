"""Program: where the checkout of LiveAvatar, its Python and its weights are, checked before anything is started."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.core.errors import EngineUnavailableError

SCRIPT = Path("minimal_inference", "s2v_streaming_interact.py")
"""Upstream's script for one job, in its checkout."""
TRAINING_CONFIG = Path("liveavatar", "configs", "s2v_causal_sft.yaml")
"""Where rank and strength of the LoRA stand."""
STREAMING_MODULE = Path("liveavatar", "models", "wan", "causal_s2v_pipeline_tpp_blockwise.py")
"""The pipeline that makes frames block by block, which only the live program uses."""
LEAST_WEIGHTS_BYTES = 30 * 10**9
"""The base model has 32.6 GB for the transformer alone; less was not fetched to the end."""
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True, slots=True)
class Program:
    """Paths of the program; `lora` is a file, or a name on a hub from which the program itself fetches it."""

    checkout: Path
    python: Path
    checkpoint: Path
    lora: str

    @classmethod
    def of(cls, settings: LiveAvatarSettings) -> Program:
        """What the settings name; raises EngineUnavailableError when no checkout is set."""
        folder = settings.liveavatar_dir
        if folder is None:
            raise EngineUnavailableError(
                "LiveAvatar is a program of its own: set AVATAR_ANIMATION_LIVEAVATAR_DIR to its checkout "
                "(docs/liveavatar.md says what it needs)"
            )
        folder = folder.expanduser().absolute()
        lora = settings.liveavatar_lora or str(folder / "ckpt" / "LiveAvatar" / "liveavatar.safetensors")
        return cls(
            checkout=folder,
            python=(settings.liveavatar_python or folder / ".venv" / "bin" / "python").expanduser().absolute(),
            checkpoint=(settings.liveavatar_checkpoint or folder / "ckpt" / "Wan2.2-S2V-14B").expanduser().absolute(),
            lora=lora if _HUB_NAME.fullmatch(lora) else str(Path(lora).expanduser().absolute()),
        )

    def check(self, *, streaming: bool) -> None:
        """Raise EngineUnavailableError naming the first thing that is missing; blocks."""
        needed = [SCRIPT, TRAINING_CONFIG, *([STREAMING_MODULE] if streaming else [])]
        for part in needed:
            if not (self.checkout / part).is_file():
                raise EngineUnavailableError(
                    f"{part.as_posix()} is not in the checkout of LiveAvatar: check AVATAR_ANIMATION_LIVEAVATAR_DIR"
                )
        if not self.python.is_file():
            raise EngineUnavailableError(
                "LiveAvatar's own Python is not there: make its environment, or set AVATAR_ANIMATION_LIVEAVATAR_PYTHON"
            )
        if _weights_bytes(self.checkpoint) < LEAST_WEIGHTS_BYTES:
            raise EngineUnavailableError(
                "the base model of LiveAvatar (Wan2.2-S2V-14B) is not there, or not complete: fetch it, or set "
                "AVATAR_ANIMATION_LIVEAVATAR_CHECKPOINT to its folder"
            )
        if not _HUB_NAME.fullmatch(self.lora) and not Path(self.lora).is_file():
            raise EngineUnavailableError(
                "the LoRA of LiveAvatar is not there: fetch it, or set AVATAR_ANIMATION_LIVEAVATAR_LORA to its file"
            )


def _weights_bytes(folder: Path) -> int:
    """Bytes of the weights in a folder, as far as its top level; 0 without one."""
    if not folder.is_dir():
        return 0
    return sum(file.stat().st_size for file in folder.iterdir() if file.suffix in _SUFFIXES and file.is_file())
