"""openai-whisper on torch (https://github.com/openai/whisper, MIT)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import torch
import whisper
from whisper.tokenizer import LANGUAGES

from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.engines.whole import collected, placed
from comps.asr.languages import primary
from comps.asr.settings import AsrSettings
from comps.core.errors import EngineUnavailableError, UnknownChoiceError
from comps.core.speech import Transcript

_USUAL_MODEL = "small"
_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Tried in turn while the text repeats itself or is unlikely; what temperature 0 means in OpenAI's API."""


class WhisperEngine(AsrEngine):
    """Hears about 100 languages, one recording at a time: word times put hooks into the one model."""

    capabilities = AsrCapabilities(partials=False, word_times=True, languages=tuple(LANGUAGES))

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._model: Any = None

    async def load(self) -> None:
        """Load the model; raises EngineUnavailableError when it is not here and may not be fetched."""
        self._model = await anyio.to_thread.run_sync(self._load)

    async def close(self) -> None:
        """Drop the model."""
        self._model = None

    async def transcribe(self, audio: AsyncIterator[Audio], options: AsrOptions) -> AsyncIterator[Transcript]:
        """Yield the final transcript; raises UnknownChoiceError for a language Whisper does not know."""
        arguments = transcribe_arguments(options, half=self._model.device.type == "cuda")
        samples = await collected(audio)
        result: dict[str, Any] = await anyio.to_thread.run_sync(
            lambda: self._model.transcribe(samples, **arguments), limiter=self._one_at_a_time
        )
        yield to_transcript(result, len(samples) / SAMPLE_RATE)

    def _load(self) -> Any:
        wanted = self._settings.model or _USUAL_MODEL
        name = wanted.removeprefix("openai/").removeprefix("whisper-")
        folder = str(self._settings.model_dir) if self._settings.model_dir else None
        if not self._settings.download and not _is_here(name, folder):
            raise EngineUnavailableError(
                f"Whisper's model '{name}' is not on this machine; fetch it with  python -m comps.core.weights "
                f"FOLDER whisper-{name}  and set AVATAR_ASR_MODEL_DIR=FOLDER, or allow AVATAR_ASR_DOWNLOAD=true"
            )
        try:
            return whisper.load_model(name, device=self._device(), download_root=folder)
        except (RuntimeError, OSError) as error:
            raise EngineUnavailableError(f"Whisper's model '{name}' cannot be loaded: {error}") from error

    def _device(self) -> str:
        if self._settings.device != "auto":
            return self._settings.device
        return "cuda" if torch.cuda.is_available() else "cpu"


def _is_here(name: str, folder: str | None) -> bool:
    """Whether `name` is a file, or a published model whose file lies in `folder` or in Whisper's own cache."""
    root = Path(folder) if folder else Path.home() / ".cache" / "whisper"
    return Path(name).is_file() or (root / f"{name}.pt").is_file()


def transcribe_arguments(options: AsrOptions, *, half: bool) -> dict[str, Any]:
    """Keyword arguments of `whisper.Whisper.transcribe`; `half` computes in 16 bits, which only GPUs can."""
    language = primary(options.language)
    if language and language not in LANGUAGES:
        raise UnknownChoiceError(
            f"engine 'whisper' does not hear '{options.language[:40]}'; it hears: {', '.join(sorted(LANGUAGES))}",
            param="language",
        )
    return {
        "language": language or None,
        "initial_prompt": options.prompt or None,
        "temperature": options.temperature or _TEMPERATURES,
        "word_timestamps": True,
        "condition_on_previous_text": False,
        "fp16": half,
        "verbose": None,
    }


def to_transcript(result: dict[str, Any], duration: float) -> Transcript:
    """Whisper's result; `duration` is the audio's in seconds."""
    text = str(result["text"]).strip()
    heard = [
        (str(word["word"]), float(word["start"]), float(word["end"]))
        for segment in result.get("segments", ())
        for word in segment.get("words", ())
    ]
    return Transcript(text, str(result.get("language") or ""), placed(text, heard), duration)
