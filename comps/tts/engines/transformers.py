"""Engine ``transformers``: SpeechT5 and VITS/MMS checkpoints of Hugging Face transformers.

``model`` is a hub name or a folder (``facebook/mms-tts-eng``, ``microsoft/speecht5_tts``). Weights are
fetched when the engine loads, never in a request. A checkpoint speaks one language, which the setting
`language` names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio

from comps.core.engine import missing_extra
from comps.core.errors import EngineUnavailableError, UnknownChoiceError, UnprocessableError
from comps.core.speech import SpeechChunk
from comps.core.threads import run_to_end
from comps.tts.engine import TtsCapabilities, TtsEngine, TtsOptions, Voice, require_language
from comps.tts.engines.checkpoint import Checkpoint
from comps.tts.settings import TtsSettings

DEFAULT_MODEL = "facebook/mms-tts-eng"


class TransformersEngine(TtsEngine):
    """One checkpoint, loaded once; requests take turns on the device."""

    capabilities = TtsCapabilities(streaming=False, phone_times=False)

    def __init__(self, settings: TtsSettings) -> None:
        import torch
        import transformers

        self._transformers: Any = transformers
        self._settings = settings
        self._name = settings.model or DEFAULT_MODEL
        self._device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self._turn = anyio.CapacityLimiter(1)
        self._checkpoint: Checkpoint | None = None

    async def load(self) -> None:
        """Load the checkpoint; raises EngineUnavailableError when it, its vocoder or its speakers cannot be had."""
        self._checkpoint = await anyio.to_thread.run_sync(self._load)

    async def close(self) -> None:
        """Forget the weights."""
        self._checkpoint = None

    async def voices(self) -> tuple[Voice, ...]:
        """``default``, and the speakers of a checkpoint that has several."""
        language = (self._settings.language,)
        return tuple(Voice(name, f"{self._name} {name}", language) for name in self._voice_names())

    async def speak(self, text: str, options: TtsOptions) -> AsyncIterator[SpeechChunk]:
        """One chunk with the whole text; see `TtsEngine.speak`."""
        self._check(options)
        if self._checkpoint is None:
            raise RuntimeError("load() comes first")
        pcm, rate = await run_to_end(partial(self._checkpoint.say, text, options), self._turn)
        yield SpeechChunk(pcm, rate, last=True)

    def _load(self) -> Checkpoint:
        try:
            return self._checkpoint_of(self._transformers.AutoConfig.from_pretrained(self._name).model_type)
        except ImportError as error:
            raise missing_extra("engine 'transformers'", "transformers", error) from error
        except EngineUnavailableError:
            raise
        # Damaged files raise whatever their format's parser does.
        except Exception as error:
            raise EngineUnavailableError(f"model '{self._name}' cannot be loaded: {str(error)[:300]}") from error

    def _checkpoint_of(self, architecture: str) -> Checkpoint:
        # Imported here, because the modules need libraries that the engine's name does not.
        if architecture == "speecht5":
            from comps.tts.engines.speecht5 import SpeechT5

            return SpeechT5(self._name, self._settings, self._device)
        if architecture == "vits":
            from comps.tts.engines.vits import Vits

            return Vits(self._name, self._settings, self._device)
        raise EngineUnavailableError(
            f"model '{self._name}' is a {architecture}; this engine speaks with speecht5 and vits"
        )

    def _check(self, options: TtsOptions) -> None:
        require_language(options.language, self._settings.language)
        if options.voice not in (names := self._voice_names()):
            known = ", ".join(names[:20])
            raise UnknownChoiceError(f"no voice is called '{options.voice[:60]}'; it has: {known}", param="voice")
        if options.pitch != 1.0:
            raise UnprocessableError("engine 'transformers' cannot change the pitch", param="pitch")
        if self._checkpoint is not None:
            self._checkpoint.refuse(options)

    def _voice_names(self) -> tuple[str, ...]:
        names = self._checkpoint.names if self._checkpoint is not None else ()
        return ("default", *(name for name in names if name != "default"))
