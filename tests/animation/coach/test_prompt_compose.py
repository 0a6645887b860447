from __future__ import annotations

from dataclasses import fields as fields_of

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.prompt.compose import compose_prompt
from comps.animation.coach.prompt.fields import MOST_CHARACTERS, MOST_WORDS, PRESETS, PromptFields, seen
from comps.animation.coach.prompt.text import read_text
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


ODD = st.text("ab1-/'’ .,:汉字", min_size=1, max_size=MOST_CHARACTERS)
"""Phrases in which words are hard to count."""


@given(st.lists(ODD.filter(lambda phrase: 0 < read_text(phrase).length <= MOST_WORDS), min_size=9, max_size=9))
def test_no_prompt_has_more_words_than_promised(phrases: list[str]) -> None:
    names = [field.name for field in fields_of(PromptFields) if field.name not in ("sex", "age", "glasses", "depth")]
    fields = PromptFields(**dict(zip(names, phrases, strict=True)))
    assert 100 <= read_text(compose_prompt(fields)).length <= 200


@given(ODD, ODD, ODD)
def test_what_is_known_of_a_picture_is_cut_to_its_place(hair: str, clothing: str, background: str) -> None:
    facts = PictureFacts(hair=hair, clothing=clothing, background=background)
    assert 100 <= read_text(compose_prompt(facts=facts)).length <= 200


def test_what_is_long_without_blanks_is_cut_too() -> None:
    clothing = "深蓝色" * 10
    kept = seen(PictureFacts(clothing=clothing)).clothing
    assert kept
    assert clothing.startswith(kept)
    assert read_text(kept).length <= MOST_WORDS


@pytest.mark.parametrize("phrase", ["a-b-" * 20, "a/b/c/d/e/f/g/h/i/j/k/l/m", "1a2b3c4d5e6f7g", "汉" * 20])
def test_words_without_blanks_between_them_count(phrase: str) -> None:
    with pytest.raises(UnprocessableError, match="'hair' is too long"):
        PromptFields(hair=phrase)


def test_a_field_without_a_word_is_refused() -> None:
    with pytest.raises(UnprocessableError, match="'hair' holds no word"):
        PromptFields(hair=" ...!")


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
