"""Takes steady noise out of speech by its spectrum, as that is where nobody speaks.

A Wiener filter whose estimate of the speech is carried from frame to frame, which leaves no musical tones (Y. Ephraim and
D. Malah, "Speech enhancement using a minimum mean-square error short-time spectral amplitude estimator", IEEE Transactions
on Acoustics, Speech and Signal Processing 32, 1984).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.sound.levels import HOP, Mask, Samples, Values

_SIZE, _STEP = 512, 128
_OVERLAP = 2.0
"""What the squared windows of all frames add up to."""
_MEMORY = 0.98
_LEAST_FRAMES, _QUIET_PERCENT = 10, 15
_TINIEST = 1e-12
_FADE_HOPS = 9
_BLOCK = 2048


def cleaned(samples: Samples, speech: Mask, reduction_db: float, in_speech_db: float) -> Samples:
    """Mono float32 `[n]` at 16 kHz with less of the noise that is heard where `speech` is not.

    It is taken down by up to `reduction_db` in pauses and `in_speech_db` in speech.
    """
    frames = -(-(len(samples) + _SIZE) // _STEP)
    padded = np.pad(samples, (_SIZE, frames * _STEP + _SIZE - len(samples)))
    noise = _noise(padded, frames, speech)
    least = _least_gains(speech, frames, reduction_db, in_speech_db)
    made, before = np.zeros(len(padded), np.float32), np.zeros(_SIZE // 2 + 1)
    for first in range(0, frames, _BLOCK):
        spectrum = _spectrum(padded, first, min(first + _BLOCK, frames))
        gains, before = _gains(np.square(np.abs(spectrum)) / noise, before, least[first : first + _BLOCK])
        pieces = (np.fft.irfft(spectrum * gains, axis=1) * _window() / _OVERLAP).astype(np.float32)
        for frame, piece in enumerate(pieces, first):
            made[frame * _STEP : frame * _STEP + _SIZE] += piece
    return made[_SIZE : _SIZE + len(samples)]


def _noise(padded: Samples, frames: int, speech: Mask) -> Values:
    """Mean power of the noise in every line of the spectrum."""
    at = (np.arange(frames) * _STEP - _SIZE + _SIZE // 2) // HOP
    inside = (at >= 1) & (at < len(speech) - 1)
    quiet = inside.copy()
    quiet[inside] = ~_near(speech)[at[inside]]
    if quiet.sum() < _LEAST_FRAMES:
        # Without a pause the quietest moments stand for one.
        sums = np.concatenate([power.sum(1) for _, power in _powers(padded, frames)])
        quiet = (
            inside & (sums <= np.percentile(sums[inside], _QUIET_PERCENT))
            if inside.any()
            else np.ones(frames, np.bool_)
        )
    total = sum(power[quiet[first : first + len(power)]].sum(0) for first, power in _powers(padded, frames))
    return np.asarray(total / quiet.sum() + _TINIEST)


def _powers(padded: Samples, frames: int) -> Iterator[tuple[int, Values]]:
    """The first frame of every block, and the powers of its frames."""
    for first in range(0, frames, _BLOCK):
        yield first, np.square(np.abs(_spectrum(padded, first, min(first + _BLOCK, frames))))


def _near(speech: Mask) -> Mask:
    """Speech and a hop before and behind it."""
    near = speech.copy()
    near[1:] |= speech[:-1]
    near[:-1] |= speech[1:]
    return near


def _least_gains(speech: Mask, frames: int, reduction_db: float, in_speech_db: float) -> Values:
    """The lowest gain of every frame, falling and rising around speech over 0.1 s."""
    at = np.clip((np.arange(frames) * _STEP - _SIZE + _SIZE // 2) // HOP, 0, max(0, len(speech) - 1))
    wide = np.convolve(speech, np.ones(_FADE_HOPS), "same") > 0 if len(speech) else speech
    share = np.convolve(
        np.pad(wide.astype(float), _FADE_HOPS // 2, "edge"), np.full(_FADE_HOPS, 1 / _FADE_HOPS), "valid"
    )
    decibels = reduction_db + (min(in_speech_db, reduction_db) - reduction_db) * share[at]
    return np.asarray(10 ** (-decibels / 20))


def _gains(ratio: Values, before: Values, least: Values) -> tuple[Values, Values]:
    """Gains for frames of power over noise `[n, lines]`, and the estimate of the speech in the last one."""
    gains = np.empty_like(ratio)
    for frame, here in enumerate(ratio):
        prior = _MEMORY * before + (1 - _MEMORY) * np.maximum(here - 1, 0)
        gain = np.maximum(prior / (1 + prior), least[frame])
        gains[frame] = gain
        before = gain * gain * here
    return gains, before


def _spectrum(padded: Samples, first: int, stop: int) -> NDArray[np.complex128]:
    places = np.arange(first, stop)[:, None] * _STEP + np.arange(_SIZE)
    return np.asarray(np.fft.rfft(padded[places] * _window(), axis=1))


@lru_cache(maxsize=1)
def _window() -> Values:
    return np.asarray(np.sqrt(np.hanning(_SIZE + 1)[:-1]))
