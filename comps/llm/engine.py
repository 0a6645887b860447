"""What a language model is: a conversation in, text out as it is written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from comps.core.engine import Engine


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


class LlmEngine(Engine):
    """Answers a conversation."""

    capabilities: LlmCapabilities

    @abstractmethod
    def generate(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncIterator[str]:
        """Yield the answer piece by piece; the pieces joined are the answer.

        Closing the iterator stops the work.
        """
