"""The embedded face: its mouth follows the sound, its expression the emotions; cuts and the future change nothing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.audio2face.inference.embedded import EmbeddedFace
from comps.animation.audio2face.inference.model import SAMPLE_RATE, frame_count
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES, FACE_EMOTIONS
from comps.core.errors import UnprocessableError
from comps.core.language.phones import facts
from tests.audio2face.inference.embedded.clips import FACE, face, opening, sentence, shape, tuning
from tests.hearing.spoken import noise

AUDIO, PHONES = sentence()
SHORT = AUDIO[:24_000]


@pytest.mark.parametrize("fps", [30, 60])
@pytest.mark.parametrize("samples", [0, 1, 533, 534, 16_000, 24_000])
def test_a_clip_has_all_its_frames(fps: int, samples: int) -> None:
    frames = face([SHORT[:samples]], tuning(fps))
    assert frames.shape == (frame_count(samples, fps), len(ALL_SHAPES))
    assert (frames >= 0).all()


def test_lips_meet_in_most_closures_and_part_between_them() -> None:
    frames = face([AUDIO])
    shut = shape(frames, "MouthPressLeft") > 0.3
    middles = [(p.start + p.end) / 2 for p in PHONES if facts(p.phone).closes_lips]
    met = [shut[max(0, round(30 * at) - 2) : round(30 * at) + 3].any() for at in middles]
    assert len(met) >= 10
    assert np.mean(met) >= 0.7
    open_vowels = [(p.start + p.end) / 2 for p in PHONES if facts(p.phone).height > 0.6 and p.end - p.start > 0.1]
    apart = [opening(frames)[round(30 * at)] for at in open_vowels]
    assert np.mean(apart) > 4 * opening(frames)[shut].mean()


def test_vowels_look_different() -> None:
    rounded = face([sentence("Oh, oh, oh, who, who, who.")[0]])
    spread = face([sentence("He, he, he, see, see, see.")[0]])
    for frames, more, less in ((rounded, rounded, spread), (spread, spread, rounded)):
        name = "MouthPucker" if frames is rounded else "MouthStretchLeft"
        assert shape(more, name).mean() > 2 * shape(less, name).mean()


def test_the_tongue_rises_for_its_sounds_and_lies_low_in_open_vowels() -> None:
    tip = shape(face([sentence("Tell little Nell to let it tilt.")[0]]), "TongueTipUp")
    low = shape(face([sentence("Papa ah, papa ah, papa ah.")[0]]), "TongueTipUp")
    assert tip.max() > 0.5
    assert tip.mean() > 3 * low.mean()


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_the_mouth_is_shut_in_silence(level: float) -> None:
    frames = face([noise(2, level)])
    assert not shape(frames, *ALL_SHAPES).any()


def test_the_mouth_shuts_in_pauses_and_at_the_end() -> None:
    silence = noise(1, 0)
    frames = face([np.concatenate([SHORT, silence, SHORT])])
    pause = slice(round(30 * (len(SHORT) / SAMPLE_RATE + 0.3)), round(30 * (len(SHORT) / SAMPLE_RATE + 0.8)))
    assert opening(frames)[pause].max() < 0.02
    assert opening(frames)[: pause.start].max() > 0.2
    assert opening(frames)[pause.stop :].max() > 0.2
    assert frames[-1].max() < 0.01


@pytest.mark.parametrize("emotion", FACE_EMOTIONS)
def test_every_emotion_has_its_own_expression_and_lips_still_meet(emotion: str) -> None:
    calm, felt = face([AUDIO]), face([AUDIO], **{emotion: 1.0})
    others = [face([SHORT], **{name: 1.0}) for name in FACE_EMOTIONS if name != emotion]
    assert 0.1 < np.abs(felt - calm).max() < 1
    assert all(np.abs(felt[20] - other[20]).max() > 0.05 for other in others)
    shut = shape(calm, "MouthPressLeft") > 0.45
    assert (opening(felt) - opening(calm))[shut].max() < 0.08


def test_emotions_fade_in_as_they_are_given() -> None:
    half, full = (shape(face([SHORT], joy=weight), "CheekSquintLeft") for weight in (0.5, 1.0))
    np.testing.assert_allclose(2 * half, full, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SHORT)), max_size=12), fps=st.sampled_from([30, 60]))
def test_cuts_change_nothing(cuts: list[int], fps: int) -> None:
    whole = face([SHORT], tuning(fps), joy=0.7, fear=0.2)
    np.testing.assert_array_equal(face(np.split(SHORT, sorted(cuts)), tuning(fps), joy=0.7, fear=0.2), whole)


@settings(max_examples=15, deadline=None)
@given(late=st.integers(0, 60))
def test_emotions_that_come_late_change_nothing(late: int) -> None:
    felt = np.linspace(0, 1, 10 * frame_count(len(SHORT), 30)).reshape(-1, 10)
    stream = FACE.open(tuning())
    frames = [stream.push(SHORT, felt[:late]), stream.push(SHORT[:0], felt[late:-1]), stream.finish(felt[-1:])]
    at_once = FACE.open(tuning())
    np.testing.assert_array_equal(
        np.concatenate(frames), np.concatenate([at_once.push(SHORT, felt), at_once.finish(felt[:0])])
    )


@settings(max_examples=15, deadline=None)
@given(at=st.integers(4_000, 20_000), fps=st.sampled_from([30, 60]))
def test_nothing_beyond_the_look_ahead_shapes_a_frame(at: int, fps: int) -> None:
    settled = max(0, int((at / SAMPLE_RATE - FACE.look_ahead_s) * fps) + 1)
    other = np.concatenate([SHORT[:at], noise(0.5, 0.3)])
    np.testing.assert_array_equal(face([SHORT], tuning(fps))[:settled], face([other], tuning(fps))[:settled])


def test_frames_come_as_soon_as_the_look_ahead_says() -> None:
    stream, told = FACE.open(tuning()), 0
    for end in range(80, len(SHORT), 80):
        told += len(stream.push(SHORT[end - 80 : end], np.zeros((1, 10))))
        assert told >= (end / SAMPLE_RATE - FACE.look_ahead_s) * 30


def test_a_model_has_the_shapes_it_is_asked_for() -> None:
    some = EmbeddedFace(("TongueTipUp", "JawOpen"))
    np.testing.assert_array_equal(face([SHORT], model=some)[:, 1], shape(face([SHORT]), "JawOpen"))
    assert EmbeddedFace(ARKIT_SHAPES).names == ARKIT_SHAPES
    with pytest.raises(UnprocessableError, match="no shape 'Moustache'"):
        EmbeddedFace(("Moustache",))


def test_streams_are_small_and_do_not_grow() -> None:
    stream = FACE.open(tuning())
    felt = np.zeros((30, 10))
    piece = noise(1, 0.1)
    stream.push(piece, felt)
    tracemalloc.start()
    try:
        for _ in range(3):
            stream.push(piece, felt)
        early = tracemalloc.get_traced_memory()[0]
        for _ in range(15):
            stream.push(piece, felt)
        later = tracemalloc.get_traced_memory()[0]
        another = FACE.open(tuning())
        another.push(piece, felt)
        assert tracemalloc.get_traced_memory()[0] - later < 1_000_000
    finally:
        tracemalloc.stop()
    assert later - early < 50_000
