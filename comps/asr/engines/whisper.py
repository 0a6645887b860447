"""openai-whisper on torch (https://github.com/openai/whisper, MIT)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import torch
import whisper
from whisper.tokenizer import LANGUAGES

from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.engines.whisper_calls import arguments, model_name, require_language, transcript
from comps.asr.engines.whole import collected
from comps.asr.settings import AsrSettings
from comps.core.errors import EngineUnavailableError
from comps.core.speech import Transcript


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
        require_language("whisper", options.language, LANGUAGES)
        samples = await collected(audio)
        half = self._model.device.type == "cuda"
        call = partial(self._model.transcribe, samples, fp16=half, verbose=None, **arguments(options))
        result: dict[str, Any] = await anyio.to_thread.run_sync(call, limiter=self._one_at_a_time)
        yield to_transcript(result, len(samples) / SAMPLE_RATE)

    def _load(self) -> Any:
        name = model_name(self._settings.model)
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


def to_transcript(result: dict[str, Any], duration: float) -> Transcript:
    """Whisper's result; `duration` is the audio's in seconds."""
    words = [word for segment in result["segments"] for word in segment.get("words", ())]
    return transcript(str(result["text"]), words, str(result.get("language") or ""), duration)
