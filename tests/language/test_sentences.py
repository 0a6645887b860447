import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.language.sentences import MAX_SENTENCE_CHARS, SentenceStream, join_sentences, split_sentences
from tests.language.gaps import GAPS

PROSE = st.text(alphabet="aB 1.,!?…\n\"')—:;。，？！」中あ।-*#", max_size=300)


def stripped(text: str) -> list[str]:
    return [piece.strip() for piece in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("It is 3.14 or v1.2.3. Next.", ["It is 3.14 or v1.2.3.", "Next."]),
        ("Dr. Smith met Mrs. Jones. They spoke.", ["Dr. Smith met Mrs. Jones.", "They spoke."]),
        ("J. K. Rowling wrote it. Yes.", ["J. K. Rowling wrote it.", "Yes."]),
        ("Eat fruit, e.g. apples, etc. and so on. Done.", ["Eat fruit, e.g. apples, etc. and so on.", "Done."]),
        ("At 5 p.m. we left. At 6 p.m. They came.", ["At 5 p.m. we left.", "At 6 p.m.", "They came."]),
        ("See https://a.b/c.d?e=f. OK.", ["See https://a.b/c.d?e=f.", "OK."]),
        ("Wait... what? Well... I think so.", ["Wait... what?", "Well...", "I think so."]),
        ("“Really?” he asked. “Yes!” she said.", ["“Really?” he asked.", "“Yes!” she said."]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("No. 5 is alive. No. I won't.", ["No. 5 is alive.", "No.", "I won't."]),
        ("hello. how are you? i am fine.", ["hello.", "how are you?", "i am fine."]),
        ("你好，世界。今天好吗？“很好！”他说。", ["你好，世界。", "今天好吗？", "“很好！”", "他说。"]),
        ("こんにちは。元気ですか？はい！", ["こんにちは。", "元気ですか？", "はい！"]),
        ("मैं ठीक हूँ। आप कैसे हैं?", ["मैं ठीक हूँ।", "आप कैसे हैं?"]),
        ("Steps:\n1. First.\n2. Second\n- third", ["Steps:", "1. First.", "2. Second", "- third"]),
        ("One\ntwo\n\nThree", ["One\ntwo", "Three"]),
        ("no end", ["no end"]),
    ],
)
def test_sentences_end_where_a_reader_stops(text: str, expected: list[str]) -> None:
    assert stripped(text) == expected


@given(PROSE)
def test_nothing_is_lost(text: str) -> None:
    pieces = split_sentences(text)
    assert "".join(pieces) == text or not text.strip()
    assert all(piece.strip() for piece in pieces)
    assert all(len(piece.strip()) <= MAX_SENTENCE_CHARS for piece in pieces)


@given(st.text(max_size=300))
def test_nothing_of_any_text_is_lost(text: str) -> None:
    assert "".join(split_sentences(text)) == text or not text.strip()


@given(PROSE, st.lists(st.integers(1, 20), min_size=1, max_size=20))
def test_a_stream_loses_nothing_however_it_is_cut(text: str, sizes: list[int]) -> None:
    stream, pieces, rest = SentenceStream(), list[str](), text
    for index in range(len(text)):
        size = sizes[index % len(sizes)]
        pieces += stream.feed(rest[:size])
        rest = rest[size:]
    pieces += stream.flush()
    assert "".join(pieces).rstrip() == text.rstrip()
    assert all(piece.strip() for piece in pieces)


def test_a_sentence_is_released_as_soon_as_it_is_over() -> None:
    stream = SentenceStream()
    assert stream.feed("Hello there") == []
    assert stream.feed(".") == []
    assert stream.feed(" ") == ["Hello there. "]
    assert stream.feed("It is 3.") == []
    assert stream.feed("14 now") == []
    assert stream.flush() == ["It is 3.14 now"]
    assert stream.flush() == []


def test_a_long_first_sentence_is_cut_at_a_clause() -> None:
    text = "When you come to think of it, the whole thing, as far as anybody can see, is a matter of opinion and more"
    pieces = SentenceStream(first_clause_chars=60).feed(text)
    assert pieces == ["When you come to think of it, "]
    assert SentenceStream(first_clause_chars=0).feed(text) == []


def test_a_long_chinese_first_sentence_is_cut_sooner() -> None:
    text = "如果你仔细地想一想这件事情，你就会发现整个事情其实只是大家的看法不同"
    assert SentenceStream(first_clause_chars=60).feed(text) == ["如果你仔细地想一想这件事情，"]


def test_endless_text_is_cut_and_not_kept() -> None:
    stream = SentenceStream(max_chars=50)
    pieces = stream.feed("word " * 100_000)
    assert len(pieces) > 5000
    assert all(len(piece) <= 51 for piece in pieces)
    assert len(stream.rest) <= 60


def test_a_word_longer_than_any_sentence_is_cut_inside() -> None:
    assert "".join(split_sentences("a" * 1000, max_chars=100)) == "a" * 1000


def test_many_blank_lines_are_passed_over_in_no_time() -> None:
    text = "\n" * 20_000 + "One."
    began = time.process_time()
    assert split_sentences(text) == [text]
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Yes. It does!",
        "可以。不用下载！真的？",
        "“很好！”他说。「はい。」と言った。",
        "Say “你好”. 然后等。Then go on.",
        "Well… Let me see. “Yes…” She left.",
        "はい。そうです。",
        "",
    ],
)
def test_sentences_without_their_blanks_join_as_they_were(text: str) -> None:
    assert join_sentences(stripped(text)) == text


@pytest.mark.parametrize(
    ("sentences", "text"),
    [
        (["他说：“好！", "”", "Yes."], "他说：“好！”Yes."),
        (["Yes.", "”", "好。"], "Yes. ” 好。"),
        (["…", "好。"], "… 好。"),
        (["", "”", "", "好。"], "”  好。"),
    ],
)
def test_closing_signs_alone_end_the_sentence_before_them(sentences: list[str], text: str) -> None:
    assert join_sentences(sentences) == text


def test_many_sentences_join_in_no_time() -> None:
    began = time.process_time()
    assert join_sentences(["好。"] * 20_000) == "好。" * 20_000
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(("sentence", "gap"), GAPS)
def test_chinese_and_japanese_close_up_whatever_quotes_and_ellipses_end_them(sentence: str, gap: str) -> None:
    assert join_sentences([sentence, "X"]) == f"{sentence}{gap}X"
