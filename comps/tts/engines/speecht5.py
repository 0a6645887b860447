"""SpeechT5 checkpoints: text and an x-vector in, a mel spectrogram out, which HiFi-GAN turns into sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from comps.core.errors import UnprocessableError
from comps.core.language.sentences import split_sentences
from comps.core.speech import Pcm
from comps.tts.engine import TtsOptions
from comps.tts.engines.checkpoint import loaded, to_pcm
from comps.tts.engines.speakers import load_speakers
from comps.tts.engines.spelling import Spelling
from comps.tts.settings import TtsSettings

_MOST_FRAMES_PER_TOKEN = 20.0  # the library's own bound on a model that does not find its end


class SpeechT5:
    """A SpeechT5 checkpoint with its vocoder and speakers; the first speaker is the default voice."""

    def __init__(self, name: str, settings: TtsSettings, device: str) -> None:
        import torch
        import transformers

        kit: Any = transformers
        self._torch: Any = torch
        self._device = device
        self._model = loaded(kit.SpeechT5ForTextToSpeech, name, device)
        vectors = load_speakers(settings.speakers, self._model.config.speaker_embedding_dim)
        self._speakers = {voice: torch.from_numpy(vector)[None].to(device) for voice, vector in vectors.items()}
        self._vocoder = loaded(kit.SpeechT5HifiGan, settings.vocoder, device)
        self._tokenizer: Any = kit.SpeechT5Tokenizer.from_pretrained(name)
        self._spell = Spelling(self._knows, settings.language)

    @property
    def names(self) -> tuple[str, ...]:
        """The speakers."""
        return tuple(self._speakers)

    def refuse(self, options: TtsOptions) -> None:
        """Raise UnprocessableError for a speed, which the model does not have."""
        if options.speed != 1.0:
            raise UnprocessableError("SpeechT5 cannot change its speed", param="speed")

    def say(self, text: str, options: TtsOptions) -> tuple[Pcm, int]:
        """See `Checkpoint.say`. Text longer than the model's positions is spoken in several goes."""
        speaker = self._speakers.get(options.voice) if options.voice != "default" else None
        speaker = next(iter(self._speakers.values())) if speaker is None else speaker
        limit = int(self._model.config.max_text_positions)
        with self._torch.inference_mode():
            pieces = fitting(self._spell(text), lambda piece: len(self._ids(piece)), limit)
            waves = [self._wave(self._ids(piece), speaker) for piece in pieces if piece.strip()]
        return to_pcm(np.concatenate(waves)), int(self._vocoder.config.sampling_rate)

    def _wave(self, ids: list[int], speaker: Any) -> Any:
        config = self._model.config
        # The decoder has a position for each step, and each step makes `reduction_factor` frames.
        room = (config.max_speech_positions - 1) * config.reduction_factor / len(ids)
        wave = self._model.generate_speech(
            self._torch.tensor([ids], device=self._device),
            speaker,
            vocoder=self._vocoder,
            maxlenratio=min(_MOST_FRAMES_PER_TOKEN, room),
        )
        return wave.float().cpu().numpy().reshape(-1)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text)["input_ids"])

    def _knows(self, char: str) -> bool:
        return char == " " or self._tokenizer.convert_tokens_to_ids(char) != self._tokenizer.unk_token_id


def fitting(text: str, size: Callable[[str], int], limit: int) -> Iterator[str]:
    """`text` in as few pieces as it takes for each to have a `size` of at most `limit`, cut between sentences,
    clauses or words before letters.
    """
    if size(text) <= limit or len(text) < 2:
        yield text
        return
    for piece in split_sentences(text, max_chars=len(text) // 2):
        yield from fitting(piece, size, limit)
