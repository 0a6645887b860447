"""What a turn is asked to do: an input, and how each stage is to treat it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from comps.core.speech import SpeechChunk


@dataclass(frozen=True, slots=True)
class SpokenQuestion:
    """A recording in any container: ASR, LLM, TTS and animation all run. `filename` only hints at the format."""

    audio: bytes
    filename: str = "question.wav"


@dataclass(frozen=True, slots=True)
class LiveQuestion:
    """A question still being spoken: mono int16 little-endian PCM in pieces of any size; partial transcripts come."""

    pcm: AsyncIterator[bytes]
    sample_rate: int = 16_000


@dataclass(frozen=True, slots=True)
class TypedQuestion:
    """A question as text: ASR is skipped."""

    text: str


@dataclass(frozen=True, slots=True)
class SayText:
    """Text to be spoken as it is: ASR and LLM are skipped."""

    text: str


@dataclass(frozen=True, slots=True)
class SpokenAnswer:
    """Speech to be shown: only the animation runs. The chunks are on one clock that starts at sample 0.

    `duration` is how long it is in seconds, 0 where that is not known before its end.
    """

    chunks: AsyncIterator[SpeechChunk]
    sample_rate: int
    duration: float = 0.0


TurnInput = SpokenQuestion | LiveQuestion | TypedQuestion | SayText | SpokenAnswer


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """One message said before the question."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """How the answer sounds; `voice` is that of `POST /v1/tts/stream`."""

    voice: str = "default"


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """What the answer looks like; the fields are those of the animation session's start message.

    `fps` and `size` are None where the preset, or the animation service, decides.
    """

    avatar: str = ""
    fps: int | None = 25
    size: int | None = 512
    emotion: str = ""
    seed: int = 0
    enhancer: str = ""
    enhancer_strength: float | None = None
    preset: str = ""
    prompt: str = ""
    backdrop: str = ""


@dataclass(frozen=True, slots=True)
class Engines:
    """Engine of each stage; empty means the service's default."""

    asr: str = ""
    llm: str = ""
    tts: str = ""
    animation: str = ""


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """One question and everything chosen for its answer.

    `language` is a BCP 47 tag or ``""`` for automatic. `sampling` goes into the chat request as it
    is (``max_tokens``, ``temperature``, ...). `deadline_s` bounds the whole turn.
    """

    input: TurnInput
    history: tuple[ChatTurn, ...] = ()
    language: str = ""
    engines: Engines = Engines()
    sampling: Mapping[str, object] = field(default_factory=dict)
    voice: VoiceOptions = VoiceOptions()
    picture: PictureOptions = PictureOptions()
    deadline_s: float = 300.0
