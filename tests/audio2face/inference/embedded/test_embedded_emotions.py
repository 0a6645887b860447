"""Emotions from the voice: planted ones move the logits the way that studies say; cuts and the future change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.audio2face.emotions import strongest_emotions
from comps.animation.audio2face.inference.model import SAMPLE_RATE, Array, Audio, frame_count
from comps.animation.audio2face.inference.voice_measures import MEASURES, Speaker
from comps.animation.audio2face.names import DETECTOR_EMOTIONS
from comps.core.hearing.voice import voice_frames
from comps.core.language.espeak_library import RawSettings
from tests.audio2face.inference.embedded.clips import DETECTOR, hear
from tests.hearing.spoken import noise, speak

TEXT = "I went to the market this morning and then I walked home along the river with my brother."
CALM = RawSettings("gmw/en-US", rate=160, pitch=45, pitch_range=35, volume=60)
AUDIO = speak(TEXT, CALM)[0]


def said(**changes: int) -> Audio:
    """Two calm sentences, then one that is said differently: the departure of a speaker who is known."""
    changed = {"voice": CALM.voice, "rate": 160, "pitch": 45, "pitch_range": 35, "volume": 60} | changes
    return np.concatenate([AUDIO, AUDIO, speak(TEXT, RawSettings(**changed))[0]])  # type: ignore[arg-type]


def heard(audio: Audio) -> dict[str, float]:
    """Mean logits of the last two seconds before the end."""
    rows: Array = hear([audio])[-75:-15].mean(0)
    return dict(zip(DETECTOR_EMOTIONS, rows.tolist(), strict=True))


@pytest.mark.parametrize("fps", [30, 60])
@pytest.mark.parametrize("samples", [0, 1, 533, 534, 16_000, 40_000])
def test_a_clip_has_a_row_for_every_frame(fps: int, samples: int) -> None:
    rows = hear([AUDIO[:samples]], fps)
    assert rows.shape == (frame_count(samples, fps), len(DETECTOR_EMOTIONS))
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.1])
def test_silence_and_noise_are_neutral(level: float) -> None:
    rows = hear([noise(3, level)])
    assert (rows.argmax(1) == DETECTOR_EMOTIONS.index("neutral")).all()


def test_a_calm_voice_is_neutral() -> None:
    rows = hear([AUDIO])[40:]
    assert (rows.argmax(1) == DETECTOR_EMOTIONS.index("neutral")).mean() > 0.7


@pytest.mark.parametrize(
    ("changes", "rises", "falls"),
    [
        ({"pitch": 70, "pitch_range": 85, "rate": 185, "volume": 80}, "happy", "sad"),
        ({"pitch": 28, "pitch_range": 8, "rate": 112, "volume": 30}, "sad", "happy"),
        ({"pitch": 50, "pitch_range": 55, "rate": 210, "volume": 100}, "angry", "sad"),
        ({"pitch": 80, "pitch_range": 8, "rate": 210}, "fear", "disgust"),
        ({"pitch": 28, "rate": 112}, "disgust", "fear"),
    ],
)
def test_planted_prosody_moves_the_logits_as_studies_say(changes: dict[str, int], rises: str, falls: str) -> None:
    calm, moved = heard(said()), heard(said(**changes))
    assert moved[rises] > calm[rises] + 0.3
    assert moved[falls] < calm[falls]
    assert moved[rises] > moved[falls]


@pytest.mark.parametrize(
    ("emotion", "changes"),
    [
        ("happy", {"pitch": 70, "pitch_range": 85, "rate": 185, "volume": 80}),
        ("sad", {"pitch": 28, "pitch_range": 8, "rate": 112, "volume": 30}),
        ("fear", {"pitch": 80, "pitch_range": 8, "rate": 210}),
    ],
)
def test_of_all_shares_that_of_the_planted_emotion_rises_most(emotion: str, changes: dict[str, int]) -> None:
    calm, moved = (
        strongest_emotions(hear([audio])[-75:-15], contrast=1.0, max_emotions=6).mean(0)
        for audio in (said(), said(**changes))
    )
    assert DETECTOR_EMOTIONS[int((moved - calm).argmax())] == emotion
    assert moved.max() > 0.2


@pytest.mark.parametrize(
    ("measure", "changes"),
    [("pitch", {"pitch": 75}), ("range", {"pitch_range": 95}), ("level", {"volume": 100}), ("rate", {"rate": 230})],
)
def test_measures_follow_what_the_speaker_does(measure: str, changes: dict[str, int]) -> None:
    def departure(audio: Audio) -> float:
        speaker = Speaker()
        speaker.hear(voice_frames(np.concatenate([AUDIO, AUDIO])))
        speaker.departures(voice_frames(AUDIO), 10.0)
        return float(speaker.departures(voice_frames(audio), 1.0)[MEASURES.index(measure)])

    settings_ = {"voice": CALM.voice, "rate": 160, "pitch": 45, "pitch_range": 35, "volume": 60} | changes
    moved = speak(TEXT, RawSettings(**settings_))[0]  # type: ignore[arg-type]
    assert departure(moved) > departure(AUDIO) + 0.4


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 48_000), max_size=12), fps=st.sampled_from([30, 60]), interval=st.integers(1, 15))
def test_cuts_change_nothing(cuts: list[int], fps: int, interval: int) -> None:
    audio = AUDIO[:48_000]
    np.testing.assert_array_equal(hear(np.split(audio, sorted(cuts)), fps, interval), hear([audio], fps, interval))


@settings(max_examples=15, deadline=None)
@given(at=st.integers(8_000, 40_000))
def test_nothing_beyond_the_look_ahead_shapes_a_row(at: int) -> None:
    settled = max(0, int((at / SAMPLE_RATE - DETECTOR.look_ahead_s) * 30) + 1)
    other = np.concatenate([AUDIO[:at], noise(0.5, 0.3)])
    np.testing.assert_array_equal(hear([AUDIO[:48_000]])[:settled], hear([other])[:settled])


def test_rows_come_as_soon_as_the_look_ahead_says_and_repeat_between() -> None:
    stream, told = DETECTOR.open(30, 10), 0
    for end in range(80, 48_000, 80):
        told += len(stream.push(AUDIO[end - 80 : end]))
        assert told >= (end / SAMPLE_RATE - DETECTOR.look_ahead_s) * 30
    rows = hear([AUDIO])
    assert all((rows[k] == rows[k // 10 * 10]).all() for k in range(len(rows)))
    assert len(np.unique(rows[:, 0])) > 3
