"""Whisper on CTranslate2 (https://github.com/SYSTRAN/faster-whisper, MIT)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.to_thread
from faster_whisper import WhisperModel

from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.engines.whole import collected, placed
from comps.asr.languages import primary
from comps.asr.settings import AsrSettings
from comps.core.errors import EngineUnavailableError, UnknownChoiceError
from comps.core.speech import Transcript

_USUAL_MODEL = "small"
_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


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
        self._require_language(options.language)
        samples = await collected(audio)
        duration = len(samples) / SAMPLE_RATE
        arguments = transcribe_arguments(options)
        async with self._threads:
            segments, info = await anyio.to_thread.run_sync(lambda: self._model.transcribe(samples, **arguments))
            found: list[Any] = []
            while (segment := await anyio.to_thread.run_sync(_next, segments)) is not None:
                found.append(segment)
                yield Transcript(_text(found), str(info.language), duration=duration, final=False)
        yield to_transcript(found, str(info.language), duration)

    def _load(self) -> Any:
        name = (self._settings.model or _USUAL_MODEL).removeprefix("openai/whisper-")
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

    def _require_language(self, tag: str) -> None:
        known = self._model.supported_languages
        if tag and primary(tag) not in known:
            raise UnknownChoiceError(
                f"engine 'faster_whisper' does not hear '{tag[:40]}'; it hears: {', '.join(sorted(known))}",
                param="language",
            )


def _next(segments: Iterator[Any]) -> Any:
    """The next segment, which is computed now, or None."""
    return next(segments, None)


def transcribe_arguments(options: AsrOptions) -> dict[str, Any]:
    """Keyword arguments of `faster_whisper.WhisperModel.transcribe`."""
    return {
        "language": primary(options.language) or None,
        "initial_prompt": options.prompt or None,
        "temperature": options.temperature or list(_TEMPERATURES),
        "word_timestamps": True,
        "condition_on_previous_text": False,
        "vad_filter": True,
    }


def _text(segments: list[Any]) -> str:
    return "".join(segment.text for segment in segments).strip()


def to_transcript(segments: list[Any], language: str, duration: float) -> Transcript:
    """The final transcript of all segments; `duration` is the audio's in seconds."""
    text = _text(segments)
    heard = [(word.word, word.start, word.end) for segment in segments for word in segment.words or ()]
    return Transcript(text, language, placed(text, heard), duration)
