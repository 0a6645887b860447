"""What a language model is: a conversation in, text out as it is written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal

from comps.core.engine import Engine

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class LlmCapabilities:
    """`sampling`: the sampling fields have an effect. `languages`: BCP 47 tags; empty means any."""

    sampling: bool
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class LlmOptions:
    """Per-request choices; None means the engine's own default. Ranges as in the OpenAI API."""

    model: str = ""
    language: str = ""
    max_tokens: int = 1024
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    user: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, as the engine counts them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of an answer.

    Attributes:
        text: joined with the other pieces it is the answer, white space included.
        sentence: index of the sentence when the piece is exactly one whole sentence, else None.
        language, emotion: how to say that sentence (BCP 47 tag, mood), or ``""``.
        finish: on the last piece only: why the answer ends. An engine that does not say has stopped.
        usage: on the last piece, when the engine counts tokens; on earlier ones what it has counted so far, if known.
    """

    text: str
    sentence: int | None = None
    language: str = ""
    emotion: str = ""
    finish: FinishReason | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question to begin with, and the BCP 47 tag of its language."""

    text: str
    language: str


class LlmEngine(Engine):
    """Answers a conversation. `model` is the name shown to clients."""

    capabilities: LlmCapabilities
    model: str

    @abstractmethod
    def generate(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncGenerator[TextPiece, None]:
        """Yield the answer piece by piece; closing the generator stops the work.

        Args:
            messages: the conversation, oldest first; the last one is the user's.
            options: choices of this request; `stop` strings may be left to the caller.
        """

    async def models(self) -> tuple[str, ...]:
        """The names of the models that a request may ask for; none when they are not known."""
        return (self.model,)

    async def suggestions(self, language: str, count: int) -> tuple[Suggestion, ...]:
        """At most `count` questions that this engine is sure to answer; none where it has no topics of its own.

        Args:
            language: BCP 47 tag of the reader; an engine that does not speak it suggests in one that it does.
            count: 1 or more.
        """
        return ()
