import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.language.scripts import detect_language, script_of, script_runs


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en"),
        ("使用 Python 编程", "zh"),
        ("I love 北京 very much", "en"),
        ("こんにちは世界", "ja"),
        ("안녕하세요", "ko"),
        ("Привет", "ru"),
        ("Привіт, як справи", "uk"),
        ("नमस्ते", "hi"),
        ("مرحبا", "ar"),
        ("Γειά", "el"),
        ("thế giới", "vi"),
        ("3.14 !", "en"),
        ("", "en"),
    ],
)
def test_letters_tell_the_language(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_latin_letters_give_the_default() -> None:
    assert detect_language("Guten Tag", "de") == "de"
    assert script_of("ß") == "Latn"
    assert script_of("5") == ""


def test_foreign_letters_are_a_run_of_their_own() -> None:
    text = "I love 北京, Привет!"
    runs = [(text[run.start : run.end], run.language) for run in script_runs(text, "en")]
    assert runs == [("I love ", "en"), ("北京, ", "zh"), ("Привет!", "ru")]


def test_latin_letters_stay_with_any_language() -> None:
    assert [run.language for run in script_runs("我用 Python。", "zh")] == ["zh"]
    assert [run.language for run in script_runs("日本の Tokyo", "ja")] == ["ja"]


@given(st.text(max_size=80), st.sampled_from(["en", "zh", "ja", "ru", "hi"]))
def test_runs_cover_the_text(text: str, language: str) -> None:
    runs = script_runs(text, language)
    assert "".join(text[run.start : run.end] for run in runs) == text
    assert all(a.end == b.start and a.language != b.language for a, b in itertools.pairwise(runs))
