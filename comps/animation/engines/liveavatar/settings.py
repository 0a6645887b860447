"""What the engine LiveAvatar can be told; nothing of the program itself here, as every animation service reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from comps.core.settings import ServiceSettings

Switch = Literal["auto", "on", "off"]
"""``auto`` lets the memory check decide; ``on`` and ``off`` are kept whatever it finds."""
Mode = Literal["auto", "offline", "stream"]
PresetName = Literal["quick", "standard", "quality"]
SizeName = Literal["", "384*256", "688*368", "704*384", "720*400"]
Order = Literal["guide", "picture"]

PROMPT = (
    "A person looks into the camera and speaks to the viewer in a calm and friendly manner. The face is relaxed, the lips "
    "move clearly with every word, the eyes are attentive and blink from time to time, and small natural movements of the "
    "head and the shoulders go with the rhythm of the speech. The person stays in the middle of the picture, in the same "
    "clothes and in front of the same background as in the reference image. The camera does not move. Soft, even light "
    "falls on the face, the background is slightly out of focus, and the whole looks like a clean corporate video with "
    "natural colours."
)
"""Says nothing of looks, which the picture decides, so that it contradicts no avatar."""


def _peaks_dir() -> Path:
    """Beside other things that can be measured again, in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avatarchatbot" / "liveavatar"


def parse_gpus(text: str) -> tuple[tuple[int, ...], ...]:
    """Groups of GPU numbers: commas within a group, semicolons between groups; raises ValueError.

    Example: ``"0,1,2,3,4;5"`` is one group of five and one of one.
    """
    groups = []
    for part in text.split(";"):
        numbers = tuple(int(item) for item in part.replace(" ", "").split(",") if item)
        if not numbers:
            raise ValueError(f"a group of GPUs is empty in '{text}'")
        groups.append(numbers)
    every = [number for group in groups for number in group]
    if len(set(every)) != len(every) or min(every) < 0:
        raise ValueError(f"each GPU belongs to one group and has a number from 0 on, not '{text}'")
    return tuple(groups)


class LiveAvatarSettings(ServiceSettings):
    """The `liveavatar_*` fields of the animation service's settings."""

    liveavatar_dir: Path | None = Field(None, description="LiveAvatar: folder of its checkout, which you provide")
    liveavatar_python: Path | None = Field(
        None, description="LiveAvatar: Python of its own environment; without it .venv/bin/python in the checkout"
    )
    liveavatar_checkpoint: Path | None = Field(
        None, description="LiveAvatar: folder of the base model; without it ckpt/Wan2.2-S2V-14B in the checkout"
    )
    liveavatar_lora: str = Field(
        "", description="LiveAvatar: its LoRA file; empty is ckpt/LiveAvatar/liveavatar.safetensors in the checkout"
    )
    liveavatar_gpus: str = Field(
        "",
        description="LiveAvatar: GPUs, such as 0 or 0,1,2,3,4, with ; between groups that work side by side. "
        "Empty takes the first five, or the one with most free memory",
    )
    liveavatar_mode: Mode = Field(
        "auto", description="LiveAvatar: stream needs five GPUs a group; auto streams where it has them"
    )
    liveavatar_preset: PresetName = Field("standard", description="LiveAvatar: size and quality, see liveavatar.md")
    liveavatar_size: SizeName = Field("", description="LiveAvatar: area of the picture; empty is the preset's")
    liveavatar_infer_frames: int = Field(
        48, ge=1, le=1000, description="LiveAvatar: frames of a clip, rounded to 24, 36, 48, 60, 72 or 96"
    )
    liveavatar_steps: int = Field(
        4, ge=1, le=100, description="LiveAvatar: sampling steps; 4, or 3 on one GPU, others become 4"
    )
    liveavatar_fp8: Switch = Field("auto", description="LiveAvatar: weights in 8 bits, 15 GiB less")
    liveavatar_t5_cpu: Switch = Field("auto", description="LiveAvatar: text encoder on the CPU, up to 10.6 GiB less")
    liveavatar_offload_model: Switch = Field(
        "auto", description="LiveAvatar: models wait on the CPU; one GPU only, where auto means on"
    )
    liveavatar_offload_kv_cache: Switch = Field(
        "auto", description="LiveAvatar: caches wait on the CPU; one GPU only, slower"
    )
    liveavatar_online_decode: Switch = Field(
        "auto", description="LiveAvatar: steadier long videos; one GPU only, auto is the preset's"
    )
    liveavatar_compile: Switch = Field(
        "auto", description="LiveAvatar: compile the network first, for minutes; auto compiles when streaming"
    )
    liveavatar_remedies: Order = Field(
        "guide", description="LiveAvatar: order in which memory is saved, see liveavatar.md"
    )
    liveavatar_p2p: bool = Field(True, description="LiveAvatar: GPUs may read each other's memory (NCCL)")
    liveavatar_history: int = Field(
        24, ge=0, le=100, description="LiveAvatar: frames of past sound the live program listens to again, 25 a second"
    )
    liveavatar_margin_gib: float | None = Field(
        None,
        ge=0,
        le=100,
        description="LiveAvatar: memory kept free beyond what is computed; empty is what was seen, else 8 %, at least 3",
    )
    liveavatar_peaks_dir: Path = Field(
        default_factory=_peaks_dir, description="LiveAvatar: folder of the memory that runs were seen to take"
    )
    liveavatar_gpu_gib: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="LiveAvatar: free memory of each GPU, GiB, that the coach judges by where the GPUs are not; "
        "empty asks nvidia-smi",
    )
    liveavatar_nvidia_smi: str = Field("nvidia-smi", description="LiveAvatar: program that lists the GPUs")
    liveavatar_prompt: str = Field(
        "", max_length=4000, description="LiveAvatar: what the video shows, in English; empty is a calm speaker"
    )
    liveavatar_start_s: float = Field(
        1800.0, gt=0, description="LiveAvatar: longest start of the live program, seconds"
    )
    liveavatar_heartbeat_s: float = Field(15.0, gt=0, description="LiveAvatar: longest silence of the live program")
    liveavatar_stall_s: float = Field(30.0, gt=0, description="LiveAvatar: longest wait for frames of sound it has")
    liveavatar_job_s: float = Field(14_400.0, gt=0, description="LiveAvatar: longest offline job, seconds")
    liveavatar_stop_s: float = Field(10.0, ge=0, description="LiveAvatar: seconds the program gets to end by itself")
    liveavatar_backoff_s: float = Field(2.0, ge=0, description="LiveAvatar: wait before a restart, doubled each time")
    liveavatar_restarts: int = Field(3, ge=0, le=100, description="LiveAvatar: restarts in a row before giving up")
    liveavatar_fallback: str = Field(
        "",
        description="LiveAvatar: engine that draws while it cannot, is starting or busy, such as portrait; empty: none",
    )
    liveavatar_queue: int = Field(
        4, ge=0, le=1000, description="LiveAvatar: answers that may wait for GPUs; more get 429"
    )
    liveavatar_queue_s: float = Field(600.0, gt=0, description="LiveAvatar: longest wait for GPUs, then 429")

    @field_validator("liveavatar_gpus")
    @classmethod
    def _groups(cls, text: str) -> str:
        if text.strip():
            parse_gpus(text)
        return text.strip()

    @field_validator("liveavatar_fallback")
    @classmethod
    def _another(cls, name: str) -> str:
        if name == "liveavatar":
            raise ValueError("the engine that draws while LiveAvatar cannot is another one")
        return name

    @property
    def liveavatar_scene(self) -> str:
        """`liveavatar_prompt`, never empty: the program would then silently take an example of its own."""
        return self.liveavatar_prompt.strip() or PROMPT

    @property
    def liveavatar_groups(self) -> tuple[tuple[int, ...], ...]:
        """`liveavatar_gpus` as numbers; empty when they are to be chosen."""
        return parse_gpus(self.liveavatar_gpus) if self.liveavatar_gpus else ()
