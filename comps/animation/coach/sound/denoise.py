"""Takes noise out of a recording: by RNNoise where it is installed, else by a Wiener filter.

FFmpeg's filters, tried on speech with white and pink noise at 0 to 10 dB: ``afftdn`` leaves pink noise, ``anlmdn`` all of
it, and ``arnndn`` needs weights that no package brings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec

import numpy as np
import soxr

from comps.animation.coach.sound.activity import Activity, find_activity
from comps.animation.coach.sound.bands import band_powers
from comps.animation.coach.sound.levels import RATE, Samples
from comps.animation.coach.sound.wiener import cleaned
from comps.core.errors import EngineUnavailableError, UnknownChoiceError

_RNNOISE_RATE = 48_000
_PACKAGE = "pyrnnoise"
_WANTED_DB, _LEAST_DB, _MOST_DB = 14.0, 2.0, 24.0
_IN_SPEECH_DB = 2.0
_TRIES = 3


class Denoiser(ABC):
    """Makes speech clearer. `name` is what the user chooses it by."""

    name: str

    @abstractmethod
    def clean(self, samples: Samples, activity: Activity) -> Samples:
        """Mono float32 `[n]` at 16 kHz in and out; `activity` says where somebody speaks in it. Blocks."""


class FilterDenoiser(Denoiser):
    """A Wiener filter, in the base install, for steady noise; takes no more than needed, since it takes consonants along."""

    name = "wiener"

    def clean(self, samples: Samples, activity: Activity) -> Samples:
        """See `Denoiser.clean`."""
        missing, made = _WANTED_DB - (activity.level - activity.noise), samples
        reduction = max(missing, _LEAST_DB)
        for _ in range(_TRIES):
            made = cleaned(samples, activity.mask, reduction, _IN_SPEECH_DB)
            left = find_activity(made, band_powers(made))
            missing = _WANTED_DB - (left.level - left.noise)
            if missing <= 0.0 or reduction >= _MOST_DB:
                break
            reduction = min(reduction + missing + 1.0, _MOST_DB)
        return made


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

    def clean(self, samples: Samples, activity: Activity) -> Samples:
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


DENOISERS = ("rnnoise", "wiener")


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
