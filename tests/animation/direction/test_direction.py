"""What a prompt asks of an engine that moves a given picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.direction.backdrop import COLOURS, Backdrop
from comps.animation.direction.direction import read_prompt
from comps.animation.direction.words import COMPOSED, LIVELY, MOODS, STILL
from comps.animation.motion.emotion import EMOTIONS
from comps.core.errors import UnknownChoiceError


@pytest.mark.parametrize(
    ("prompt", "emotion"),
    [
        ("She is smiling warmly and gestures with her hands.", "joy"),
        ("an old man, not smiling, sad", "sadness"),
        ("He never laughs; a serious, solemn judge", "neutral"),
        ("A furious coach shouts at his team", "anger"),
        ("a woman talking", ""),
        ("surprised at first, then happy, cheerful and laughing", "joy"),
        ("一位微笑的女主播", "joy"),
        ("他不高兴，表情严肃", "neutral"),
        ("not smiling but calm", "neutral"),
        ("", ""),
    ],
)
def test_the_mood_is_the_one_that_is_meant(prompt: str, emotion: str) -> None:
    assert read_prompt(prompt).emotion == emotion


@pytest.mark.parametrize(
    ("prompt", "factor"),
    [
        ("an energetic host, nodding and gesturing", LIVELY),
        ("a formal newsreader", COMPOSED),
        ("she stays motionless", STILL),
        ("a man in a suit", 1.0),
        ("一位沉着的老师", COMPOSED),
    ],
)
def test_the_manner_scales_the_head(prompt: str, factor: float) -> None:
    assert read_prompt(prompt).head_motion == factor


@pytest.mark.parametrize(
    ("prompt", "backdrop"),
    [
        ("A woman in a blue suit. Shallow depth of field.", "blurred"),
        ("in front of a plain white background", "plain:white"),
        ("She wears a red dress. The wall is white.", "plain:white"),
        ("a dark blue studio", "studio:blue"),
        ("filmed in a studio with soft light", "studio:grey"),
        ("a man in a green shirt against a grey wall", "plain:grey"),
        ("a man with a dark background", "plain:black"),
        ("她穿着红色的裙子，蓝色背景", "plain:blue"),
        ("浅景深，自然光", "blurred"),
        ("a red dress, a blue tie, no wall", "own"),
        ("a woman talking", "own"),
    ],
)
def test_the_backdrop_is_not_the_colour_of_the_clothes(prompt: str, backdrop: str) -> None:
    assert str(read_prompt(prompt).backdrop) == backdrop


def test_places_a_picture_cannot_be_moved_to_are_named() -> None:
    assert read_prompt("She stands in a modern office, not in a garden.").not_shown == ("office",)


def test_every_mood_is_one_the_face_knows() -> None:
    assert set(MOODS) <= set(EMOTIONS)


def test_no_word_asks_for_two_moods() -> None:
    words = [word for mood in MOODS.values() for word in mood]
    assert len(words) == len(set(words))


@given(st.text(max_size=300))
def test_any_text_is_read(prompt: str) -> None:
    asked = read_prompt(prompt)
    assert asked.emotion in ("", *EMOTIONS)
    assert Backdrop.parse(str(asked.backdrop)) == asked.backdrop


@pytest.mark.parametrize(
    "text", ["", "own", "blurred", "studio", "studio:teal", "PLAIN:Gray", *(f"plain:{c}" for c in COLOURS)]
)
def test_a_backdrop_is_read_back(text: str) -> None:
    backdrop = Backdrop.parse(text)
    assert Backdrop.parse(str(backdrop)) == backdrop


@pytest.mark.parametrize("text", ["plain", "plain:loud", "beach", "blurred:blue", "own:red", "studio:"[:-1] + ":x"])
def test_an_unknown_backdrop_names_the_known(text: str) -> None:
    with pytest.raises(UnknownChoiceError, match="plain:COLOUR"):
        Backdrop.parse(text)
