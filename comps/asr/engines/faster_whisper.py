"""Whisper on CTranslate2 (https://github.com/SYSTRAN/faster-whisper, MIT)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
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
from comps.core.threads import run_to_end


class FasterWhisperEngine(AsrEngine):
    """Hears about 100 languages; partials are the segments found so far, which do not change any more."""

    capabilities = AsrCapabilities(partials=True, word_times=True, languages=())

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._threads = anyio.CapacityLimiter(settings.decoders)
        self._model: Any = None

    async def load(self) -> None:
        """Load the model; raises EngineUnavailableError when it is damaged, or not here and may not be fetched."""
        self._model = await anyio.to_thread.run_sync(self._load)

    async def close(self) -> None:
        """Drop the model."""
        self._model = None

    async def transcribe(self, audio: AsyncIterator[Audio], options: AsrOptions) -> AsyncIterator[Transcript]:
        """Yield the text after every segment, then the final transcript.

        Raises:
            UnknownChoiceError: this model does not hear `options.language`.
        """
        require_language("faster_whisper", options.language, languages(self._model))
        samples = await collected(audio)
        duration = len(samples) / SAMPLE_RATE
        call = partial(self._model.transcribe, samples, vad_filter=True, **arguments(options))
        segments, info = await self._in_thread(call)
        language, found = str(info.language), list[Any]()
        # A place is taken per segment, not for the whole recording: who reads slowly holds up nobody.
        while (segment := await self._in_thread(partial(next, segments, None))) is not None:
            found.append(segment)
            yield Transcript(joined(part.text for part in found), language, duration=duration, final=False)
        yield to_transcript(found, language, duration)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await run_to_end(work, self._threads)

    def _load(self) -> Any:
        name = model_name(self._settings.model)
        device, _, index = self._settings.device.partition(":")
        try:
            return WhisperModel(
                _folder(name, self._settings.model_dir) or name,
                device=device,
                device_index=int(index or 0),
                compute_type=self._settings.compute_type,
                num_workers=self._settings.decoders,
                download_root=str(self._settings.model_dir) if self._settings.model_dir else None,
                local_files_only=not self._settings.download,
            )
        except Exception as error:  # a damaged file raises whatever its reader does
            raise EngineUnavailableError(
                f"the model '{name}' of faster_whisper cannot be loaded: {str(error)[:300]}; "
                "give a folder in AVATAR_ASR_MODEL, or allow AVATAR_ASR_DOWNLOAD=true"
            ) from error


def _folder(name: str, parent: Path | None) -> str | None:
    """The folder of a converted model: `name` itself, or one of its names in `parent`; None when it is neither.

    Raises FileNotFoundError for a folder without its tokenizer, which the library would fetch whatever it is told.
    """
    places = [Path(name), *(parent / place for place in (name, f"faster-whisper-{name}") if parent)]
    folder = next((place for place in places if place.is_dir()), None)
    if folder and not (folder / "tokenizer.json").is_file():
        raise FileNotFoundError(f"'{folder}' has no tokenizer.json")
    return str(folder) if folder else None


def languages(model: Any) -> tuple[str, ...]:
    """What a loaded model hears: those of the library that it has a token for, or English alone."""
    if not model.model.is_multilingual:
        return ("en",)
    known = model.hf_tokenizer.get_vocab()
    return tuple(tag for tag in model.supported_languages if f"<|{tag}|>" in known)


def to_transcript(segments: list[Any], language: str, duration: float) -> Transcript:
    """The final transcript of all segments; `duration` is the audio's in seconds."""
    words = [
        {"word": word.word, "start": word.start, "end": word.end}
        for segment in segments
        for word in segment.words or ()
    ]
    return transcript(joined(segment.text for segment in segments), words, language, duration)
