"""Engine ``coqui``: the models of Coqui TTS (package ``coqui-tts``), VITS and XTTS among them.

``model`` is a name of ``tts --list_models``, a folder with ``config.json`` and weights, or a file of
weights beside its ``config.json``. The package needs versions of others that do not go with those of
the engine ``transformers``, so run this service in an environment of its own and point the gateway
at its address.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from comps.core.errors import EngineUnavailableError, UnknownChoiceError, UnprocessableError
from comps.core.language.scripts import detect_language
from comps.core.speech import Pcm, SpeechChunk
from comps.core.threads import run_to_end
from comps.tts.engine import TtsCapabilities, TtsEngine, TtsOptions, Voice, require_language
from comps.tts.engines.checkpoint import to_pcm
from comps.tts.engines.coqui_files import local_model
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
        self._normal_length = 0.0

    async def load(self) -> None:
        """Load the model; raises EngineUnavailableError when it cannot be had."""
        self._tts = await anyio.to_thread.run_sync(self._load)

    async def close(self) -> None:
        """Forget the weights."""
        self._tts = None

    async def voices(self) -> tuple[Voice, ...]:
        """``default`` and the model's speakers."""
        languages = tuple(self._languages()) or (self._own_language(),)
        return tuple(Voice(name, name.strip(), languages) for name in ("default", *self._speakers()))

    async def speak(self, text: str, options: TtsOptions) -> AsyncIterator[SpeechChunk]:
        """One chunk with the whole text; see `TtsEngine.speak`."""
        arguments = self._arguments(text, options)
        pcm, rate = await run_to_end(partial(self._say, text, arguments), self._turn)
        yield SpeechChunk(pcm, rate, last=True)

    def _load(self) -> Any:
        from TTS.utils.manage import ModelManager

        # The library would wait for an answer on the terminal, which a service does not have.
        ModelManager.ask_tos = staticmethod(_terms_not_agreed)
        try:
            path = Path(self._name).expanduser()
            tts = self._from_files(path) if path.exists() else self._factory(self._name, progress_bar=False)
            return tts.to(self._device).eval()
        except EngineUnavailableError:
            raise
        # Names, downloads and files each fail with what their parser or the library happens to raise.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise EngineUnavailableError(f"Coqui model '{self._name}' cannot be loaded: {reason[:300]}") from error

    def _from_files(self, path: Path) -> Any:
        files = local_model(path)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder, "config.json")
            config.write_text(files.config, encoding="utf-8")
            return self._factory(model_path=str(files.weights), config_path=str(config), progress_bar=False)

    def _arguments(self, text: str, options: TtsOptions) -> dict[str, Any]:
        """Keyword arguments of the model; raises for what it cannot do."""
        if options.pitch != 1.0:
            raise UnprocessableError("engine 'coqui' cannot change the pitch", param="pitch")
        if options.speed != 1.0 and self._tts is not None and not self._has_speed():
            raise UnprocessableError(f"model '{self._name}' cannot change its speed", param="speed")
        arguments: dict[str, Any] = {"speed": options.speed}
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
        model = self._tts.synthesizer.tts_model
        self._require_letters(text, arguments.get("language"))
        if hasattr(model, "length_scale"):  # VITS ignores `speed`
            self._normal_length = self._normal_length or float(model.length_scale)
            model.length_scale = self._normal_length / arguments["speed"]
        wave = np.asarray(self._tts.tts(text=text, split_sentences=False, **arguments), dtype=np.float32)
        # The library puts half a second of zeros after each sentence, and a service speaks many.
        return to_pcm(np.trim_zeros(wave, "b")), int(self._tts.synthesizer.output_sample_rate)

    def _require_letters(self, text: str, language: str | None) -> None:
        """Raise UnprocessableError when a model that reads letters or phones knows none of the text's."""
        tokenizer: Any = getattr(self._tts.synthesizer.tts_model, "tokenizer", None)
        if hasattr(tokenizer, "text_to_ids"):  # XTTS has another, which knows every letter
            ids = tokenizer.text_to_ids(text, language=language)
            signs = (str(tokenizer.characters.id_to_char(number)) for number in ids)
            if not any(len(sign) == 1 and sign.isalpha() for sign in signs):
                raise UnprocessableError(f"model '{self._name}' knows none of the letters of this text", param="text")

    def _has_speed(self) -> bool:
        model = self._tts.synthesizer.tts_model
        return hasattr(model, "length_scale") or model.config.model == "xtts"

    def _speakers(self) -> list[str]:
        return list(self._tts.speakers or ()) if self._tts is not None else []

    def _languages(self) -> list[str]:
        return list(self._tts.languages or ()) if self._tts is not None else []


def _terms_not_agreed(folder: Path) -> bool:
    """In place of the library's question, when the model in `folder` has terms that nobody has agreed to."""
    with suppress(OSError):  # made for a download that does not come
        folder.rmdir()
    raise EngineUnavailableError(
        "this model's licence must be agreed to (Coqui Public Model License, not for commercial use: "
        "https://coqui.ai/cpml); whoever does sets COQUI_TOS_AGREED=1 in the environment of this service"
    )
