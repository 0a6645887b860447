import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.tts.text import is_speakable, spoken_text


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        (
            "en",
            "It costs $3.50, £1 or $2.5 million.",
            "It costs 3 dollars and 50 cents, 1 pound or 2.5 million dollars.",
        ),
        ("en", "3.14 stays 3.14.", "3.14 stays 3.14."),
        ("en", "No. 5 vs. No. 6", "number 5 versus number 6"),
        ("en", "ASR and H.264", "A S R and H 264"),
        ("en", "10-20% on 2024-05-06", "10 to 20% on 2024-05-06"),
        ("en", "**bold**, *it* and `code`", "bold, it and code"),
        ("en", "# Title", "Title"),
        ("en", "- item\n- [x] done", "item\ndone"),
        ("en", "| a | b |\n|---|:---:|---: |\n| c | d |", "a, b\n\nc, d"),
        ("en", "see [the docs](http://x.y/z)", "see the docs"),
        ("en", "at https://www.example.com/docs/v1?x=1.", "at example dot com slash docs."),
        ("en", "mail a.b@c.com", "mail a dot b at c dot com"),
        ("en", "snake_case 3*4 a_b", "snake_case 3*4 a_b"),
        ("en", "a <b>bold</b> x < y", "a  bold  x < y"),
        ("en", "ok \U0001f600\U0001f44d\U0001f3fd!", "ok  !"),
        ("en", "a\u200bb\u00a0c", "ab c"),
        ("zh", "2024年涨了10%，25℃。", "二零二四年涨了百分之10，25摄氏度。"),
        ("de", "auf www.beispiel.de", "auf beispiel Punkt de"),
        ("fi", "www.esimerkki.fi nyt", "esimerkki.fi nyt"),
    ],
)
def test_what_is_written_becomes_what_is_said(language: str, written: str, said: str) -> None:
    assert spoken_text(written, language).text == said


@pytest.mark.parametrize("mark", ["-", "|---", "--- ", "*", "_ ", "[", "`", "=", "a.", "<a", " |"])
def test_repeated_marks_are_read_in_no_time(mark: str) -> None:
    written = (mark * 2000)[:2000] + "x"
    began = time.process_time()
    spoken_text(written, "en")
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("blank", [" ", "\t", " \t"])
def test_a_long_row_of_blanks_is_read_in_no_time(blank: str) -> None:
    """A sentence keeps the blanks around it, of which a text may have as many as it may have characters."""
    written = f"a{blank * 20_000}b | c{blank * 20_000}|"
    began = time.process_time()
    assert spoken_text(written, "en").text.split() == ["a", "b,", "c"]
    assert time.process_time() - began < 1.0


def test_places_point_into_the_written_text() -> None:
    written = "Pay **$3.50** now"
    spoken = spoken_text(written, "en")
    at = spoken.text.index("dollars")
    first, stop = spoken.span(at, at + 7)
    assert written[first:stop] == "$3.50"
    now = spoken.text.index("now")
    assert spoken.span(now, now + 3) == (14, 17)
    assert spoken.moved(10).span(now, now + 3) == (24, 27)


@given(st.text(alphabet="abc 1.,*_`#[](){}|-\n<>$%:/@", max_size=120), st.sampled_from(["en", "zh", "fr"]))
def test_places_are_always_within_the_text(written: str, language: str) -> None:
    spoken = spoken_text(written, language)
    assert len(spoken.text) == len(spoken.origins)
    assert all(0 <= first < stop <= len(written) for first, stop in spoken.origins)


@given(st.lists(st.sampled_from(["one", "two", "3.14", "Ω", "mañana", "世界"]), min_size=1, max_size=12))
def test_plain_words_all_stay(words: list[str]) -> None:
    assert spoken_text(", ".join(words), "en").text == ", ".join(words)


@pytest.mark.parametrize(
    ("text", "speakable"), [("a", True), ("5", True), ("世", True), ("...", False), ("\U0001f600", False)]
)
def test_only_letters_and_digits_can_be_spoken(text: str, speakable: bool) -> None:
    assert is_speakable(text) is speakable
