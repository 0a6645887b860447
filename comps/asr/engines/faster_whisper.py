"""Whisper on CTranslate2 (https://github.com/SYSTRAN/faster-whisper, MIT)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from faster_whisper import WhisperModel

from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.engines.whisper_calls import arguments, joined, model_name, require_language, transcript
from comps.asr.engines.whole import collected
from comps.asr.settings import AsrSettings
from comps.core.errors import EngineUnavailableError
from comps.core.speech import Transcript


class FasterWhisperEngine(AsrEngine):
    """Hears about 100 languages; partials are the segments found so far, which do not change any more."""

    capabilities = AsrCapabilities(partials=True, word_times=True, languages=())

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._threads = anyio.CapacityLimiter(settings.decoders)
        self._model: Any = None

    async def load(self) -> None:
        """Load the model; raises EngineUnavailableError when it is not here and may not be fetched."""
        self._model = await anyio.to_thread.run_sync(self._load)

    async def close(self) -> None:
        """Drop the model."""
        self._model = None

    async def transcribe(self, audio: AsyncIterator[Audio], options: AsrOptions) -> AsyncIterator[Transcript]:
        """Yield the text after every segment, then the final transcript."""
        require_language("faster_whisper", options.language, self._model.supported_languages)
        samples = await collected(audio)
        duration = len(samples) / SAMPLE_RATE
        call = partial(self._model.transcribe, samples, vad_filter=True, **arguments(options))
        async with self._threads:
            segments, info = await anyio.to_thread.run_sync(call)
            found: list[Any] = []
            while (segment := await anyio.to_thread.run_sync(_next, segments)) is not None:
                found.append(segment)
                yield Transcript(
                    joined(part.text for part in found), str(info.language), duration=duration, final=False
                )
        yield to_transcript(found, str(info.language), duration)

    def _load(self) -> Any:
        name = model_name(self._settings.model)
        try:
            return WhisperModel(
                name,
                device=self._settings.device,
                compute_type=self._settings.compute_type,
                num_workers=self._settings.decoders,
                download_root=str(self._settings.model_dir) if self._settings.model_dir else None,
                local_files_only=not self._settings.download,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise EngineUnavailableError(
                f"the model '{name}' of faster_whisper cannot be loaded: {error}; give a folder in AVATAR_ASR_MODEL, "
                "or allow AVATAR_ASR_DOWNLOAD=true"
            ) from error


def _next(segments: Iterator[Any]) -> Any:
    """The next segment, which is computed now, or None."""
    return next(segments, None)


def to_transcript(segments: list[Any], language: str, duration: float) -> Transcript:
    """The final transcript of all segments; `duration` is the audio's in seconds."""
    words = [word._asdict() if hasattr(word, "_asdict") else asdict(word) for s in segments for word in s.words or ()]
    return transcript(joined(segment.text for segment in segments), words, language, duration)
