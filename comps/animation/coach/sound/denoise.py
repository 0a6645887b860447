"""Takes steady noise out of a recording: by RNNoise where it is installed, else by a filter of FFmpeg."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec

import numpy as np
import soxr

from comps.animation.coach.sound.filters import filtered
from comps.animation.coach.sound.levels import RATE, Samples
from comps.core.errors import EngineUnavailableError, UnknownChoiceError

_RNNOISE_RATE = 48_000
_PACKAGE = "pyrnnoise"
_REDUCTION_DB = 12
"""What FFmpeg's filter takes from the noise at most; more takes consonants along."""
_LOWEST_DB, _HIGHEST_DB = -80.0, -20.0
_DELAY = RATE // 40


class Denoiser(ABC):
    """Makes speech clearer. `name` is what the user chooses it by."""

    name: str

    @abstractmethod
    def clean(self, samples: Samples, floor: float) -> Samples:
        """Mono float32 `[n]` at 16 kHz in and out; `floor` is its noise floor in dBFS. Blocks."""


class FilterDenoiser(Denoiser):
    """FFmpeg's ``afftdn``: spectral subtraction in the base install; quiet noise stays."""

    name = "afftdn"

    def clean(self, samples: Samples, floor: float) -> Samples:
        """See `Denoiser.clean`."""
        noise = min(max(floor, _LOWEST_DB), _HIGHEST_DB)
        padded = np.pad(samples, (0, _DELAY))
        cleaned = filtered(padded, RATE, "afftdn", f"nr={_REDUCTION_DB}:nf={noise:.1f}:nt=w")
        return cleaned[_DELAY:]


class NetworkDenoiser(Denoiser):
    """RNNoise (J.-M. Valin, 2018), a small recurrent network; raises EngineUnavailableError when it is not installed."""

    name = "rnnoise"

    def __init__(self) -> None:
        if find_spec(_PACKAGE) is None:
            raise EngineUnavailableError(
                "the denoiser 'rnnoise' is not installed: pip install 'avatarchatbot[coach-denoise]'", param="denoiser"
            )
        from pyrnnoise import rnnoise

        self._library = rnnoise

    def clean(self, samples: Samples, floor: float) -> Samples:
        """See `Denoiser.clean`."""
        size = self._library.FRAME_SIZE
        wide = soxr.resample(samples, RATE, _RNNOISE_RATE)
        frames = np.clip(np.pad(wide, (0, -len(wide) % size + size)), -1, 1).reshape(-1, size)
        state = self._library.create()
        try:
            cleaned = [self._library.process_mono_frame(state, (frame * 32767).astype(np.int16))[0] for frame in frames]
        finally:
            self._library.destroy(state)
        # It answers one frame late.
        together = np.concatenate(cleaned)[size : size + len(wide)].astype(np.float32) / 32768
        return np.asarray(soxr.resample(together, _RNNOISE_RATE, RATE), np.float32)


DENOISERS = ("rnnoise", "afftdn")


def choose_denoiser(name: str = "") -> Denoiser:
    """The denoiser of that name; of no name the best one installed.

    Raises:
        UnknownChoiceError: there is none of that name.
        EngineUnavailableError: its package is not installed.
    """
    if name not in ("", *DENOISERS):
        raise UnknownChoiceError(f"no denoiser '{name[:40]}'; there are: {', '.join(DENOISERS)}", param="denoiser")
    if name == "rnnoise" or (not name and find_spec(_PACKAGE) is not None):
        return NetworkDenoiser()
    return FilterDenoiser()
