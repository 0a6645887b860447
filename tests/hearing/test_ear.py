"""What the ear hears, and that cuts, chance and the future change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comps.core.hearing.ear import LOOK_AHEAD_S, Ear
from comps.core.hearing.front_end import HOP, SAMPLE_RATE
from comps.core.hearing.sounds import SOUNDS, sound_of
from comps.core.language.espeak_library import RawSettings
from comps.core.language.phones import facts
from tests.hearing.spoken import Audio, Spoken, noise, speak

SENTENCE = "My mother may buy a big map and a pump before the summer."
VOICES = ("gmw/en-US+edward", "gmw/en+f4", "roa/es+m7", "zlw/pl+f4")


def hear(pieces: list[Audio]) -> NDArray[np.intp]:
    ear = Ear()
    heard = [sounds for piece in pieces for sounds in ear.push(piece)]
    return np.concatenate([np.zeros(0, np.intp), *heard, *ear.finish()])


def truth(spoken: Spoken) -> NDArray[np.intp]:
    audio, phones = spoken
    sounds = np.zeros(-(-len(audio) // HOP), np.intp)
    for phone in phones:
        sounds[round(phone.start * 100) : round(phone.end * 100)] = sound_of(phone.phone)
    return sounds


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 161, 1280, 5000, 16_000])
def test_there_is_a_sound_for_every_begun_frame(samples: int) -> None:
    assert len(hear([noise(1, 0.1)[:samples]])) == -(-samples // HOP)


@pytest.mark.parametrize("voice", VOICES)
def test_most_frames_of_unheard_voices_are_recognised(voice: str) -> None:
    spoken = speak(SENTENCE, RawSettings(voice, rate=160))
    kinds = [_kind(SOUNDS[index]) for index in range(len(SOUNDS))]
    told, real = (np.array(kinds)[sounds] for sounds in (hear([spoken[0]]), truth(spoken)))
    assert (told == real).mean() > 0.6


def test_most_lip_closures_are_found_and_few_are_made_up() -> None:
    found: list[bool] = []
    false: list[float] = []
    for voice in VOICES:
        audio, phones = spoken = speak(SENTENCE, RawSettings(voice, rate=160))
        shut = hear([audio]) == SOUNDS.index("m")
        closures = [phone for phone in phones if facts(phone.phone).closes_lips]
        found += [bool(shut[round(p.start * 100) - 3 : round(p.end * 100) + 3].any()) for p in closures]
        false.append(float((shut & (truth(spoken) != SOUNDS.index("m"))).mean()))
    assert len(found) >= 40
    assert np.mean(found) >= 0.6
    assert np.mean(false) < 0.08


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_and_hum_are_no_sounds(level: float) -> None:
    assert not hear([noise(2, level)]).any()


def test_loudness_hardly_matters() -> None:
    audio, _ = speak(SENTENCE, RawSettings("gmw/en-US+edward", rate=160))
    usual, quiet = hear([audio]), hear([audio * np.float32(0.1)])
    assert (usual == quiet).mean() > 0.8


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 24_000), max_size=12))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    audio = speak(SENTENCE, RawSettings("gmw/en-US+edward", rate=160))[0][:24_000]
    np.testing.assert_array_equal(hear(np.split(audio, sorted(cuts))), hear([audio]))


@settings(max_examples=15, deadline=None)
@given(at=st.integers(4_000, 20_000))
def test_nothing_beyond_the_look_ahead_shapes_a_frame(at: int) -> None:
    audio = speak(SENTENCE, RawSettings("gmw/en-US+edward", rate=160))[0][:24_000]
    other = np.concatenate([audio[:at], noise(0.5, 0.3)])
    settled = max(0, int((at / SAMPLE_RATE - LOOK_AHEAD_S) * 100) + 1)
    np.testing.assert_array_equal(hear([audio])[:settled], hear([other])[:settled])


def test_sounds_come_as_soon_as_the_look_ahead_says() -> None:
    audio = noise(2, 0.1)
    ear, told = Ear(), 0
    for start in range(0, len(audio), 80):
        told += sum(len(sounds) for sounds in ear.push(audio[start : start + 80]))
        assert told * HOP / SAMPLE_RATE >= (start + 80) / SAMPLE_RATE - LOOK_AHEAD_S


def _kind(sound: str) -> str:
    known = facts(sound)
    if known.kind == "vowel":
        return "rounded" if known.rounded else "vowel"
    return "shut" if known.closes_lips else known.place if known.place == "labiodental" else known.kind
