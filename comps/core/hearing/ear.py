"""The ear: audio of one stream in, the sound of every 10 ms out, the same however the audio is cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.acoustic_model import acoustic_model
from comps.core.hearing.decoder import Decoder, Labels
from comps.core.hearing.front_end import BANDS, FRAME_S, HOP, MARGIN, SAMPLE_RATE, FrontEnd

Audio = NDArray[np.float32]

BLOCK = 10
"""Frames that are heard together: arrays of one shape give the same numbers however the audio arrives."""
FUTURE = 6
"""Frames after one that the acoustic model sees."""
DELAY = 4
"""Frames that the decoder waits before it settles on a sound."""
LOOK_AHEAD_S = (DELAY + FUTURE + BLOCK) * FRAME_S + MARGIN / SAMPLE_RATE
"""Audio needed after the beginning of a frame before its sound is told."""
_BACKGROUND_DB, _SILENCE = 8.0, 3.0
"""Frames that for a while do not rise further above the background are more likely silent, by this logarithm."""
_BEFORE = 5
_AROUND = np.arange(BLOCK)[:, None] + np.arange(_BEFORE + 1 + FUTURE)


class Ear:
    """Hears one stream of mono float32 audio at 16 kHz; about 10 KB of state. The first one in a process reads the model."""

    def __init__(self) -> None:
        self._model = acoustic_model()
        self._front_end = FrontEnd()
        self._decoder = Decoder(self._model, DELAY)
        self._audio: Audio = np.zeros(MARGIN, np.float32)
        # The frames before the first are silent, FUTURE of which the decoder hears as well: it is behind by so many.
        self._features = np.full((self._model.past + FUTURE, BANDS), -1.0, np.float32)
        self._above = np.zeros(_BEFORE + FUTURE + BLOCK, np.float32)
        self._samples = 0
        self._told = -FUTURE

    def push(self, audio: Audio) -> Iterator[Labels]:
        """Hear more: block by block the next frames' sounds, as indices in `sounds.SOUNDS`; iterate to the end."""
        self._samples += len(audio)
        return self._hear(audio)

    def finish(self) -> Iterator[Labels]:
        """The sounds of the frames that are left, ceil(seconds / FRAME_S) in all."""
        total = -(-self._samples // HOP)
        padding = (total + FUTURE + 2 * BLOCK) * HOP - self._samples
        for settled in self._hear(np.zeros(padding, np.float32)):
            yield settled[: max(0, len(settled) - max(0, self._told - total))]
        if self._told < total:
            yield self._decoder.finish()[: total - self._told]

    def _hear(self, audio: Audio) -> Iterator[Labels]:
        self._audio = np.concatenate([self._audio, audio])
        need, start = BLOCK * HOP + 2 * MARGIN, 0
        while len(self._audio) - start >= need:
            settled = self._block(self._audio[start : start + need])
            start += BLOCK * HOP
            early = min(max(0, -self._told), len(settled))
            self._told += len(settled)
            yield settled[early:]
        self._audio = self._audio[start:].copy()

    def _block(self, samples: Audio) -> Labels:
        seen, above = self._front_end.frames(samples)
        features, self._above = np.concatenate([self._features, seen]), np.concatenate([self._above, above])[BLOCK:]
        self._features = features[BLOCK:]
        likelihoods = self._model.log_likelihoods(features)
        likelihoods[:, 0] += _SILENCE * (self._loudest() < _BACKGROUND_DB)
        return self._decoder.step(likelihoods)

    def _loudest(self) -> NDArray[np.float32]:
        """By how many dB each frame of the block or one near it rises above the background."""
        loudest: NDArray[np.float32] = self._above[_AROUND].max(1)
        return loudest
