"""What both Whisper engines are called with, and what they give back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from comps.asr.engine import AsrOptions
from comps.asr.engines.whole import placed
from comps.asr.languages import primary
from comps.core.errors import UnknownChoiceError
from comps.core.speech import Transcript

USUAL_MODEL = "small"
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Tried in turn while the text repeats itself or is unlikely; what temperature 0 means in OpenAI's API."""


def model_name(wanted: str) -> str:
    """Whisper's own name of a model: OPEA's ``openai/whisper-small`` is ``small``, and so is no name at all."""
    return (wanted or USUAL_MODEL).removeprefix("openai/").removeprefix("whisper-")


def require_language(engine: str, tag: str, known: Collection[str]) -> None:
    """Raise UnknownChoiceError when `tag` is neither ``""`` nor, without its region, in `known`."""
    if tag and primary(tag) not in known:
        raise UnknownChoiceError(
            f"engine '{engine}' does not hear '{tag[:40]}'; it hears: {', '.join(sorted(known))}", param="language"
        )


def arguments(options: AsrOptions) -> dict[str, Any]:
    """Keyword arguments of `transcribe`, which openai-whisper and faster-whisper share."""
    return {
        "language": primary(options.language) or None,
        "initial_prompt": options.prompt or None,
        "temperature": options.temperature or TEMPERATURES,
        "word_timestamps": True,
        "condition_on_previous_text": False,
    }


def joined(texts: Iterable[str]) -> str:
    """The text of several segments, which bring their own spaces."""
    return "".join(texts).strip()


def transcript(text: str, words: Iterable[Mapping[str, Any]], language: str, duration: float) -> Transcript:
    """The final transcript; `words` have ``word``, ``start`` and ``end``, `duration` is the audio's in seconds."""
    heard = [(str(word["word"]), float(word["start"]), float(word["end"])) for word in words]
    return Transcript(text.strip(), language, placed(text.strip(), heard), duration)
