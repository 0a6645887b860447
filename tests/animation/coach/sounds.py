"""Labelled recordings: speech of eSpeak NG as it should be, and with one fault planted in each, of known size."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from comps.animation.coach.sound.filters import filtered
from comps.animation.coach.sound.loudness import limited
from comps.core.language.espeak_library import RawSettings
from comps.core.language.phones import is_vowel
from comps.core.media.audio import encode_audio
from comps.core.speech import Phone
from tests.hearing.spoken import speak

Audio = NDArray[np.float32]

RATE = 16_000
ROOT = Path(__file__).parents[3]
VOICES = ("gmw/en-US", "gmw/en-US+f3", "gmw/en", "gmw/en-US+m3", "gmw/en-US+f2", "gmw/en-US+m1")
LEVEL = -17.0
ROOM = -62.0
"""dBFS of speech and of the room in clean recordings."""
SHORTEST_PAUSE_S = 0.2
_END_S = 0.2


@dataclass(frozen=True)
class Speech:
    """Speech with what is known of it: where it is, and how many vowels are said."""

    audio: Audio
    active: NDArray[np.bool_]
    vowels: int
    text: str

    @property
    def level(self) -> float:
        return decibels(self.audio[self.active])

    @property
    def tempo(self) -> float:
        return self.vowels / (self.active.sum() / RATE)

    @property
    def silence(self) -> float:
        return 100 * float(1 - self.active.mean())

    @property
    def longest_pause(self) -> float:
        edges = np.flatnonzero(np.diff(self.active.astype(int)))[1:-1]
        return max((edges[1::2] - edges[::2]) / RATE, default=0.0)

    def with_audio(self, audio: Audio) -> Speech:
        return replace(self, audio=audio.astype(np.float32))


@dataclass(frozen=True)
class Labelled:
    """A file, the faults that were planted in it, and the true values by the names of the report."""

    name: str
    data: bytes
    planted: frozenset[str] = frozenset()
    values: dict[str, float] = field(default_factory=dict)
    text: str = ""
    mendable: bool = True


def decibels(audio: Audio) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20))


@lru_cache(maxsize=64)
def speech(index: int, voice: str = "gmw/en-US", wpm: int = 160, text: str = "", sentences: int = 3) -> Speech:
    """Clean speech at `LEVEL` with 0.2 s of room before and behind; sentences of the tests' own list."""
    listed = (ROOT / "tests/data/asr/general.txt").read_text(encoding="utf-8").splitlines()
    said = text or " ".join(listed[(index * sentences + k) % len(listed)] for k in range(sentences))
    audio, phones = speak(said, RawSettings(voice, wpm))
    end = round(_END_S * RATE)
    active = np.pad(active_of(phones, len(audio)), end)
    audio = np.pad(audio, end)
    vowels = sum(is_vowel(phone.phone) for phone in phones)
    made = Speech(audio, active, vowels, said)
    return with_noise(at_level(made, LEVEL), room(len(audio), index), ROOM)


def active_of(phones: tuple[Phone, ...], samples: int) -> NDArray[np.bool_]:
    """Where phones are; a pause shorter than 0.2 s is part of the speech."""
    mask, last = np.zeros(samples, bool), None
    for phone in phones:
        if not phone.phone:
            continue
        start = phone.start if last is None or phone.start - last > SHORTEST_PAUSE_S else last
        mask[round(start * RATE) : round(phone.end * RATE)] = True
        last = phone.end
    return mask


def at_level(made: Speech, level: float) -> Speech:
    """The speech so loud, its peaks under -1 dBFS."""
    audio = made.audio
    for _ in range(4):
        audio = limited((audio * 10 ** ((level - decibels(audio[made.active])) / 20)).astype(np.float32))
    return made.with_audio(audio)


def room(samples: int, seed: int, pink: bool = True) -> Audio:
    """Noise of level 0 dBFS, before scaling."""
    noise = np.random.default_rng(seed).standard_normal(samples)
    if pink:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 20 * samples / RATE)), samples)
    return (noise / noise.std()).astype(np.float32)


def with_noise(made: Speech, noise: Audio, level: float) -> Speech:
    return made.with_audio(made.audio + noise * np.float32(10 ** (level / 20)))


def wav(audio: Audio, rate: int = RATE, bits: int = 16, channels: int = 1) -> bytes:
    """A WAV file: 8, 16, 24 bits, 32 for float, 7 for mu-law; `channels` copies."""
    samples = np.repeat(np.clip(audio, -1, 1)[:, None], channels, axis=1) if bits != 32 else audio[:, None]
    if bits == 8:
        body, code, width = (np.rint(samples * 127) + 128).astype(np.uint8).tobytes(), 1, 1
    elif bits == 7:
        body, code, width = _mu_law(samples).tobytes(), 7, 1
    elif bits == 24:
        wide = np.rint(samples * 8388607).astype("<i4")
        body, code, width = wide.reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes(), 1, 3
    elif bits == 32:
        body, code, width = samples.astype("<f4").tobytes(), 3, 4
    else:
        body, code, width = np.rint(samples * 32767).astype("<i2").tobytes(), 1, 2
    channels = samples.shape[1]
    head = struct.pack("<HHIIHH", code, channels, rate, rate * width * channels, width * channels, 8 * width)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16)
        + head
        + b"data"
        + struct.pack("<I", len(body))
        + body
    )


def _mu_law(samples: Audio) -> NDArray[np.uint8]:
    sizes = np.minimum(np.abs(samples) * 32767 + 132, 32635).astype(int)
    exponent = np.floor(np.log2(sizes)).astype(int) - 7
    mantissa = (sizes >> (exponent + 3)) & 15
    return (~((samples < 0) * 128 | exponent << 4 | mantissa) & 255).astype(np.uint8)


def resampled(audio: Audio, rate: int) -> Audio:
    return soxr.resample(audio, RATE, rate) if rate != RATE else audio


def stretched(made: Speech, factor: float) -> Speech:
    """The speech that many times as long, at its own pitch."""
    audio = (
        filtered(made.audio, RATE, "atempo", f"tempo={1 / factor}")
        if factor <= 2
        else stretched(stretched(made, 2), factor / 2).audio
    )
    places = np.minimum((np.arange(len(audio)) / factor).astype(int), len(made.active) - 1)
    return replace(made, audio=audio, active=made.active[places])


def with_gap(made: Speech, seconds: float, places: int = 1) -> Speech:
    """Room noise put in the middle of each of the first pauses, or evenly where there are too few."""
    edges = np.flatnonzero(np.diff(made.active.astype(int)))[1:-1]
    middles = [(first + stop) // 2 for first, stop in zip(edges[::2], edges[1::2], strict=True)]
    if places > len(middles):
        middles = [len(made.audio) * (k + 1) // (places + 1) for k in range(places)]
    gap = round(seconds * RATE)
    audio, active = made.audio, made.active
    for middle in sorted(middles[:places], reverse=True):
        quiet = room(gap, middle) * np.float32(10 ** (ROOM / 20))
        audio = np.concatenate([audio[:middle], quiet, audio[middle:]])
        active = np.concatenate([active[:middle], np.zeros(gap, bool), active[middle:]])
    return replace(made, audio=audio, active=active)


@cache
def clean_set() -> tuple[Labelled, ...]:
    """`clean_sounds`, made once."""
    return tuple(clean_sounds())


@cache
def faulty_set() -> tuple[Labelled, ...]:
    """`faulty_sounds`, made once."""
    return tuple(faulty_sounds())


def clean_sounds() -> Iterator[Labelled]:
    """Recordings without a fault, in many voices, languages and formats."""
    voices = ("gmw/en-US", "gmw/en", "gmw/en-US+f3", "gmw/en-US+m3", "gmw/en-US+f2", "gmw/en-US+m1", "gmw/en+f4")
    for index, voice in enumerate(voices):
        for wpm in (130, 165, 200):
            made = speech(index, voice, wpm)
            values = {
                "level_dbfs": made.level, "tempo_per_s": made.tempo, "silence_percent": made.silence,
                "length_s": len(made.audio) / RATE,
            }  # fmt: skip
            yield Labelled(f"clean {voice} {wpm}", wav(made.audio), values=values, text=made.text)
    for name, voice, text in (
        ("German", "gmw/de", "Der alte Mann ging langsam am Strand entlang. Sie hat ihr Fahrrad im Sommer verkauft."),
        ("Mandarin", "sit/cmn", "我们今天去公园散步。天气非常好，阳光明媚。他在办公室里工作到很晚。"),
        ("Spanish", "roa/es", "El tren sale a las siete de la mañana. Ella compró tres entradas para el concierto."),
    ):
        yield Labelled(f"clean {name}", wav(speech(0, voice, 160, text).audio))
    made = speech(7)
    for rate, bits, channels in ((22_050, 16, 1), (44_100, 16, 2), (48_000, 24, 1), (48_000, 32, 1), (16_000, 16, 2)):
        data = wav(resampled(made.audio, rate), rate, bits, channels)
        yield Labelled(
            f"clean {rate} Hz {bits} bit x{channels}", data, values={"rate_hz": rate, "level_dbfs": made.level}
        )
    pcm = np.rint(made.audio * 32767).astype(np.int16)
    for fmt in ("flac", "mp3", "opus", "aac"):
        yield Labelled(f"clean {fmt}", encode_audio(pcm, RATE, fmt), text=made.text)  # type: ignore[arg-type]


def faulty_sounds() -> Iterator[Labelled]:
    """Recordings with one fault each, or the few that cannot be told apart from it."""
    for part in (_levels, _cuts, _noises, _gaps, _formats, _offsets, _tempos, _hopeless):
        yield from part()


def _levels() -> Iterator[Labelled]:
    for index, level in enumerate((-20.0, -24.0, -30.0, -40.0)):
        made = speech(index, "gmw/en-US+f3" if index % 2 else "gmw/en-US")
        quiet = made.with_audio(made.audio * 10 ** ((level - made.level) / 20))
        yield _fault(f"quiet {level:g} dBFS", quiet, {"audio_quiet"}, {"level_dbfs": level})


def _cuts() -> Iterator[Labelled]:
    for index, (share, after) in enumerate(((0.3, 1.0), (1.0, 1.0), (3.0, 1.0), (8.0, 1.0), (1.0, 0.8), (3.0, 0.7))):
        made = speech(index, sentences=2)
        top = np.quantile(np.abs(made.audio), 1 - share / 100)
        cut = made.with_audio(np.clip(made.audio / top, -1, 1) * after)
        yield _fault(f"clipped {share:g} % x{after:g}", cut, {"audio_clipped"}, {"clipped_percent": share})


def _noises() -> Iterator[Labelled]:
    for index, (snr, pink) in enumerate((snr, pink) for snr in (10, 8, 6, 3, 0) for pink in (False, True)):
        loud = snr > 6
        made = at_level(speech(index, "gmw/en" if pink else "gmw/en-US+f3"), -13.0 if loud else -20.0)
        level = made.level - snr
        noisy = with_noise(made, room(len(made.audio), 90 + index, pink), level)
        scale = min(1.0, 0.98 / float(np.abs(noisy.audio).max()))
        planted = {"audio_snr", "audio_noise"} | (set() if loud else {"audio_quiet"})
        values = {"snr_db": snr, "noise_dbfs": level + 20 * np.log10(scale)}
        name = f"noise {snr} dB {'pink' if pink else 'white'}"
        yield _fault(name, noisy.with_audio(noisy.audio * scale), planted, values)
    made = speech(3)
    time = np.arange(len(made.audio)) / RATE
    hum = (np.sin(2 * np.pi * 100 * time) + 0.5 * np.sin(2 * np.pi * 300 * time)).astype(np.float32) / np.float32(
        np.sqrt(0.625)
    )
    noisy = with_noise(made, hum, made.level - 8)
    yield _fault("hum 8 dB", noisy, {"audio_snr", "audio_noise"}, {"snr_db": 8.0, "noise_dbfs": made.level - 8})


def _gaps() -> Iterator[Labelled]:
    made = speech(4)
    for seconds in (2.4, 4.0):
        gapped = with_gap(made, seconds)
        planted = {"audio_pause"} | ({"audio_silence"} if gapped.silence > 30 else set())
        values = {"longest_pause_s": gapped.longest_pause, "silence_percent": gapped.silence}
        yield _fault(f"pause {seconds:g} s", gapped, planted, values)
    for places, seconds in ((8, 0.5), (14, 0.4)):
        stuttered = with_gap(speech(places), seconds, places)
        yield _fault(
            f"stutter {places} x {seconds:g} s", stuttered, {"audio_silence"}, {"silence_percent": stuttered.silence}
        )
    ends = replace(made, audio=np.pad(made.audio, 40_000), active=np.pad(made.active, 40_000))
    yield _fault("silent ends", ends, {"audio_silence"}, {"silence_percent": ends.silence})


def paused_sounds() -> list[Labelled]:
    """Long pauses and stutters in six voices and twelve texts, four recordings of each voice in turn."""
    made = []
    for index, voice in enumerate(VOICES):
        first, second = speech(index, voice), speech(index + len(VOICES), voice)
        for name, gapped in (
            (f"pause 4 s {voice}", with_gap(first, 4.0)),
            (f"pause 2 x 3 s {voice}", with_gap(second, 3.0, 2)),
            (f"stutter 8 x 0.5 s {voice}", with_gap(first, 0.5, 8)),
            (f"stutter 14 x 0.4 s {voice}", with_gap(second, 0.4, 14)),
        ):
            planted = {"audio_silence"} | ({"audio_pause"} if gapped.longest_pause > 2 else set())
            made.append(_fault(name, gapped, planted, {}))
    return made


def _formats() -> Iterator[Labelled]:
    for index, rate in enumerate((8000, 11_025, 12_000)):
        made = speech(index)
        data = wav(resampled(made.audio, rate), rate)
        yield Labelled(f"{rate} Hz", data, frozenset({"audio_rate"}), {"rate_hz": rate}, made.text)
    made = speech(5)
    yield Labelled("8 bit", wav(made.audio, bits=8), frozenset({"audio_depth"}), {"depth_bits": 8}, made.text)
    telephone = wav(resampled(made.audio, 8000), 8000, bits=7)
    yield Labelled("mu-law", telephone, frozenset({"audio_depth", "audio_rate"}), {"depth_bits": 8, "rate_hz": 8000})


def _offsets() -> Iterator[Labelled]:
    for index, offset in enumerate((0.02, 0.05, -0.1)):
        made = speech(index + 1, sentences=2)
        centred = made.with_audio((made.audio - made.audio.mean()) * np.float32(0.92))
        shifted = centred.with_audio(np.clip(centred.audio + np.float32(offset), -0.999, 0.999))
        yield _fault(
            f"offset {offset:g}",
            shifted,
            {"audio_dc"},
            {"offset_percent": 100 * abs(offset), "level_dbfs": centred.level},
        )


def _tempos() -> Iterator[Labelled]:
    for index, wpm in enumerate((330, 400)):
        made = speech(index, wpm=wpm, sentences=6)
        yield _fault(f"fast {wpm}", made, {"audio_tempo"}, {"tempo_per_s": made.tempo}, mendable=False)
    for index, factor in enumerate((2.4, 3.0)):
        made = stretched(speech(index, wpm=140, sentences=2), factor)
        planted = {"audio_tempo"} | ({"audio_silence"} if made.silence > 30 else set())
        yield _fault(f"slow x{factor:g}", made, planted, {"tempo_per_s": made.tempo}, mendable=False)


def _hopeless() -> Iterator[Labelled]:
    made = speech(0)
    start = int(np.flatnonzero(made.active)[0])
    seconds = 4 * RATE
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(seconds) / RATE)
    cases: tuple[tuple[str, bytes, set[str]], ...] = (
        ("short", wav(made.audio[start : start + 6400]), {"audio_too_short"}),
        ("silence", wav(np.zeros(seconds, np.float32)), {"audio_no_speech"}),
        ("room only", wav(room(seconds, 1) * np.float32(10 ** (-45 / 20))), {"audio_no_speech"}),
        ("loud noise only", wav(room(seconds, 2, pink=False) * np.float32(0.1)), {"audio_no_speech"}),
        ("tone", wav(tone.astype(np.float32)), {"audio_no_speech"}),
        ("no file", b"", {"audio_unreadable"}),
        ("text", b"this is no sound" * 100, {"audio_unreadable"}),
        ("only a header", wav(made.audio)[:44], {"audio_unreadable"}),
    )
    for name, data, planted in cases:
        yield Labelled(name, data, frozenset(planted), mendable=False)


def _fault(
    name: str,
    made: Speech,
    planted: set[str],
    values: dict[str, float],
    mendable: bool = True,
    write: Callable[[Audio], bytes] = wav,
) -> Labelled:
    return Labelled(name, write(made.audio), frozenset(planted), values, made.text, mendable)
