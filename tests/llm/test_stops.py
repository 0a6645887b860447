from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.llm.engine import TextPiece, Usage
from comps.llm.stops import until_stop


class Source:
    """Pieces of text; remembers how many were taken and whether it was closed."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.taken = 0
        self.closed = False

    async def pieces(self) -> AsyncGenerator[TextPiece, None]:
        try:
            for index, text in enumerate(self.texts):
                self.taken += 1
                last = index == len(self.texts) - 1
                yield TextPiece(
                    text, sentence=index, finish="length" if last else None, usage=Usage(1, 2) if last else None
                )
        finally:
            self.closed = True


async def read(source: Source, *stops: str) -> list[TextPiece]:
    async with aclosing(until_stop(source.pieces(), stops)) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[TextPiece]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_without_stops_everything_passes_as_it_is() -> None:
    source = Source("One. ", "Two.")
    assert await read(source) == [piece async for piece in Source("One. ", "Two.").pieces()]


async def test_the_answer_ends_before_the_stop_and_the_work_with_it() -> None:
    source = Source("One. ", "Two STOP three. ", "Four.")
    pieces = await read(source, "STOP")
    assert text(pieces) == "One. Two "
    assert pieces[-1].finish == "stop"
    assert source.taken == 2
    assert source.closed


async def test_a_stop_across_pieces() -> None:
    assert text(await read(Source("ab S", "T", "OP cd", "ef"), "STOP")) == "ab "


async def test_what_only_begins_like_a_stop_is_said() -> None:
    pieces = await read(Source("ab S", "T", "AR"), "STOP")
    assert text(pieces) == "ab STAR"
    assert pieces[-1].finish == "length"
    assert pieces[-1].usage == Usage(1, 2)


async def test_a_whole_sentence_before_the_stop_keeps_its_tags() -> None:
    pieces = await read(Source("One. ", "Two. ", "X"), "Two")
    assert [piece.sentence for piece in pieces if piece.text] == [0]


async def test_the_first_of_several_stops_counts() -> None:
    assert text(await read(Source("a b c d"), "c", "b")) == "a "


async def test_a_longer_stop_that_began_earlier_wins() -> None:
    assert text(await read(Source("ab", "b"), "b", "abb")) == ""
    assert text(await read(Source("ab", "c"), "b", "abb")) == "a"


@given(
    st.lists(st.text("abX", max_size=6), min_size=1, max_size=6),
    st.lists(st.text("abX", min_size=1, max_size=3), max_size=3),
)
async def test_however_it_is_cut_the_text_is_that_before_the_first_stop(texts: list[str], stops: list[str]) -> None:
    whole = "".join(texts)
    places = [whole.find(stop) for stop in stops if stop in whole]
    assert text(await read(Source(*texts), *stops)) == whole[: min(places, default=len(whole))]


@pytest.mark.parametrize("stop", ["e", "One"])
async def test_a_stop_at_the_very_beginning_leaves_nothing(stop: str) -> None:
    pieces = await read(Source("e" if stop == "e" else "One"), stop)
    assert text(pieces) == ""
    assert pieces[-1].finish == "stop"
