"""What both Whisper engines are called with, and what they give back."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from comps.asr.engine import AsrOptions
from comps.asr.engines.whole import placed
from comps.asr.languages import primary
from comps.core.errors import UnknownChoiceError
from comps.core.speech import Transcript

USUAL_MODEL = "small"
_CONTROL_TOKEN = re.compile(r"<\|.*?\|>")
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Tried in turn while the text repeats itself or is unlikely; what temperature 0 means in OpenAI's API."""


def model_name(wanted: str) -> str:
    """Whisper's own name of a model: OPEA's ``openai/whisper-small`` is ``small``, and so is no name at all.

    A path that exists stays what it is.
    """
    if wanted and Path(wanted).exists():
        return wanted
    return (wanted or USUAL_MODEL).removeprefix("openai/").removeprefix("whisper-")


def require_language(engine: str, tag: str, known: Collection[str]) -> None:
    """Raise UnknownChoiceError when `tag` is neither ``""`` nor, without its region, in `known`."""
    if tag and primary(tag) not in known:
        raise UnknownChoiceError(
            f"engine '{engine}' does not hear '{tag[:40]}'; it hears: {', '.join(sorted(known))}", param="language"
        )


def arguments(options: AsrOptions) -> dict[str, Any]:
    """Keyword arguments of `transcribe`, which openai-whisper and faster-whisper share.

    Of the prompt, only what is text: one library fails on the model's control tokens, the other obeys them.
    """
    return {
        "language": primary(options.language) or None,
        "initial_prompt": _CONTROL_TOKEN.sub(" ", options.prompt).strip() or None,
        "temperature": options.temperature or TEMPERATURES,
        "word_timestamps": True,
        "condition_on_previous_text": False,
    }


def joined(texts: Iterable[str]) -> str:
    """The text of several segments, which bring their own spaces."""
    return "".join(texts).strip()


def transcript(text: str, words: Iterable[Mapping[str, Any]], language: str, duration: float) -> Transcript:
    """The final transcript; `words` have ``word``, ``start`` and ``end``, `duration` is the audio's in seconds.

    Whisper hears windows of 30 s, the last one padded, so that a word's times may lie beyond the end: they are cut.
    """
    heard = [
        (str(word["word"]), min(float(word["start"]), duration), min(float(word["end"]), duration)) for word in words
    ]
    return Transcript(text.strip(), language, placed(text.strip(), heard), duration)
