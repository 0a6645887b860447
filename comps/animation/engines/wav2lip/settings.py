"""What the engine Wav2Lip can be told; no torch here, as every animation service reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from comps.animation.neural.backend_name import BackendName
from comps.core.settings import ServiceSettings

ORIGINAL = {
    "wav2lip_paste": "hard",
    "wav2lip_smooth": "original",
    "wav2lip_loop": "repeat",
    "wav2lip_quiet_mouth": False,
}
"""What `wav2lip_original` stands for."""

Sides = tuple[int, int, int, int]
"""Top, bottom, left, right, in the order of the original script."""
_NO_BOX = (-1, -1, -1, -1)
"""The original's default."""


def parse_sides(text: str) -> Sides:
    """Four whole numbers with blanks or commas between them; raises ValueError."""
    try:
        top, bottom, left, right = (int(part) for part in text.strip("[]() ").replace(",", " ").split())
    except ValueError:
        raise ValueError(f"four whole numbers are needed (top bottom left right), not '{text}'") from None
    return top, bottom, left, right


class Wav2LipSettings(ServiceSettings):
    """The `wav2lip_*` fields of the animation service's settings."""

    wav2lip_checkpoint: Path | None = Field(
        None,
        description="Wav2Lip: its weights; without it the first of wav2lip_gan.pth, wav2lip.pth, Wav2Lip-SD-GAN.pt, "
        "Wav2Lip-SD-NOGAN.pt, wav2lip.safetensors in models_dir",
        validation_alias=AliasChoices("wav2lip_checkpoint", "AVATAR_ANIMATION_WAV2LIP_CHECKPOINT", "CHECKPOINT_PATH"),
    )
    wav2lip_allow_torchscript: bool = Field(
        False,
        description="Wav2Lip: weights may be read from a TorchScript archive of unknown sha256; no code in it runs",
    )
    wav2lip_s3fd: Path | None = Field(
        None, description="Wav2Lip: s3fd.pth, to find faces as the original does; without it the avatar's points do"
    )
    wav2lip_device: str = Field(
        "auto",
        description="Wav2Lip: auto, cpu, cuda, cuda:1, rocm, xpu or hpu",
        validation_alias=AliasChoices("wav2lip_device", "AVATAR_ANIMATION_WAV2LIP_DEVICE", "DEVICE"),
    )
    wav2lip_backend: BackendName = Field(
        "auto", description="Wav2Lip: how the network runs; auto measures once and takes the fastest"
    )
    wav2lip_batch: int = Field(16, ge=1, le=1024, description="Wav2Lip: most frames, of all answers, drawn at once")
    wav2lip_max_wait_ms: float = Field(
        5.0, ge=0, le=1000, description="Wav2Lip: milliseconds a frame may wait for frames of other answers"
    )
    wav2lip_pads: str = Field("0 10 0 0", description="Wav2Lip: pixels the face's box grows by: top bottom left right")
    wav2lip_box: str = Field(
        "", description="Wav2Lip: where the face is, in pixels of the avatar: top bottom left right; empty looks for it"
    )
    wav2lip_smooth: Literal["centred", "original", "none"] = Field(
        "centred", description="Wav2Lip: how boxes of a video are smoothed; none is the original's --nosmooth"
    )
    wav2lip_static: bool = Field(False, description="Wav2Lip: of a video avatar only the first frame is used")
    wav2lip_loop: Literal["there-and-back", "repeat"] = Field(
        "there-and-back",
        description="Wav2Lip: how a video avatar shorter than the speech goes on; the original jumps to its beginning",
    )
    wav2lip_paste: Literal["feathered", "hard"] = Field(
        "feathered", description="Wav2Lip: blend the lower face in, or paste the whole box as the original does"
    )
    wav2lip_quiet_mouth: bool = Field(
        True, description="Wav2Lip: noise does not move the mouth, and a still picture rests as it is in silence"
    )
    wav2lip_original: bool = Field(
        False,
        description="Wav2Lip: draw as the original does; the same as paste hard, smooth original, loop repeat and no "
        "quiet_mouth, each where it is not set",
    )
    wav2lip_avatars: int = Field(8, ge=1, le=1000, description="Wav2Lip: prepared avatars kept, 3 MB each; videos more")
    wav2lip_cached_faces: int = Field(
        64, ge=0, description="Wav2Lip: frames of one video avatar whose encoded face is kept, 1.2 MB each"
    )

    @field_validator("wav2lip_pads", "wav2lip_box")
    @classmethod
    def _sides(cls, text: str) -> str:
        if text.strip():
            parse_sides(text)
        return text

    @field_validator("wav2lip_box")
    @classmethod
    def _corners(cls, text: str) -> str:
        if not text.strip():
            return text
        top, bottom, left, right = sides = parse_sides(text)
        if sides != _NO_BOX and (bottom <= top or right <= left):
            raise ValueError(f"bottom and right must be beyond top and left (top bottom left right), not '{text}'")
        return text

    @model_validator(mode="after")
    def _as_the_original(self) -> Wav2LipSettings:
        if self.wav2lip_original:
            for name in ORIGINAL.keys() - self.model_fields_set:
                object.__setattr__(self, name, ORIGINAL[name])
        return self

    @property
    def pads(self) -> Sides:
        """`wav2lip_pads` as numbers."""
        return parse_sides(self.wav2lip_pads) if self.wav2lip_pads.strip() else (0, 0, 0, 0)

    @property
    def box(self) -> Sides | None:
        """`wav2lip_box` as numbers; the original's -1 -1 -1 -1 means none, as empty does."""
        sides = parse_sides(self.wav2lip_box) if self.wav2lip_box.strip() else _NO_BOX
        return None if sides == _NO_BOX else sides
