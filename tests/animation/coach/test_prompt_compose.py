from __future__ import annotations

from dataclasses import fields as fields_of

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.prompt.compose import compose_prompt
from comps.animation.coach.prompt.fields import MOST_WORDS, PRESETS, PromptFields
from comps.core.errors import UnknownChoiceError, UnprocessableError

HAIR = (
    "short grey hair",
    "long black hair",
    "a shaved head",
    "red curls",
    "blond",
    "thin white hair under a dark blue woollen cap with a small brim",
)
CLOTHING = (
    "a navy suit",
    "an apron",
    "a light blue shirt",
    "a long brown leather coat over a thick woollen jumper with a high collar",
)
POSTURE = (
    "stands upright",
    "sits at a desk",
    "leans on a counter",
    "walks slowly through the picture with both feet turned a little outward",
)
GESTURE = (
    "small",
    "wide and quick",
    "made with open hands",
    "slow at the beginning of every sentence and somewhat faster towards its last words",
)
EMOTION = (
    "friendly",
    "serious",
    "calm and attentive",
    "a slight smile",
    "worried, with a small crease between the brows and narrow eyes all along",
)
TONE = ("clear", "low", "lively and warm", "even and unhurried, with a short pause before each number and each name")
BACKGROUND = (
    "a bookshelf",
    "an office",
    "a garden",
    "a city at some distance, with towers, a river and a bridge of red steel",
)
LIGHTING = (
    "soft",
    "hard and from the left",
    "that of two lamps",
    "cold and even, from above, with a second and weaker source behind the head",
)
STYLE = (
    "a documentary",
    "an oil painting",
    "a television interview",
    "a silent film of the twenties with painted sets and a round mask at its edges",
)


def filled(required: bool) -> st.SearchStrategy[PromptFields]:
    def phrase(*choices: str) -> st.SearchStrategy[str]:
        short = [" ".join(choice.split()[:MOST_WORDS]) for choice in choices]
        return st.sampled_from(short if required else [*short, ""])

    return st.builds(
        PromptFields,
        sex=phrase("female", "male"),
        age=st.integers(3, 110) if required else st.none() | st.integers(3, 110),
        hair=phrase(*HAIR),
        clothing=phrase(*CLOTHING),
        glasses=st.sampled_from((True, False, None)),
        posture=phrase(*POSTURE),
        gesture=phrase(*GESTURE),
        emotion=phrase(*EMOTION),
        tone=phrase(*TONE),
        background=phrase(*BACKGROUND),
        lighting=phrase(*LIGHTING),
        depth=phrase("shallow", "deep"),
        style=phrase(*STYLE),
    )


@given(filled(required=True))
def test_whatever_is_filled_in_the_prompt_breaks_no_rule(fields: PromptFields) -> None:
    text = compose_prompt(fields)
    report = check_prompt(text)
    assert not report.findings, (report.findings, text)
    assert 100 <= int(report.measured["words"]) <= 200


@given(filled(required=False), st.sampled_from(sorted(PRESETS)))
@settings(max_examples=60)
def test_what_is_left_open_comes_from_the_preset(fields: PromptFields, preset: str) -> None:
    report = check_prompt(compose_prompt(fields, preset=preset))
    assert report.codes() <= {"prompt_contradiction"}, report.findings


@pytest.mark.parametrize("preset", ["host", "service desk", "teacher", "Service_Desk"])
def test_presets_are_complete(preset: str) -> None:
    assert not check_prompt(compose_prompt(preset=preset)).findings


def test_the_picture_rules_the_looks_and_the_fields_rule_the_picture() -> None:
    facts = PictureFacts(
        sex="male", age=61, hair="grey stubble hair", clothing="a tweed jacket", glasses=True, background="a harbour"
    )
    text = compose_prompt(PromptFields(clothing="a red scarf"), facts=facts)
    assert "61-year-old man with grey stubble hair and glasses" in text
    assert "a harbour" in text
    assert "red scarf" in text
    assert "tweed" not in text
    assert "Her" not in text


def test_facts_of_any_length_are_taken() -> None:
    facts = PictureFacts(sex="unknown", age=400, hair="very " * 100, background="x" * 1000)
    assert check_prompt(compose_prompt(facts=facts)).measured["missing_person"] == "nothing"


@pytest.mark.parametrize(
    ("age", "article"), [(8, "An 8"), (11, "An 11"), (18, "An 18"), (80, "An 80"), (7, "A 7"), (110, "A 110")]
)
def test_the_article_is_that_of_the_spoken_number(age: int, article: str) -> None:
    assert compose_prompt(PromptFields(age=age)).startswith(article)


@pytest.mark.parametrize(
    "name", [field.name for field in fields_of(PromptFields) if field.name not in ("age", "glasses")]
)
def test_a_field_that_is_too_long_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnprocessableError, match=f"'{name}' is too long"):
        PromptFields(**{name: "word " * (MOST_WORDS + 1)})


def test_choices_are_named() -> None:
    with pytest.raises(UnknownChoiceError, match="female, male"):
        PromptFields(sex="robot")
    with pytest.raises(UnknownChoiceError, match="shallow, deep"):
        PromptFields(depth="flat")
    with pytest.raises(UnprocessableError, match="3 to 110"):
        PromptFields(age=1)
    with pytest.raises(UnknownChoiceError, match="host, service desk, teacher"):
        compose_prompt(preset="clown")


def test_stops_within_a_field_do_not_break_the_sentence() -> None:
    assert "sees a wall. " in compose_prompt(PromptFields(background=" a  wall. "))
