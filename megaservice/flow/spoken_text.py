"""From what a language model writes to what a voice can say: marks and tags out, their meaning kept."""

from __future__ import annotations

import re
import unicodedata

from comps.core.speech import TaggedSentence

EMOTIONS = frozenset(
    ("neutral", "joy", "happy", "sad", "sadness", "anger", "angry", "fear", "disgust", "surprise", "calm", "excited")
)
"""Names that are a tag when they stand alone in brackets, as in ``[joy] I found it!``."""

_TOKEN = re.compile(
    r"""
      (?P<image>!\[[^\]]*\]\([^)]*\))
    | \[(?P<link>[^\]]+)\]\((?:[^()\s]|\([^)]*\))*\)
    | [\[<(](?P<tag>[a-z]+)[\]>)]\s*
    | (?P<html></?[a-zA-Z][^<>]*>)
    | (?P<fence>```\w*)
    | (?P<block>(?:^|(?<=\n))[^\S\n]*(?:[#]{1,6}|[-*+•>]|\|)[^\S\n]+)
    | (?P<emphasis>\*\*\*|\*\*|\*|(?<!\w)__?|__?(?!\w))
    | (?P<mark>[`|~]+|-{3,}|={3,})
    """,
    re.VERBOSE,
)


def tagged_sentence(index: int, raw: str, language: str = "") -> TaggedSentence | None:
    """The speakable form of one sentence of model output, or None when nothing in it can be said.

    ``**bold**`` and ``*italic*`` become emphasis, ``[joy]`` the sentence's emotion; headings, bullets,
    code marks, HTML, link targets and emoji are dropped.
    """
    reader = _Reader()
    position = 0
    for match in _TOKEN.finditer(raw):
        reader.text(raw[position : match.start()])
        reader.token(match)
        position = match.end()
    reader.text(raw[position:])
    text, emphasis = reader.result()
    if not any(character.isalnum() for character in text):
        return None
    return TaggedSentence(index, text, language, reader.emotion, emphasis)


class _Reader:
    """Collects speakable characters, and where the emphasised ones are."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._stressed: list[bool] = []
        self._open: str = ""
        self.emotion = ""

    def text(self, piece: str) -> None:
        for character in piece:
            if character.isspace():
                if self._out and self._out[-1] != " ":
                    self._put(" ")
            elif not _is_symbol(character):
                self._put(character)

    def token(self, match: re.Match[str]) -> None:
        if match["link"]:
            self.text(match["link"])
        elif match["tag"]:
            self._tag(match)
        elif match["emphasis"]:
            self._emphasis(match["emphasis"], match)
        elif match["mark"] or match["fence"] or match["html"]:
            self.text(" " if len(match.group()) > 1 else "")

    def _tag(self, match: re.Match[str]) -> None:
        if match["tag"] in EMOTIONS:
            self.emotion = self.emotion or match["tag"]
        elif not match.group().startswith("<"):
            self.text(match.group())

    def _emphasis(self, mark: str, match: re.Match[str]) -> None:
        """A mark opens or closes; one with white space on both sides (``2 * 3``) is a character."""
        before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
        if mark == "*" and (not before or before.isspace()) and (not after or after.isspace()):
            self.text(mark)
        else:
            self._open = "" if self._open else mark

    def _put(self, character: str) -> None:
        self._out.append(character)
        self._stressed.append(bool(self._open))

    def result(self) -> tuple[str, tuple[tuple[int, int], ...]]:
        """The text without white space at its end, and the emphasised ranges in it."""
        text = "".join(self._out).rstrip()
        ranges: list[tuple[int, int]] = []
        for index, stressed in enumerate(self._stressed[: len(text)]):
            if stressed and ranges and ranges[-1][1] == index:
                ranges[-1] = (ranges[-1][0], index + 1)
            elif stressed:
                ranges.append((index, index + 1))
        return text, tuple(ranges)


def _is_symbol(character: str) -> bool:
    """Emoji and dingbats, their joiners and variation selectors; signs a voice reads (%, +, °) stay."""
    code = ord(character)
    if code in (0x200D, 0xFE0E, 0xFE0F, 0x20E3) or 0x1F000 <= code <= 0x1FAFF or 0xE0000 <= code <= 0xE007F:
        return True
    return 0x2190 <= code <= 0x2BFF and unicodedata.category(character) == "So"
