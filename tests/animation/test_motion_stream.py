"""Speech in, motion out, however the speech is cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.motion.coarticulation import LOOK_AHEAD_S
from comps.animation.motion.emotion import EMOTIONS, mood
from comps.animation.motion.face_motion import ARKIT_INDEX, FaceMotion
from comps.animation.motion.stream import MotionOptions, MotionStream
from comps.core.errors import UnknownChoiceError, UnprocessableError
from comps.core.speech import Phone, SpeechChunk
from tests.animation.speeches import RATE, SENTENCE, SENTENCE_S, chunks, phones, sound

JAW = ARKIT_INDEX["jawOpen"]
SAMPLES = round(SENTENCE_S * RATE)


def _move(parts: list[SpeechChunk], options: MotionOptions | None = None) -> FaceMotion:
    stream = MotionStream(options or MotionOptions())
    motion = stream.feed(parts[0])
    for part in parts[1:]:
        motion = motion.then(stream.feed(part))
    return motion.then(stream.finish())


def _gap(motion: FaceMotion) -> np.ndarray:
    """How open the lips are: the jaw, less what closes them."""
    return motion.weights[:, JAW] - motion.weights[:, ARKIT_INDEX["mouthClose"]]


WHOLE = _move(chunks(SENTENCE, SENTENCE_S))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, SAMPLES - 1), max_size=20))
def test_motion_does_not_depend_on_how_speech_is_cut(cuts: list[int]) -> None:
    motion = _move(chunks(SENTENCE, SENTENCE_S, cuts))
    np.testing.assert_allclose(motion.weights, WHOLE.weights, atol=1e-5)
    np.testing.assert_allclose(motion.head, WHOLE.head, atol=1e-5)
    np.testing.assert_allclose(motion.gaze, WHOLE.gaze, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seconds=st.floats(0.001, 3.0), fps=st.sampled_from([25, 30]))
def test_there_is_a_frame_for_every_begun_frame_time(seconds: float, fps: int) -> None:
    pcm = np.zeros(max(1, int(seconds * RATE)), np.int16)
    motion = _move([SpeechChunk(pcm, RATE, last=True)], MotionOptions(fps=fps))
    assert len(motion) == math.ceil(len(pcm) * fps / RATE)


def test_frames_come_as_soon_as_the_look_ahead_is_there() -> None:
    stream = MotionStream(MotionOptions())
    assert len(stream.feed(SpeechChunk(np.zeros(int(LOOK_AHEAD_S * RATE) - 1, np.int16), RATE))) == 0
    assert len(stream.feed(SpeechChunk(np.zeros(1, np.int16), RATE, stream._samples))) == 1


def test_weights_are_weights_and_motion_is_float32() -> None:
    assert WHOLE.weights.dtype == WHOLE.head.dtype == WHOLE.gaze.dtype == np.float32
    assert WHOLE.weights.min() >= 0
    assert WHOLE.weights.max() <= 1


def test_the_face_begins_at_rest_and_ends_with_its_mouth_shut() -> None:
    row = phones(("a", 0.5))
    motion = _move(chunks(row, 0.5))
    assert not motion.weights[0].any()
    assert motion.weights[:, JAW].max() > 0.3
    assert _gap(motion)[-1] == 0


def test_the_mouth_moves_when_and_only_when_there_is_speech() -> None:
    gap = _gap(WHOLE)
    times = np.arange(len(gap)) / 25
    silent = np.zeros(len(gap), bool)
    for phone in SENTENCE:
        if not phone.phone:
            silent |= (times > phone.start + 0.15) & (times < phone.end - 0.05)
    assert gap[silent].max() < 0.05
    assert gap.max() > 0.25


def test_phones_without_sound_open_nothing() -> None:
    parts = [SpeechChunk(np.zeros(SAMPLES, np.int16), RATE, 0, tuple(SENTENCE), last=True)]
    assert _move(parts).weights[:, JAW].max() == 0


def test_lips_meet_in_every_bilabial_of_a_sentence() -> None:
    for fps in (25, 30):
        motion = _move(chunks(SENTENCE, SENTENCE_S), MotionOptions(fps=fps))
        times = np.arange(len(motion)) / fps
        for phone in SENTENCE:
            if phone.phone in ("p", "b", "m"):
                inside = np.abs(times - (phone.start + phone.end) / 2) < (phone.end - phone.start) / 2 + 0.01
                assert motion.weights[inside, ARKIT_INDEX["mouthPressLeft"]].max() > 0.39
                assert _gap(motion)[inside].min() < 0.005


@pytest.mark.parametrize("emotion", [e for e in EMOTIONS if e != "neutral"])
def test_a_mood_shows_and_stays_gentle(emotion: str) -> None:
    moved = _move(chunks(SENTENCE, SENTENCE_S), MotionOptions(emotion=emotion))
    change = np.abs(moved.weights - WHOLE.weights)
    assert 0.05 < change[-1].max() <= 0.7
    # Lips that must meet still do.
    assert (_gap(moved) - _gap(WHOLE)).max() < 0.06


def test_a_mood_in_the_speech_fades_in() -> None:
    smile = ARKIT_INDEX["cheekSquintLeft"]
    first = chunks(SENTENCE, SENTENCE_S)[0]
    second = SpeechChunk(first.pcm, RATE, SAMPLES, emotion="joy", last=True)
    motion = _move([first, second])
    start = math.ceil(SENTENCE_S * 25)
    assert motion.weights[start - 1, smile] == 0
    assert 0 < motion.weights[start + 1, smile] < motion.weights[start + 12, smile]


def test_moods_have_synonyms_and_unknown_ones_are_refused() -> None:
    assert np.array_equal(mood("Happy"), mood("joy"))
    assert not mood("").any()
    with pytest.raises(UnknownChoiceError, match="there are: neutral, joy"):
        MotionStream(MotionOptions(emotion="hangry"))


def test_the_seed_decides_the_unconscious_part_only() -> None:
    same, other = (_move(chunks(SENTENCE, SENTENCE_S), MotionOptions(seed=seed)) for seed in (0, 7))
    assert np.array_equal(same.head, WHOLE.head)
    assert not np.allclose(other.head, WHOLE.head)
    np.testing.assert_array_equal(other.weights[:, JAW], WHOLE.weights[:, JAW])


def test_speech_out_of_order_is_refused() -> None:
    stream = MotionStream(MotionOptions())
    pcm = np.zeros(100, np.int16)
    stream.feed(SpeechChunk(pcm, RATE))
    with pytest.raises(UnprocessableError, match="expected sample 100 at 16000"):
        stream.feed(SpeechChunk(pcm, RATE, 50))
    with pytest.raises(UnprocessableError, match="at one rate"):
        stream.feed(SpeechChunk(pcm, 22050, 100))


def test_no_speech_is_no_frames() -> None:
    assert len(MotionStream(MotionOptions()).finish()) == 0


def test_memory_does_not_grow_with_the_answer() -> None:
    stream = MotionStream(MotionOptions())
    row = phones(*[("a", 0.1), ("m", 0.1)] * 5)
    pcm = sound(row, 1.0)
    sizes = []
    for second in range(30):
        shifted = tuple(Phone(p.phone, p.start + second, p.end + second) for p in row)
        stream.feed(SpeechChunk(pcm, RATE, second * RATE, shifted, last=True))
        loudness = stream._loudness
        assert loudness is not None
        sizes.append((len(stream._phones), len(loudness._power), len(stream._ends)))
    assert max(sizes[5:]) == max(sizes[20:])


def test_motions_join_and_part() -> None:
    head, tail = WHOLE[:7], WHOLE[7:]
    assert (head.first, len(head), tail.first) == (0, 7, 7)
    np.testing.assert_array_equal(head.then(tail).weights, WHOLE.weights)
