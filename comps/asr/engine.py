"""What a speech recogniser is: audio in, transcripts out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.core.engine import Engine
from comps.core.speech import Transcript

SAMPLE_RATE = 16_000
"""Hz; every engine is fed mono float32 in -1..1 at this rate."""

Audio = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AsrCapabilities:
    """`partials`: yields transcripts while audio arrives. `word_times`: fills `Transcript.words`.

    `languages`: BCP 47 tags it hears; empty means any.
    """

    partials: bool
    word_times: bool
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AsrOptions:
    """Per-request choices. `language` is a BCP 47 tag or ``""`` for detection; `prompt` biases the words."""

    language: str = ""
    prompt: str = ""
    temperature: float = 0.0


class AsrEngine(Engine):
    """Turns speech into text."""

    capabilities: AsrCapabilities

    @abstractmethod
    def transcribe(self, audio: AsyncIterator[Audio], options: AsrOptions) -> AsyncIterator[Transcript]:
        """Yield partials (if it can) and exactly one final transcript, last.

        Args:
            audio: pieces of mono float32 at `SAMPLE_RATE`, of any length, bounded in total by the caller.
        """
