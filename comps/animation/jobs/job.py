"""A job: one video to be made from speech that is known whole, and how far it has come."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from pydantic import BaseModel, Field

from comps.animation.engine import AnimationOptions
from comps.core.media.video import VideoSpec

State = Literal["queued", "running", "cancelled", "failed", "done"]
RESUMABLE: tuple[State, ...] = ("cancelled", "failed")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a job failed: a code of the tree of errors and a public sentence."""

    code: str
    message: str


INTERRUPTED = Trouble("interrupted", "the service ended before the job did; resume it, what was finished is kept")


@dataclass(frozen=True, slots=True)
class Job:
    """What a job was asked and what became of it; as `job.json` in its folder.

    `created` is Unix seconds. The speech is `samples` long at `sample_rate` Hz. `options` are those resolved when the job
    was made: later settings change nothing of it. `segment_frames` are in every segment but the last. `worked_s` seconds
    of work made the finished segments; `width` and `height` are 0 until the first picture is drawn. `notes` say what the
    engine did otherwise than asked.
    """

    id: str
    created: float
    engine: str
    options: AnimationOptions
    sample_rate: int
    samples: int
    segment_frames: int
    state: State = "queued"
    error: Trouble | None = None
    worked_s: float = 0.0
    width: int = 0
    height: int = 0
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Frames of the whole video."""
        return -(-self.samples * self.options.fps // self.sample_rate)

    @property
    def segments(self) -> int:
        """Segments of the whole video."""
        return -(-self.frames // self.segment_frames)

    @property
    def duration(self) -> float:
        """Seconds of the whole video."""
        return self.frames / self.options.fps

    @property
    def spec(self) -> VideoSpec:
        """How it is encoded; only once its size is known."""
        options = self.options
        return VideoSpec(self.width, self.height, options.fps, self.sample_rate, preset=options.video_preset)

    def to_json(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Job:
        """What `to_json` wrote; fields that are not known are left out. Raises ValueError."""
        try:
            document = _known(cls, json.loads(data))
            error = document.pop("error", None)
            options = _options(document.pop("options"))
            document["notes"] = tuple(document.get("notes", ()))
            return cls(**document, options=options, error=None if error is None else Trouble(**error))
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"not a job: {problem}") from problem


def _options(document: dict[str, Any]) -> AnimationOptions:
    """The options; those that are values of their own are restored by their defaults' types."""
    known, usual = _known(AnimationOptions, document), AnimationOptions()
    for name, value in known.items():
        default = getattr(usual, name)
        if isinstance(value, dict) and not isinstance(default, dict):
            known[name] = replace(default, **value)
        elif isinstance(value, list) and isinstance(default, tuple):
            known[name] = tuple(value)
    return AnimationOptions(**known)


def _known(kind: type[Any], document: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class JobView(BaseModel):
    """What a client is told of a job; seconds of video in `done_s` and `total_s`, of work in `remaining_s`."""

    id: str
    state: State
    segments_done: int
    segments_total: int
    done_s: float
    total_s: float
    remaining_s: float | None = Field(description="null while nothing can be told about its speed")
    engine: str
    preset: str
    fps: int
    video_path: str | None = Field(description="where the finished video is; null before")
    notes: list[str] = Field(description="what the engine did otherwise than asked")
    error: JobError | None
