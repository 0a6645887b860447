from __future__ import annotations

import pytest

from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.prompt.contradictions import contradictions
from comps.animation.coach.prompt.parts import PARTS, missing
from comps.animation.coach.prompt.repair import repair_prompt
from comps.animation.coach.prompt.rules import PROMPT_RULES
from comps.animation.coach.prompt.sex import mixed_sex, stated_sex
from comps.animation.coach.prompt.text import read_text, sentences, tokens
from comps.animation.coach.prompt.vague import vague_words
from tests.animation.coach.prompts import CHINESE_GOOD, GOOD, faulty_prompts, good_prompts

SENTENCE = "The presenter speaks to the viewer and moves both hands. "


def test_every_rule_is_broken_by_one_prompt_and_kept_by_another() -> None:
    broken = [check_prompt(labelled.text).codes() for labelled in faulty_prompts()]
    kept = [check_prompt(labelled.text).codes() for labelled in good_prompts()]
    for rule in PROMPT_RULES:
        assert any(rule.code in codes for codes in broken), rule.code
        assert any(rule.code not in codes for codes in kept), rule.code


@pytest.mark.parametrize(("words", "passes"), [(99, False), (100, True), (200, True), (201, False)])
def test_the_length_is_judged_to_the_word(words: int, passes: bool) -> None:
    report = check_prompt("word " * words)
    assert report.measured["words"] == words
    assert ("prompt_length" not in report.codes()) == passes


def test_chinese_signs_count_as_parts_of_words() -> None:
    read = read_text("一位女士" * 40)
    assert (read.words, read.signs) == (0, 160)
    assert read.length == pytest.approx(100)
    mixed = read_text("穿着 T恤 和 blue jeans")
    assert (mixed.words, mixed.signs) == (3, 4)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GOOD["captain"], "en"),
        ("young woman, long hair, blue suit, office, cinematic lighting", "en"),
        ("a woman talking", "en"),
        (CHINESE_GOOD["zh host"], "zh"),
        ("Eine junge Frau mit langen Haaren steht in einem Büro und lächelt in die Kamera.", ""),
        ("Una mujer joven con el pelo largo está de pie en una oficina y sonríe a la cámara.", ""),
        ("Молодая женщина с длинными волосами стоит в офисе и улыбается.", ""),
        ("若い女性がオフィスで微笑みながら話しています", ""),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    read = read_text(text)
    assert read.language == language
    assert ("prompt_language" in check_prompt(text).codes()) == (language != "en")


def test_the_parts_of_an_unknown_language_are_not_judged() -> None:
    report = check_prompt("Молодая женщина с длинными волосами стоит в офисе и улыбается.")
    assert report.codes() == {"prompt_length", "prompt_language"}


def test_token_estimate_is_not_below_what_words_need() -> None:
    assert tokens("a") == 2
    assert tokens("photorealistic") == 5
    assert tokens("女士") == 3
    assert tokens("one, two.") == 5


def test_sentences_are_the_text() -> None:
    text = "Aged 3.5 years. Is she? 他笑了。 \nYes"
    assert "".join(sentences(text)) == text
    assert len(sentences(text)) == 4


@pytest.mark.parametrize("part", PARTS)
def test_good_prompts_have_every_part(part: str) -> None:
    assert all(not missing(part, text) for text in (*GOOD.values(), *CHINESE_GOOD.values()))


@pytest.mark.parametrize(
    ("part", "element", "text"),
    [
        ("setting", "lighting", "She wears a light blue shirt and light makeup."),
        ("style", "style", "Her hairstyle is short and she looks stylish."),
        ("person", "hair", "His glance is hairless of fear."),
        ("setting", "lighting", "他是光头，目光坚定"),
        ("person", "clothing", "He looks into the subway."),
    ],
)
def test_words_that_only_look_alike_do_not_count(part: str, element: str, text: str) -> None:
    assert element in missing(part, text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a nice, NICE beautiful room", ["nice", "beautiful"]),
        ("cool white light at the Great Wall, good morning", []),
        ("a great-grandmother in her garden", []),
        ("an attractive, high-quality picture", ["attractive", "high-quality"]),
        ("漂亮的女士很好看", ["漂亮", "很好看"]),
        ("冷酷的表情", []),
    ],
)
def test_vague_words(text: str, found: list[str]) -> None:
    assert vague_words(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "She is not sad but happy.",
        "He is happy, never sad, and rather than crying he laughs.",
        "Her face goes from sad to happy.",
        "At first he is sad, then he smiles.",
        "He starts serious and ends laughing.",
        "She tells a sad story with a smile.",
        "She sits beside a standing lamp.",
        "He stands behind a desk; a cat is sitting on the chair.",
        "She stands up after sitting at the table.",
        "She is in an office with a view of a park.",
        "A young woman in an old library with an old book.",
        "He is in an office, not outdoors.",
        "A woman with long hair and a man's coat.",
        "Daylight-balanced lamps at night.",
        "她不悲伤，而是开心。",
        "他从悲伤变得开心。",
        "她坐着，没有站起来。",
        "他先站着，然后坐下。",
    ],
)
def test_denials_and_changes_are_no_contradictions(text: str) -> None:
    assert contradictions(text) == []


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("She is happy and sad.", ("happy", "sad")),
        ("He is cheerful, yet weeping.", ("cheerful", "weeping")),
        ("He sits. He is standing.", ("sits", "standing")),
        ("她开心地哭泣", ("开心", "哭泣")),
        ("The room is brightly lit and dimly lit.", ("brightly lit", "dimly lit")),
        ("He speaks with his mouth closed.", ("speaks", "with his mouth closed")),
        ("A close-up wide shot.", ("close-up", "wide shot")),
    ],
)
def test_contradictions_name_both_sides(text: str, pair: tuple[str, str]) -> None:
    assert contradictions(text) == [pair]


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        ("A woman at her desk", "female"),
        ("An old man", "male"),
        ("A presenter; he smiles", "male"),
        ("A man and a woman; she smiles", ""),
        ("A teacher", ""),
        ("一位男主持人", "male"),
        ("她在微笑", "female"),
    ],
)
def test_stated_sex(text: str, sex: str) -> None:
    assert stated_sex(text) == sex


def test_noun_and_pronoun_of_two_sexes_are_named() -> None:
    assert mixed_sex("A man at the desk. She smiles.") == ("man", "she")
    assert mixed_sex("A man at the desk. He smiles at her.") is None


def test_repair_cuts_at_a_sentence() -> None:
    text = SENTENCE * 80
    repaired = repair_prompt(text)
    assert "prompt_tokens" in repaired.before.codes()
    assert "prompt_tokens" not in repaired.after.codes()
    assert text.startswith(repaired.text)
    assert repaired.text.endswith("hands.")
    assert tokens(repaired.text + " " + SENTENCE) > 512
    assert len(repaired.steps) == 1


@pytest.mark.parametrize("text", ["word " * 3000, "字" * 3000, "x" * 5000])
def test_repair_of_one_endless_sentence(text: str) -> None:
    repaired = repair_prompt(text)
    assert 400 < tokens(repaired.text) <= 512


def test_repair_leaves_a_good_prompt_alone() -> None:
    repaired = repair_prompt(GOOD["captain"])
    assert (repaired.text, repaired.steps) == (GOOD["captain"], ())
    assert repair_prompt("  two\n\nlines\u200b ").text == "two lines"


def test_an_endless_prompt_is_answered() -> None:
    assert "prompt_length" in check_prompt("happy " * 1_000_000).codes()
