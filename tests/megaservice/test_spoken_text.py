"""From model output to what a voice says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megaservice.flow.spoken_text import tagged_sentence


def said(raw: str) -> str:
    sentence = tagged_sentence(0, raw)
    return "" if sentence is None else sentence.text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Plain text stays, as it is.", "Plain text stays, as it is."),
        ("It is **very** good.", "It is very good."),
        ("See [the docs](https://example.com/a_(b)).", "See the docs."),
        ("![a cat](cat.png) Meow.", "Meow."),
        ("# Heading one", "Heading one"),
        ("- first item", "first item"),
        ("Run `make demo` now.", "Run make demo now."),
        ("A <b>bold</b> word.", "A bold word."),
        ("Well done! 🎉👍🏽", "Well done!"),
        ("2 * 3 is 6.", "2 * 3 is 6."),
        ("snake_case_name stays", "snake_case_name stays"),
        ("20 °C, 50 % and a + b", "20 °C, 50 % and a + b"),
        ("two\n  lines", "two lines"),
        ("array[i] and f(x)", "array[i] and f(x)"),
        ("你好，世界。", "你好，世界。"),
    ],
)
def test_marks_go_and_words_stay(raw: str, text: str) -> None:
    assert said(raw) == text


@pytest.mark.parametrize("raw", ["", "  \n", "---", "**", "🎉", "...", "```", "[joy]"])
def test_nothing_to_say_is_none(raw: str) -> None:
    assert tagged_sentence(0, raw) is None


def test_tags_become_emotion_and_marks_become_emphasis() -> None:
    sentence = tagged_sentence(3, "[joy] I *really* mean **it all**!", "en")
    assert sentence is not None
    assert (sentence.index, sentence.language, sentence.emotion) == (3, "en", "joy")
    assert sentence.text == "I really mean it all!"
    assert [sentence.text[a:b] for a, b in sentence.emphasis] == ["really", "it all"]


@given(st.text(alphabet=st.characters(whitelist_categories=("Lu", "Ll", "Nd")), min_size=1, max_size=30))
def test_plain_words_are_never_lost(word: str) -> None:
    assert said(f"Say {word} **{word}** end.") == f"Say {word} {word} end."


@given(st.text(max_size=200))
def test_any_text_gives_ranges_inside_it(raw: str) -> None:
    sentence = tagged_sentence(0, raw)
    if sentence is not None:
        assert all(0 <= a < b <= len(sentence.text) for a, b in sentence.emphasis)
        assert sentence.text == sentence.text.strip()
