"""Plan: everything that decides how the program is run on one group of GPUs, free of what is known to crash."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from comps.animation.engines.liveavatar.launch.preset import PRESETS, STEPS, nearest_clip
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings, PresetName, Switch
from comps.core.errors import EngineUnavailableError

STREAM_GPUS = 5
"""Four GPUs for the transformer, one step each, and one that decodes; upstream takes no fewer."""
STREAM_FRAMES = 48
"""A clip of four blocks is as long as the pipe of GPUs; any other length stalls it or adds delay."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One way of running the program.

    Args:
        mode: ``offline``: a job per answer through the program's own script; ``stream``: it stays and is fed.
        gpus: numbers of the group's GPUs, 1 or 5.
        size: a budget of frame_size.BUDGETS.
        infer_frames: frames of a clip.
        steps: sampling steps.
        p2p: whether NCCL may use peer-to-peer copies.
        history: frames of past sound that a live program listens to again with each block.
        pinned: names of the fields that the settings fix, which no remedy may change.
        notes: what differs from the settings, and why, one sentence each.
    """

    mode: Literal["offline", "stream"]
    gpus: tuple[int, ...]
    size: str
    infer_frames: int = STREAM_FRAMES
    steps: int = STEPS
    fp8: bool = False
    t5_cpu: bool = False
    offload_model: bool = False
    offload_kv_cache: bool = False
    online_decode: bool = False
    compile: bool = False
    p2p: bool = True
    history: int = 0
    pinned: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def single(self) -> bool:
        """Whether one GPU does it all."""
        return len(self.gpus) == 1

    def noted(self, note: str) -> Plan:
        """The plan with one more note."""
        return replace(self, notes=(*self.notes, note))


def make_plan(settings: LiveAvatarSettings, gpus: tuple[int, ...]) -> Plan:
    """What `settings` ask of a group of GPUs, made safe; what was changed is in its notes.

    Raises:
        EngineUnavailableError: a number of GPUs, or a mode, that cannot work.
    """
    mode = _mode(settings, len(gpus))
    notes = []
    if len(gpus) > STREAM_GPUS:
        gpus, left = gpus[:STREAM_GPUS], gpus[STREAM_GPUS:]
        notes.append(f"GPU {', '.join(map(str, left))} is not used: a group is one GPU or {STREAM_GPUS}")
    single, preset = len(gpus) == 1, PRESETS[settings.liveavatar_preset]
    frames, steps = _frames(settings, mode, notes), _steps(settings, single, notes)
    return Plan(
        mode=mode,
        gpus=gpus,
        size=settings.liveavatar_size or (preset.size if single else preset.stream_size),
        infer_frames=frames,
        steps=steps,
        fp8=settings.liveavatar_fp8 == "on",
        t5_cpu=settings.liveavatar_t5_cpu == "on",
        offload_model=_single_only(settings.liveavatar_offload_model, True, "OFFLOAD_MODEL", single, notes),
        offload_kv_cache=_single_only(settings.liveavatar_offload_kv_cache, False, "OFFLOAD_KV_CACHE", single, notes),
        online_decode=_single_only(
            settings.liveavatar_online_decode, preset.online_decode, "ONLINE_DECODE", single, notes
        ),
        compile=settings.liveavatar_compile == "on" or (settings.liveavatar_compile == "auto" and mode == "stream"),
        p2p=settings.liveavatar_p2p,
        history=settings.liveavatar_history if mode == "stream" else 0,
        pinned=_pinned(settings),
        notes=tuple(notes),
    )


def for_preset(plan: Plan, name: PresetName) -> Plan:
    """An offline plan for a request that names a preset; what the settings fix stays, and `standard` is what they say."""
    if name == "standard" or plan.mode == "stream":
        return plan
    preset = PRESETS[name]
    size = plan.size if "size" in plan.pinned else preset.size if plan.single else preset.stream_size
    online = plan.online_decode if "online_decode" in plan.pinned else preset.online_decode and plan.single
    return replace(plan, size=size, online_decode=online)


def _mode(settings: LiveAvatarSettings, gpus: int) -> Literal["offline", "stream"]:
    if 1 < gpus < STREAM_GPUS:
        raise EngineUnavailableError(
            f"LiveAvatar runs on one GPU or on {STREAM_GPUS}, not on {gpus}: change AVATAR_ANIMATION_LIVEAVATAR_GPUS"
        )
    wanted = settings.liveavatar_mode
    if wanted == "stream" and gpus < STREAM_GPUS:
        raise EngineUnavailableError(
            f"LiveAvatar streams only on {STREAM_GPUS} GPUs: name them in AVATAR_ANIMATION_LIVEAVATAR_GPUS, "
            "or set AVATAR_ANIMATION_LIVEAVATAR_MODE=offline"
        )
    if wanted == "auto":
        return "stream" if gpus >= STREAM_GPUS else "offline"
    return wanted


def _frames(settings: LiveAvatarSettings, mode: str, notes: list[str]) -> int:
    asked = settings.liveavatar_infer_frames
    frames = STREAM_FRAMES if mode == "stream" else nearest_clip(asked)
    if frames != asked:
        why = "a live program takes no other" if mode == "stream" else "others overrun the cache at the second clip"
        notes.append(f"clips of {frames} frames instead of {asked}: {why}")
    return frames


def _steps(settings: LiveAvatarSettings, single: bool, notes: list[str]) -> int:
    asked = settings.liveavatar_steps
    if asked == STEPS or (single and asked == STEPS - 1):
        return asked
    why = "five GPUs would wait for one another for ever" if asked < STEPS else "there is no cache for a fifth step"
    notes.append(
        f"{STEPS} sampling steps instead of {asked}: {why if asked >= STEPS - 1 else 'fewer were never tried'}"
    )
    return STEPS


def _single_only(switch: Switch, auto: bool, name: str, single: bool, notes: list[str]) -> bool:
    """A switch that only one GPU knows."""
    if not single and switch == "on":
        notes.append(f"LIVEAVATAR_{name} is for one GPU and left off")
    return single and (switch == "on" or (switch == "auto" and auto))


def _pinned(settings: LiveAvatarSettings) -> frozenset[str]:
    switches = ("fp8", "t5_cpu", "offload_model", "offload_kv_cache", "online_decode")
    pinned = {name for name in switches if getattr(settings, f"liveavatar_{name}") != "auto"}
    if settings.liveavatar_size:
        pinned.add("size")
    if "liveavatar_infer_frames" in settings.model_fields_set:
        pinned.add("infer_frames")
    return frozenset(pinned)
