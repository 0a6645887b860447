"""Features and labels of many utterances, in one array each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.motion.articulation import parts
from comps.core.hearing.front_end import BANDS, HOP, MARGIN, FrontEnd
from comps.core.hearing.sounds import sound_of
from comps.core.speech import Phone
from scripts.hearing.speech import Audio, Utterance


@dataclass(frozen=True, slots=True)
class Clips:
    """`features` float16 `[n, 30]`, `sounds` uint8 `[n]` and how many frames each clip has, `lengths` `[clips]`."""

    features: NDArray[np.float16]
    sounds: NDArray[np.uint8]
    lengths: NDArray[np.intp]

    @classmethod
    def of(cls, utterances: Iterable[Utterance]) -> Clips:
        """The clips of utterances."""
        pairs = [(features_of(said.audio), labels_of(said.phones, len(said.audio) // HOP)) for said in utterances]
        return cls(
            np.concatenate([np.zeros((0, BANDS), np.float16), *(features for features, _ in pairs)]),
            np.concatenate([np.zeros(0, np.uint8), *(labels for _, labels in pairs)]),
            np.array([len(labels) for _, labels in pairs], np.intp),
        )

    def then(self, later: Clips) -> Clips:
        """These clips and others."""
        return Clips(
            np.concatenate([self.features, later.features]),
            np.concatenate([self.sounds, later.sounds]),
            np.concatenate([self.lengths, later.lengths]),
        )


def features_of(audio: Audio) -> NDArray[np.float16]:
    """What the ear sees of a whole clip."""
    padded = np.pad(audio[: len(audio) // HOP * HOP], MARGIN)
    return FrontEnd().frames(padded)[0].astype(np.float16)


def labels_of(phones: Iterable[Phone], frames: int) -> NDArray[np.uint8]:
    """The sound of each frame; a diphthong is its vowels."""
    sounds = np.zeros(frames, np.uint8)
    for phone in phones:
        length = phone.end - phone.start
        for piece, start, end in parts(phone.phone):
            first, stop = (max(0, round(100 * (phone.start + share * length))) for share in (start, end))
            sounds[first:stop] = sound_of(piece)
    return sounds
