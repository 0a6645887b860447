"""VITS and MMS checkpoints: letters in, sound out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from comps.core.errors import EngineUnavailableError
from comps.core.speech import Pcm
from comps.tts.engine import TtsOptions
from comps.tts.engines.checkpoint import loaded, to_pcm
from comps.tts.engines.spelling import Spelling
from comps.tts.settings import TtsSettings

# ISO 639-3, as tokenizers of MMS name their language, to the tags of ours; of languages that are often spoken.
_TAGS = {
    "ara": "ar", "ben": "bn", "bul": "bg", "cat": "ca", "deu": "de", "ell": "el", "eng": "en", "fas": "fa", "fin": "fi",
    "fra": "fr", "guj": "gu", "heb": "he", "hin": "hi", "hun": "hu", "ind": "id", "kan": "kn", "kor": "ko", "lav": "lv",
    "mal": "ml", "mar": "mr", "nld": "nl", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "spa": "es", "swe": "sv",
    "swh": "sw", "tam": "ta", "tel": "te", "tha": "th", "tur": "tr", "ukr": "uk", "vie": "vi",
}  # fmt: skip


class Vits:
    """A VITS checkpoint; its speakers are numbered."""

    def __init__(self, name: str, settings: TtsSettings, device: str) -> None:
        import torch
        import transformers

        kit: Any = transformers
        self._torch: Any = torch
        self._device = device
        self._model = loaded(kit.VitsModel, name, device)
        self._tokenizer: Any = kit.AutoTokenizer.from_pretrained(name)
        self._spell = _spelling(name, self._tokenizer, settings.language)

    @property
    def names(self) -> tuple[str, ...]:
        """``0``, ``1``... of a checkpoint with several speakers."""
        speakers = int(self._model.config.num_speakers)
        return tuple(str(number) for number in range(speakers if speakers > 1 else 0))

    def refuse(self, options: TtsOptions) -> None:
        """Nothing: VITS has a speed."""

    def say(self, text: str, options: TtsOptions) -> tuple[Pcm, int]:
        """See `Checkpoint.say`."""
        inputs = self._tokenizer(self._spell(text), return_tensors="pt").to(self._device)
        speaker = None if not self.names else 0 if options.voice == "default" else int(options.voice)
        self._model.speaking_rate = self._model.config.speaking_rate * options.speed
        with self._torch.inference_mode():
            wave = self._model(**inputs, speaker_id=speaker).waveform[0]
        return to_pcm(wave.float().cpu().numpy()), int(self._model.config.sampling_rate)


def _spelling(name: str, tokenizer: Any, language: str) -> Callable[[str], str]:
    """How text is written for this checkpoint.

    Raises EngineUnavailableError when that takes a library that is not installed, or when the
    checkpoint says that it speaks another language than the setting does.
    """
    own = _TAGS.get((tokenizer.language or "").partition("-")[0])
    if own and own != language.replace("_", "-").partition("-")[0].lower():
        raise EngineUnavailableError(f"model '{name}' speaks {own}, not {language}: set AVATAR_TTS_LANGUAGE={own}")
    if tokenizer.phonemize:
        if importlib.util.find_spec("phonemizer") is None:
            raise EngineUnavailableError(f"model '{name}' reads phones: install  pip install phonemizer")
        return str
    romanize = _romanizer(name, tokenizer.language) if tokenizer.is_uroman else None
    letters = frozenset(tokenizer.get_vocab())
    lowers = bool(tokenizer.normalize)
    return Spelling(lambda char: char in letters or (lowers and char.lower() in letters), language, romanize)


def _romanizer(name: str, language: str | None) -> Callable[[str], str]:
    try:
        import uroman
    except ImportError as error:
        raise EngineUnavailableError(
            f"model '{name}' reads every script in Latin letters: install  pip install uroman"
        ) from error
    table: Any = uroman.Uroman()
    return lambda text: str(table.romanize_string(text, lcode=language))
