"""What a voice is: text in, speech with phone and word times out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass

from comps.core.engine import Engine
from comps.core.errors import UnknownChoiceError
from comps.core.speech import SpeechChunk


@dataclass(frozen=True, slots=True)
class TtsCapabilities:
    """`streaming`: the first chunk comes before the last is made. `phone_times`: exact, from the engine.

    Engines without `phone_times` are given them by alignment in the service.
    """

    streaming: bool
    phone_times: bool


ANY_LANGUAGE = "mul"
"""In place of a language: many of them, and the text tells which."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that can be asked for by `id`; `languages` are BCP 47 tags, or `ANY_LANGUAGE`."""

    id: str
    name: str
    languages: tuple[str, ...]
    gender: str = ""


@dataclass(frozen=True, slots=True)
class TtsOptions:
    """Per-request choices. `voice` ``"default"`` picks by `language`; `speed` 1.0 is normal, 0.25 to 4."""

    voice: str = "default"
    language: str = ""
    speed: float = 1.0
    pitch: float = 1.0


class TtsEngine(Engine):
    """Speaks text."""

    capabilities: TtsCapabilities

    @abstractmethod
    def speak(self, text: str, options: TtsOptions) -> AsyncIterator[SpeechChunk]:
        """Yield the speech of `text`, in order, at one sample rate, `last` set on the final chunk only.

        Closing the iterator stops the work. Raises UnknownChoiceError for an unknown voice or language.
        """

    @abstractmethod
    async def voices(self) -> tuple[Voice, ...]:
        """Every voice the engine has."""


def require_language(language: str, *speaks: str) -> None:
    """Nothing, when `language` is ``""`` or one of `speaks` in any region; else raises UnknownChoiceError (422)."""
    if ANY_LANGUAGE in speaks:
        return
    if language and _base(language) not in {_base(tag) for tag in speaks}:
        known = ", ".join(dict.fromkeys(speaks))
        raise UnknownChoiceError(f"this voice does not speak '{language[:40]}'; it speaks: {known}", param="language")


def _base(tag: str) -> str:
    primary = tag.lower().replace("_", "-").partition("-")[0]
    return "zh" if primary == "cmn" else primary
