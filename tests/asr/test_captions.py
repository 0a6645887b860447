from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from comps.asr.captions import MAX_CHARS, captions, srt, vtt
from comps.core.speech import Transcript, Word


def _transcript(*words: tuple[str, float, float]) -> Transcript:
    placed, at = [], 0
    for text, start, end in words:
        placed.append(Word(text, start, end, at, at + len(text)))
        at += len(text) + 1
    return Transcript(" ".join(text for text, _, _ in words), "en", tuple(placed), 10.0)


def test_a_pause_and_a_full_stop_begin_a_new_caption() -> None:
    transcript = _transcript(("Hello.", 0, 0.5), ("How", 0.6, 0.8), ("so", 0.9, 1.0), ("well", 3.0, 3.5))
    assert [(line.text, line.start, line.end) for line in captions(transcript)] == [
        ("Hello.", 0, 0.5), ("How so", 0.6, 1.0), ("well", 3.0, 3.5),
    ]  # fmt: skip


def test_subrip_and_webvtt() -> None:
    transcript = _transcript(("a<b", 3661.5, 3662.0))
    assert srt(transcript) == "1\n01:01:01,500 --> 01:01:02,000\na<b\n"
    assert vtt(transcript) == "WEBVTT\n\n01:01:01.500 --> 01:01:02.000\na&lt;b\n"


def test_without_words_there_is_one_caption() -> None:
    assert [(line.text, line.end) for line in captions(Transcript("all of it", "en", (), 4.0))] == [("all of it", 4.0)]
    assert captions(Transcript("", "en", (), 4.0)) == []


@given(st.lists(st.tuples(st.text("ab.", min_size=1, max_size=20), st.integers(0, 8), st.integers(0, 8)), max_size=60))
def test_no_word_is_lost_and_lines_can_be_read(parts: list[tuple[str, float, float]]) -> None:
    clock, words = 0.0, []
    for text, quarters, length in parts:
        words.append((text, clock + quarters / 4, clock + quarters / 4 + length / 4))
        clock += (quarters + length) / 4
    lines = captions(_transcript(*words))
    assert " ".join(line.text for line in lines).split() == " ".join(text for text, _, _ in words).split()
    assert all(len(line.text) <= MAX_CHARS for line in lines)
    assert all(a.end <= b.start for a, b in pairwise(lines))
