"""What a turn tells whoever asked, in the order it happens.

Times called `start`, `end` and `duration` are seconds on the answer's clock (its audio); times in
`StageTiming` are seconds from the moment the turn began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from comps.core.errors import AvatarError
from comps.core.speech import Phone, Word

Stage = Literal["asr", "llm", "tts", "animation"]


@dataclass(frozen=True, slots=True)
class TranscriptHeard:
    """What was asked. A partial (`final` False) replaces the partial before it."""

    text: str
    language: str = ""
    words: tuple[Word, ...] = ()
    duration: float = 0.0
    final: bool = True


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer as the language model wrote it, marks and tags included."""

    text: str


@dataclass(frozen=True, slots=True)
class SentenceSpoken:
    """A sentence whose sound is made: `text` as spoken, its place on the clock, its words and phones there."""

    index: int
    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    emotion: str = ""
    phones: tuple[Phone, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechMeasured:
    """How long the whole answer is, told once, as soon as the last of its sound is made (or was there at the start)."""

    duration: float


@dataclass(frozen=True, slots=True)
class MediaInit:
    """The stream's first bytes (fMP4 init segment) and what it is. `mime` names the codecs."""

    mime: str
    width: int
    height: int
    fps: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class MediaFragment:
    """A playable piece: for fMP4 one `moof`+`mdat`, for raw frames the pixels of `frames` frames."""

    index: int
    start: float
    duration: float
    frames: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class StageTiming:
    """When a stage got its first input, gave its first output and was done; None for what never happened."""

    stage: Stage
    first_input_s: float | None
    first_output_s: float | None
    finished_s: float | None


@dataclass(frozen=True, slots=True)
class TurnDone:
    """The last event of a turn that went well.

    `text` is the answer as spoken, `transcript` the question. `first_fragment_s` is how long the
    turn took until its first fragment, `total_s` until its last.
    """

    text: str
    transcript: str
    duration: float
    frames: int
    fps: float
    first_fragment_s: float | None
    total_s: float


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The last event of a turn that did not; `error.service` names the stage."""

    error: AvatarError


Event = (
    TranscriptHeard
    | TextDelta
    | SentenceSpoken
    | SpeechMeasured
    | MediaInit
    | MediaFragment
    | StageTiming
    | TurnDone
    | TurnFailed
)
