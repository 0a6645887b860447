"""Engine ``transformers``: SpeechT5 and VITS/MMS checkpoints of Hugging Face transformers.

``model`` is a hub name or a folder (``facebook/mms-tts-eng``, ``microsoft/speecht5_tts``). Weights are
fetched when the engine loads, never in a request. A checkpoint speaks one language, which the setting
`language` names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from comps.core.errors import EngineUnavailableError, UnknownChoiceError, UnprocessableError
from comps.core.speech import Pcm, SpeechChunk
from comps.tts.engine import TtsCapabilities, TtsEngine, TtsOptions, Voice, require_language
from comps.tts.settings import TtsSettings

DEFAULT_MODEL = "facebook/mms-tts-eng"
_SPEECHT5_VOCODER = "microsoft/speecht5_hifigan"
_SPEECHT5_RATE = 16_000
_SPEAKER_SIZE = 512


class TransformersEngine(TtsEngine):
    """One checkpoint, loaded once; requests take turns on the device."""

    capabilities = TtsCapabilities(streaming=False, phone_times=False)

    def __init__(self, settings: TtsSettings) -> None:
        import torch
        import transformers

        self._torch: Any = torch
        self._transformers: Any = transformers
        self._name = settings.model or DEFAULT_MODEL
        self._language = settings.language
        self._device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self._turn = anyio.CapacityLimiter(1)
        self._model: Any = None
        self._processor: Any = None
        self._vocoder: Any = None

    async def load(self) -> None:
        """Load the checkpoint; raises EngineUnavailableError when it cannot be had."""
        await anyio.to_thread.run_sync(self._load)

    async def voices(self) -> tuple[Voice, ...]:
        """``default``, and the numbers of the speakers of a checkpoint that has several."""
        return tuple(Voice(name, f"{self._name} {name}", (self._language,)) for name in self._voice_names())

    async def speak(self, text: str, options: TtsOptions) -> AsyncIterator[SpeechChunk]:
        """One chunk with the whole text; see `TtsEngine.speak`."""
        self._check(options)
        pcm, rate = await anyio.to_thread.run_sync(self._say, text, options, limiter=self._turn)
        yield SpeechChunk(pcm, rate, last=True)

    def _load(self) -> None:
        kit = self._transformers
        try:
            config = kit.AutoConfig.from_pretrained(self._name)
            self._processor = kit.AutoProcessor.from_pretrained(self._name)
            if config.model_type == "speecht5":
                self._model = kit.SpeechT5ForTextToSpeech.from_pretrained(self._name)
                self._vocoder = kit.SpeechT5HifiGan.from_pretrained(_SPEECHT5_VOCODER).to(self._device).eval()
            elif config.model_type == "vits":
                self._model = kit.VitsModel.from_pretrained(self._name)
            else:
                raise EngineUnavailableError(
                    f"model '{self._name}' is a {config.model_type}; this engine speaks with speecht5 and vits"
                )
        except (OSError, ValueError) as error:
            raise EngineUnavailableError(f"model '{self._name}' cannot be loaded: {error}") from error
        self._model = self._model.to(self._device).eval()

    def _check(self, options: TtsOptions) -> None:
        require_language(options.language, self._language)
        if options.voice not in self._voice_names():
            known = ", ".join(self._voice_names()[:20])
            raise UnknownChoiceError(f"no voice is called '{options.voice[:60]}'; it has: {known}", param="voice")
        if options.pitch != 1.0:
            raise UnprocessableError("engine 'transformers' cannot change the pitch", param="pitch")
        if self._vocoder is not None and options.speed != 1.0:
            raise UnprocessableError("SpeechT5 cannot change its speed", param="speed")

    def _voice_names(self) -> list[str]:
        speakers = getattr(self._model.config, "num_speakers", 1) if self._model is not None else 1
        return ["default", *(str(n) for n in range(speakers if speakers > 1 else 0))]

    def _say(self, text: str, options: TtsOptions) -> tuple[Pcm, int]:
        with self._torch.no_grad():
            inputs = self._processor(text=text, return_tensors="pt").to(self._device)
            if self._vocoder is not None:
                speaker = self._torch.zeros((1, _SPEAKER_SIZE), device=self._device)
                wave = self._model.generate_speech(inputs["input_ids"], speaker, vocoder=self._vocoder)
                return to_pcm(wave.cpu().numpy()), _SPEECHT5_RATE
            if inputs["input_ids"].shape[-1] == 0:
                raise UnprocessableError(f"model '{self._name}' knows none of the letters of this text", param="text")
            self._model.speaking_rate = options.speed
            speaker_id = None if options.voice == "default" else int(options.voice)
            wave = self._model(**inputs, speaker_id=speaker_id).waveform[0]
            return to_pcm(wave.cpu().numpy()), int(self._model.config.sampling_rate)


def to_pcm(wave: NDArray[np.floating[Any]]) -> Pcm:
    """int16 of a float waveform `[n]` in -1..1; what is beyond is cut."""
    flat = np.asarray(wave, dtype=np.float32).reshape(-1)
    return np.asarray(np.clip(flat, -1.0, 1.0) * 32767.0, dtype=np.int16)
