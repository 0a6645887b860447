"""Speech as it arrives: other sizes of mouth, rooms, microphones, noise and levels."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from comps.core.hearing.front_end import SAMPLE_RATE
from comps.core.speech import Phone
from scripts.hearing.speech import Audio, Random, Utterance

_IMPULSE = 1024


def varied(utterance: Utterance, random: Random) -> Utterance:
    """The utterance by another throat, in another room, through another microphone, with silence around it."""
    factor = float(random.uniform(0.84, 1.2)) if random.random() < 0.6 else 1.0
    # Played faster, the speaker becomes smaller: formants and pitch rise together.
    audio = soxr.resample(utterance.audio, SAMPLE_RATE * factor, SAMPLE_RATE).astype(np.float32)
    before, after = int(random.integers(0, 8000)), int(random.integers(0, 6000))
    audio = np.concatenate([np.zeros(before, np.float32), audio, np.zeros(after, np.float32)])
    for change, share in ((_room, 0.4), (_microphone, 0.7), (_noise, 0.7)):
        if random.random() < share:
            audio = change(audio, random)
    gain = 10 ** (random.uniform(-22, 6) / 20) * 0.12 / max(_loud(audio), 1e-6)
    shift = before / SAMPLE_RATE
    phones = tuple(Phone(p.phone, p.start / factor + shift, p.end / factor + shift) for p in utterance.phones)
    return Utterance(np.clip(audio * gain, -1, 1).astype(np.float32), phones)


def _loud(audio: Audio) -> float:
    frames = audio[: len(audio) // 400 * 400].reshape(-1, 400)
    return float(np.sqrt(np.percentile((frames**2).mean(1), 95)))


def _room(audio: Audio, random: Random) -> Audio:
    decay, length = random.uniform(0.08, 0.4), 6400
    tail = random.normal(0, 1, length) * np.exp(-6.9 * np.arange(length) / (decay * SAMPLE_RATE))
    tail[: int(random.integers(20, 160))] = 0
    tail *= random.uniform(0.1, 0.7) / np.sqrt((tail**2).sum())
    tail[0] = 1
    return _filtered(audio, tail, 0)


def _microphone(audio: Audio, random: Random) -> Audio:
    points = np.linspace(0, SAMPLE_RATE / 2, 9)
    decibels = np.cumsum(random.normal(0, 2.5, 9))
    decibels -= decibels.mean()
    if random.random() < 0.25:
        decibels[points > random.choice([3300, 3800, 4300, 6500])] -= 40
    if random.random() < 0.25:
        decibels[0] -= random.uniform(5, 25)
    response = np.interp(np.fft.rfftfreq(_IMPULSE, 1 / SAMPLE_RATE), points, decibels)
    impulse = np.roll(np.fft.irfft(10 ** (response / 20)), _IMPULSE // 2) * np.hanning(_IMPULSE)
    return _filtered(audio, impulse, _IMPULSE // 2)


def _noise(audio: Audio, random: Random) -> Audio:
    spectrum = np.fft.rfft(random.normal(0, 1, len(audio)))
    slope = np.maximum(np.arange(len(spectrum)), 20) ** (-random.uniform(0, 1.1))
    noise = np.fft.irfft(spectrum * slope, len(audio))
    noise *= _loud(audio) / np.sqrt((noise**2).mean()) * 10 ** (-random.uniform(8, 45) / 20)
    return (audio + noise).astype(np.float32)


def _filtered(audio: Audio, impulse: NDArray[np.float64], delay: int) -> Audio:
    """The audio through a filter that delays by so many samples, without the delay."""
    size = 1 << (len(audio) + len(impulse) - 1).bit_length()
    full = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(impulse, size), size)
    return full[delay : delay + len(audio)].astype(np.float32)
