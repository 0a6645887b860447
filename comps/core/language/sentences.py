"""Cut text into sentences, whole or while it is still being written, without losing a character.

Pieces are verbatim: joined they are the input (white space after the last sentence excepted when
streaming), so text positions stay true. No piece is blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

MAX_SENTENCE_CHARS = 400
"""A sentence longer than this is cut at a clause, a blank, or in a word, in this order."""

_SLICE_CHARS = 1024
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f"
_CLOSERS = "\"'”’»›)\\]}」』）】》〉*_"
# Where a sentence may end. Dots of other scripts: Devanagari, Arabic, Urdu, Armenian, Khmer, Burmese, Ethiopic.
_WIDE_STOPS = "。！？｡।॥؟۔։។။።"
# gateway/page/gap.js has the same rule; a test compares them.
_CLOSED_UP = re.compile(rf"[{_CJK}\u3000-\u303f\uff00-\uff65]")
_BEHIND_LAST_SIGN = "\"'”’»›)]}*_…⋯"
_CANDIDATE = re.compile(rf"(?P<stop>[.!?…{_WIDE_STOPS}]+)(?P<closers>[{_CLOSERS}]*)|(?P<line>\n[^\S\n]*)")
_WORD_BEFORE = re.compile(r"[^\s\"'“‘«(\[{]*$")
_LIST_MARKER = re.compile(r"(?:^|\n)\s*(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})$")
_BLOCK_START = re.compile(r"(?:[-*+•–#>|]|\d{1,3}[.)])\s")
_CLAUSE = re.compile(rf"[,;:—–،؛](?=\s)[{_CLOSERS}]*\s*|[，；：、][{_CLOSERS}]*|\s[—–-]\s")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")

# Never the end of a sentence, or only when something tells so (a capital after it).
_TITLES = frozenset((
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "rev", "hon", "gen", "col", "maj", "sgt", "capt", "cmdr", "lt",
    "adm", "gov", "sen", "messrs", "mme", "mlle", "hr", "fr", "eds", "vs", "cf", "viz", "approx", "e.g", "i.e",
    "eg", "ie", "bzw", "z.b", "d.h", "u.a", "p.ex", "sr", "sra",
))  # fmt: skip
_OPEN = frozenset((
    "etc", "inc", "ltd", "co", "corp", "bros", "jr", "esq", "dept", "est", "sec", "usw", "u.s", "u.k", "e.u",
    "u.n", "a.m", "p.m", "b.c", "a.d", "ph.d", "m.d", "al", "jan", "feb", "mar", "apr", "jun", "jul", "aug",
    "sep", "sept", "oct", "nov", "dec", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "ave", "blvd", "rd",
))  # fmt: skip
_NUMBERED = frozenset((
    "no", "nos", "nr", "art", "p", "pp", "fig", "figs", "eq", "eqs", "ch", "vol",
))  # fmt: skip

Verdict = Literal["end", "inside", "wait"]


def join_sentences(sentences: Iterable[str]) -> str:
    """The text of sentences without white space around them: a blank between two, but none after a Chinese or Japanese one.

    Such a one ends in Chinese or Japanese writing or a full-width sign, before any closing quotes, brackets and ellipses.
    """
    pieces: list[str] = []
    last = ""
    for sentence in sentences:
        pieces.append(f" {sentence}" if last and not _CLOSED_UP.match(last) else sentence)
        last = _last_sign(last + pieces[-1])
    return "".join(pieces)


def _last_sign(text: str) -> str:
    """The character of `text` that decides on the gap after it: the last but for closing ones, if there is another."""
    return text.rstrip(_BEHIND_LAST_SIGN)[-1:] or text[-1:]


def split_sentences(text: str, max_chars: int = MAX_SENTENCE_CHARS) -> list[str]:
    """Sentences of a complete text; ``"".join(split_sentences(t)) == t`` unless `t` is blank.

    Abbreviations, initials, decimals, versions, addresses and list numbers do not end a sentence;
    ``...`` does only before a capital. Each sentence keeps the white space after it.
    """
    stream = SentenceStream(max_chars=max_chars, first_clause_chars=0)
    return stream.feed(text) + stream.flush()


class SentenceStream:
    """Sentences out of text that arrives in pieces of any size.

    Args:
        max_chars: bound on a sentence, and so on what is held back.
        first_clause_chars: when the first sentence is longer than this it is cut at a clause, so
            that speech starts early; 0 never does. Chinese and Japanese count three times.
    """

    def __init__(self, max_chars: int = MAX_SENTENCE_CHARS, first_clause_chars: int = 80) -> None:
        self._max_chars = max_chars
        self._first_clause_chars = first_clause_chars
        self._buffer = ""
        self._released = False

    @property
    def rest(self) -> str:
        """Text that has come in but not gone out."""
        return self._buffer

    def feed(self, delta: str) -> list[str]:
        """Take the next piece of text; returns the sentences that it completes, possibly none."""
        pieces: list[str] = []
        # In slices, so that a book given at once is not copied for each of its sentences.
        for start in range(0, len(delta), _SLICE_CHARS):
            self._buffer += delta[start : start + _SLICE_CHARS]
            pieces += self._take(final=False)
        return pieces

    def flush(self) -> list[str]:
        """The sentences left when the text is over; blank text is dropped. The stream is empty after it."""
        pieces = list(self._take(final=True))
        rest, self._buffer, self._released = self._buffer, "", False
        if rest.strip():
            return [*pieces, rest]
        return [*pieces[:-1], pieces[-1] + rest] if pieces else []

    def _take(self, *, final: bool) -> Iterator[str]:
        while cut := self._next_cut(final=final):
            piece, self._buffer = self._buffer[:cut], self._buffer[cut:]
            self._released = True
            yield piece

    def _next_cut(self, *, final: bool) -> int:
        """Length of the next piece to release, or 0."""
        end = sentence_end(self._buffer, final=final)
        if 0 < end <= self._max_chars:
            return end
        if len(self._buffer.strip()) > self._max_chars:
            return _forced_cut(self._buffer, self._max_chars)
        if end or final or self._released or not self._first_clause_chars:
            return end
        return _first_clause(self._buffer, self._first_clause_chars)


def sentence_end(text: str, *, final: bool) -> int:
    """Index just after the first sentence of `text` and the white space behind it, or 0 when there is none yet.

    With `final` nothing follows `text`; without, an end that the next character could undo is not given.
    """
    begin = len(text) - len(text.lstrip())
    for match in _CANDIDATE.finditer(text):
        if match.start() <= begin:
            continue
        verdict = _judge_line(text, match, final) if match["line"] else _judge_stop(text, match, final)
        if verdict == "wait":
            return 0
        if verdict == "end":
            return _past_blank(text, match.end())
    return 0


def _past_blank(text: str, index: int) -> int:
    while index < len(text) and text[index].isspace():
        index += 1
    return index


def _judge_line(text: str, match: re.Match[str], final: bool) -> Verdict:
    """A blank line, a list item or a heading begins a new sentence; a single line break does not."""
    following = text[match.end() :]
    if not following:
        return "inside" if final else "wait"
    if following[0] == "\n" or _BLOCK_START.match(following):
        return "end"
    # The start of a marker that is still being written: "12" of "12. Twelfth".
    return "wait" if not final and re.fullmatch(r"[-*+•–#>|]|\d{1,3}[.)]?", following) else "inside"


def _judge_stop(text: str, match: re.Match[str], final: bool) -> Verdict:
    stop, after = match["stop"], text[match.end() :]
    if not after:
        return "end" if final else "wait"
    if stop[-1] in _WIDE_STOPS:
        return "end"
    if not after[0].isspace():
        return "end" if stop[-1] in "!?" and re.match(f"[{_CJK}]", after) else "inside"
    following = after.lstrip()
    if stop == ".":
        return _judge_dot(text[: match.start()], following, final)
    if match["closers"] or stop[-1] in ".…":
        return _by_capital(following, final)
    return "end"


def _judge_dot(before: str, following: str, final: bool) -> Verdict:
    """A single dot before white space: end of a sentence, or of an abbreviation, an initial, a list number."""
    found = _WORD_BEFORE.search(before)
    word = found.group() if found else ""
    lower = word.lower()
    if lower in _TITLES or _LIST_MARKER.search(before):
        return "inside"
    if lower in _NUMBERED:
        if not following and not final:
            return "wait"
        return "inside" if following[:1].isdigit() else "end"
    if lower in _OPEN or word == "I":
        return _by_capital(following, final)
    if _INITIALS.fullmatch(word) and word[-1].isupper():
        return "inside"
    return "end"


def _by_capital(following: str, final: bool) -> Verdict:
    """Something that may or may not end a sentence does so before anything but a small letter."""
    if not following:
        return "end" if final else "wait"
    return "inside" if following[0].islower() else "end"


def _forced_cut(text: str, limit: int) -> int:
    """Where to cut a sentence that is too long: after its last clause, at its last blank, or at `limit`."""
    head = text[:limit]
    clauses = [m.end() for m in _CLAUSE.finditer(head) if head[: m.end()].strip()]
    if clauses and clauses[-1] >= limit // 4:
        return clauses[-1]
    blank = max(head.rfind(" "), head.rfind("\n"))
    return blank + 1 if head[: blank + 1].strip() and blank >= limit // 4 else limit


def _first_clause(text: str, limit: int) -> int:
    """End of the first clause that is worth speaking alone, when `text` is longer than `limit`; else 0."""
    if _weight(text) < limit:
        return 0
    for match in _CLAUSE.finditer(text):
        # What follows the clause must have begun: white space could still be growing.
        if _weight(text[: match.end()]) >= limit / 3 and match.end() < len(text):
            return match.end()
    return 0


def _weight(text: str) -> int:
    """Characters, Chinese and Japanese ones counted three times, as they take about as long to say."""
    return len(text) + 2 * len(re.findall(f"[{_CJK}]", text))
