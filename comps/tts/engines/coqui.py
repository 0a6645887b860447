"""Engine ``coqui``: the models of Coqui TTS (package ``coqui-tts``), VITS and XTTS among them.

``model`` is a name of ``tts --list_models``. The package needs versions of others that do not go
with ours, so run this service in an environment of its own and point the gateway at its address.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import numpy as np

from comps.core.errors import EngineUnavailableError, UnknownChoiceError, UnprocessableError
from comps.core.language.scripts import detect_language
from comps.core.speech import Pcm, SpeechChunk
from comps.tts.engine import TtsCapabilities, TtsEngine, TtsOptions, Voice, require_language
from comps.tts.settings import TtsSettings

DEFAULT_MODEL = "tts_models/en/vctk/vits"
_LANGUAGE_NAMES = {"zh": "zh-cn", "cmn": "zh-cn"}  # XTTS's own


class CoquiEngine(TtsEngine):
    """One model, loaded once; requests take turns on the device."""

    capabilities = TtsCapabilities(streaming=False, phone_times=False)

    def __init__(self, settings: TtsSettings) -> None:
        import torch
        from TTS.api import TTS

        self._factory: Any = TTS
        self._name = settings.model or DEFAULT_MODEL
        self._language = settings.language
        self._device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self._turn = anyio.CapacityLimiter(1)
        self._tts: Any = None

    async def load(self) -> None:
        """Load the model; raises EngineUnavailableError when it cannot be had."""
        await anyio.to_thread.run_sync(self._load)

    async def voices(self) -> tuple[Voice, ...]:
        """``default`` and the model's speakers."""
        languages = tuple(self._languages()) or (self._own_language(),)
        return tuple(Voice(name, name.strip(), languages) for name in ("default", *self._speakers()))

    async def speak(self, text: str, options: TtsOptions) -> AsyncIterator[SpeechChunk]:
        """One chunk with the whole text; see `TtsEngine.speak`."""
        arguments = self._arguments(text, options)
        pcm, rate = await anyio.to_thread.run_sync(self._say, text, arguments, limiter=self._turn)
        yield SpeechChunk(pcm, rate, last=True)

    def _load(self) -> None:
        try:
            self._tts = self._factory(model_name=self._name, progress_bar=False).to(self._device)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise EngineUnavailableError(f"Coqui model '{self._name}' cannot be loaded: {error}") from error

    def _arguments(self, text: str, options: TtsOptions) -> dict[str, Any]:
        """Keyword arguments of the model; raises for what it cannot do."""
        if options.pitch != 1.0:
            raise UnprocessableError("engine 'coqui' cannot change the pitch", param="pitch")
        arguments: dict[str, Any] = {"speed": options.speed} if options.speed != 1.0 else {}
        if speakers := self._speakers():
            arguments["speaker"] = speakers[0] if options.voice == "default" else options.voice
        if options.voice != "default" and options.voice not in speakers:
            known = ", ".join(["default", *speakers][:20])
            raise UnknownChoiceError(f"no voice is called '{options.voice[:60]}'; it has: {known}", param="voice")
        if languages := self._languages():
            wanted = (options.language or detect_language(text, self._language)).lower()
            wanted = _LANGUAGE_NAMES.get(wanted, wanted if wanted in languages else wanted.partition("-")[0])
            if wanted not in languages:
                raise UnknownChoiceError(f"this model speaks {', '.join(languages)}", param="language")
            arguments["language"] = wanted
        else:
            require_language(options.language, self._own_language())
        return arguments

    def _own_language(self) -> str:
        """Of a model of one language: the one in its name (``tts_models/en/vctk/vits``), else the setting."""
        parts = self._name.split("/")
        return parts[1] if len(parts) == 4 and parts[0] == "tts_models" else self._language

    def _say(self, text: str, arguments: dict[str, Any]) -> tuple[Pcm, int]:
        wave = np.asarray(self._tts.tts(text=text, split_sentences=False, **arguments), dtype=np.float32)
        rate = int(self._tts.synthesizer.output_sample_rate)
        return np.asarray(np.clip(wave, -1.0, 1.0) * 32767.0, dtype=np.int16), rate

    def _speakers(self) -> list[str]:
        return list(self._tts.speakers or ()) if self._tts is not None else []

    def _languages(self) -> list[str]:
        return list(self._tts.languages or ()) if self._tts is not None else []
