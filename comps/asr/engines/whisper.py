"""openai-whisper on torch (https://github.com/openai/whisper, MIT)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import whisper
from whisper.tokenizer import LANGUAGES

from comps.asr.engine import SAMPLE_RATE, AsrCapabilities, AsrEngine, AsrOptions, Audio
from comps.asr.engines.whisper_calls import arguments, model_name, require_language, transcript
from comps.asr.engines.whole import collected
from comps.asr.settings import AsrSettings
from comps.core.errors import EngineUnavailableError
from comps.core.speech import Transcript

_HASH_BLOCK = 1 << 20


class WhisperEngine(AsrEngine):
    """Hears about 100 languages, one recording at a time: word times put hooks into the one model.

    A client that leaves stops its recognition within one token, or one window's encoding.
    """

    capabilities = AsrCapabilities(partials=False, word_times=True, languages=tuple(LANGUAGES))

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="asr-whisper")
        self._model: Any = None

    async def load(self) -> None:
        """Load the model; raises EngineUnavailableError when it is damaged, or not here and may not be fetched."""
        self._model = await asyncio.get_running_loop().run_in_executor(self._worker, self._load)

    async def close(self) -> None:
        """Drop the model; a recording being heard is finished first."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._model = None

    async def transcribe(self, audio: AsyncIterator[Audio], options: AsrOptions) -> AsyncIterator[Transcript]:
        """Yield the final transcript; raises UnknownChoiceError for a language this model does not know."""
        require_language("whisper", options.language, languages(self._model))
        samples = await collected(audio)
        stopped = threading.Event()
        hear = partial(_hear, self._model, samples, options, stopped)
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._worker, hear)
        finally:
            stopped.set()
        yield to_transcript(result, len(samples) / SAMPLE_RATE)

    def _load(self) -> Any:
        name = model_name(self._settings.model)
        own = self._settings.model_dir
        places = (own,) if own else (self._settings.models_dir, cache_folder())
        try:
            return _load_file(name, places, self._device())
        except EngineUnavailableError:
            if not self._settings.download or name not in whisper.available_models():
                raise
            return self._fetched(name, own or cache_folder())
        except Exception as error:  # a damaged file raises whatever its reader does
            raise EngineUnavailableError(f"Whisper's model '{name}' cannot be loaded: {str(error)[:300]}") from error

    def _fetched(self, name: str, folder: Path) -> Any:
        """The published model `name`, put in `folder` by the library."""
        try:
            return whisper.load_model(name, device=self._device(), download_root=str(folder))
        except Exception as error:  # no network, no room, another file than was published
            raise EngineUnavailableError(f"Whisper's model '{name}' cannot be fetched: {str(error)[:300]}") from error

    def _device(self) -> str:
        if self._settings.device != "auto":
            return self._settings.device
        return "cuda" if torch.cuda.is_available() else "cpu"


def languages(model: Any) -> tuple[str, ...]:
    """What a loaded model hears: later ones know a language more, those trained on English only that."""
    return tuple(LANGUAGES)[: model.num_languages] if model.is_multilingual else ("en",)


def cache_folder() -> Path:
    """Where openai-whisper itself keeps what it has fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


def _load_file(name: str, folders: tuple[Path, ...], device: str) -> Any:
    """The model from a file, nothing fetched: `name` is one, or names one in the first of `folders` that has it.

    A published model must be the published file: loaded by its name, the library would fetch it anew otherwise.
    """
    if Path(name).is_file():
        return whisper.load_model(name, device=device)
    url = whisper._MODELS.get(name)
    file_name = url.rpartition("/")[2] if url else f"{name}.pt"
    file = next((folder / file_name for folder in folders if (folder / file_name).is_file()), None)
    if file is None:
        raise EngineUnavailableError(
            f"Whisper's model '{name}' is not on this machine; fetch it with  avatarchatbot models pull "
            f"whisper-{Path(file_name).stem}, or allow AVATAR_ASR_DOWNLOAD=true"
        )
    if url and _sha256(file) != url.split("/")[-2]:
        raise EngineUnavailableError(f"{file.name} is not the published model '{name}': delete it and fetch it again")
    model = whisper.load_model(str(file), device=device)
    if url:
        model.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])
    return model


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while block := data.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _hear(model: Any, samples: Audio, options: AsrOptions, stopped: threading.Event) -> dict[str, Any]:
    with _until(stopped, model):
        result: dict[str, Any] = model.transcribe(
            samples, fp16=model.device.type == "cuda", verbose=None, **arguments(options)
        )
    return result


class _StoppedError(Exception):
    """Nobody waits for the result any more."""


@contextmanager
def _until(stopped: threading.Event, model: Any) -> Iterator[None]:
    """Makes each step of the model raise _StoppedError once the event is set."""

    def step(*_: object) -> None:
        if stopped.is_set():
            raise _StoppedError

    hooks = [part.register_forward_pre_hook(step) for part in (model.encoder, model.decoder)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def to_transcript(result: dict[str, Any], duration: float) -> Transcript:
    """Whisper's result; `duration` is the audio's in seconds."""
    words = [word for segment in result["segments"] for word in segment.get("words", ())]
    return transcript(str(result["text"]), words, str(result.get("language") or ""), duration)
