"""Stop strings, for engines that do not know them: the answer ends just before the first one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from comps.llm.engine import TextPiece


async def until_stop(
    pieces: AsyncGenerator[TextPiece, None], stops: tuple[str, ...]
) -> AsyncGenerator[TextPiece, None]:
    """The pieces up to the first stop string, which may lie across pieces; `pieces` is closed there.

    What could be the beginning of a stop string is held back until it is known not to be.
    """
    held: list[TextPiece] = []
    async with aclosing(pieces):
        async for piece in pieces:
            held.append(piece)
            text = "".join(part.text for part in held)
            undecided = 0 if piece.finish else _possible_stop(text, stops)
            cut = _first_stop(text, stops)
            if cut is not None:
                if cut <= len(text) - undecided:
                    break
                continue  # a longer stop may have begun before this one
            while held and len(text) - len(held[0].text) >= undecided:
                part = held.pop(0)
                text = text[len(part.text) :]
                yield part
    cut = _first_stop("".join(part.text for part in held), stops)
    for part in held if cut is None else _cut(held, cut):
        yield part
    if cut is not None:
        yield TextPiece("", finish="stop", usage=held[-1].usage)


def _first_stop(text: str, stops: tuple[str, ...]) -> int | None:
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return min(places, default=None)


def _possible_stop(text: str, stops: tuple[str, ...]) -> int:
    """Characters at the end of `text` that begin a stop string."""
    longest = max((len(stop) for stop in stops), default=1) - 1
    lengths = range(min(longest, len(text)), 0, -1)
    return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in stops)), 0)


def _cut(pieces: list[TextPiece], length: int) -> list[TextPiece]:
    """The first `length` characters of the pieces; what is cut is no whole sentence any more."""
    kept: list[TextPiece] = []
    for piece in pieces:
        if len(piece.text) <= length:
            kept.append(replace(piece, finish=None, usage=None))
        elif length > 0:
            kept.append(replace(piece, text=piece.text[:length], sentence=None, finish=None, usage=None))
        length -= len(piece.text)
        if length <= 0:
            break
    return kept
