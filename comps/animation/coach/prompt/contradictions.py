"""Statements of a prompt that cannot be true at once; a change from one to the other is none, and a denial takes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice

from comps.animation.coach.prompt.opposites import OPPOSITES, Opposites, Side
from comps.animation.coach.prompt.text import sentences

_DENIAL = re.compile(
    r"\b(?:no|not|never|without|neither|nor|rather than|instead of|free of|avoid(?:s|ing)?|lack(?:s|ing)?(?: of)?|cannot|"
    r"\w+n['’]t|hardly|nothing)\b(?:\s+[\w'’-]+){0,3}\s*$",
    re.IGNORECASE,
)
_DENIAL_SIGNS = re.compile("(?:不是|不|没有|没|无|非|并非|毫无|别|而非|避免)[^，。；！？、,;.]{0,3}$")
_CLAUSE_END = re.compile(r"[,;:.!?，。；：！？]|\b(?:but|yet|and|while|though|although)\b|但|却|而是")
_CHANGE = re.compile(
    r"\b(?:then|later|afterwards?|finally|eventually|gradually|slowly|becom(?:es|ing)|turn(?:s|ing)? (?:in)?to|chang(?:es|ing)|until|before|after|"
    r"when|once|fad(?:es|ing)|giv(?:es|ing) way|shift(?:s|ing)?|melts? into|breaks? into|ends?|next|transform(?:s|ing)?|switch(?:es|ing)?|"
    r"sits? down|stands? up|gets? up|rises|now)\b|然后|接着|随后|最后|逐渐|渐渐|变成|变得|转为|直到|之后|之前|再|转而|起身|坐下|后来",
    re.IGNORECASE,
)
_START = re.compile(
    r"\b(?:from|between|at first|first|initially|starts?|begin(?:s|ning)?|opens?)\b|从|起初|一开始|先|由", re.IGNORECASE
)
_THING = re.compile(
    r"\b(?:vases?|lamps?|chairs?|tables?|cats?|dogs?|birds?|horses?|trees?|bookcases?|shelf|shelves|cars?|houses?|buildings?|towers?|plants?|"
    r"statues?|bottles?|cups?|clocks?|pianos?|screens?|boards?|whiteboards?|pendulums?|mirrors?|flowers?|pots?|audience|crowds?|people|guests?|"
    r"children|others|visitors?|students?|colleagues|passers-by|team|boats?|mountains?|waves?|curtains?|flags?|books?|candles?|desks?)"
    r"(?:\s+(?:is|are|was|were|that|which|who|quietly|gently|slowly))*\s+$",
    re.IGNORECASE,
)
_GOAL = re.compile(r"\b(?:to|into|and)\b|到|至|变|后|转", re.IGNORECASE)

_CHANGE_WITHIN = 300
_MOST_MENTIONS = 24
_LOOK_BACK = 80
"""Characters before a phrase that are looked at for what takes it back."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A phrase that says one side of a pair of opposites, and where it stands."""

    phrase: str
    start: int
    stop: int


def contradictions(text: str) -> list[tuple[str, str]]:
    """Pairs of phrases of `text` that contradict each other, at most one of every kind, in the order of the text."""
    found = [pair for opposites in OPPOSITES if (pair := _contradiction(opposites, text))]
    return [(first.phrase, second.phrase) for first, second in sorted(found, key=lambda pair: pair[0].start)]


def _contradiction(opposites: Opposites, text: str) -> tuple[Mention, Mention] | None:
    said = [list(islice(_mentions(side, text, opposites.of_person), _MOST_MENTIONS)) for side in opposites.sides]
    for one, other in combinations(said, 2):
        for first in one:
            for second in other:
                earlier, later = sorted((first, second), key=lambda mention: mention.start)
                if later.start >= earlier.stop and not _changes(text, earlier, later):
                    return earlier, later
    return None


def _mentions(side: Side, text: str, of_person: bool) -> Iterator[Mention]:
    for pattern in side:
        for match in pattern.finditer(text):
            before = text[max(0, match.start() - _LOOK_BACK) : match.start()]
            if not is_denied(before) and not (of_person and _THING.search(before)):
                yield Mention(match[0].strip().lower(), match.start(), match.end())


def is_denied(before: str) -> bool:
    """Whether what stands `before` a phrase, in its own clause, takes it back."""
    clause = _CLAUSE_END.split(before[-_LOOK_BACK:])[-1]
    return bool(_DENIAL.search(clause) or _DENIAL_SIGNS.search(clause))


def _changes(text: str, earlier: Mention, later: Mention) -> bool:
    """Whether the text tells of a change from the earlier to the later."""
    between = text[earlier.stop : later.start]
    if len(between) > _CHANGE_WITHIN or len(sentences(between)) > 2:
        return False
    sentence = max((text.rfind(mark, 0, earlier.start) for mark in ".!?。！？"), default=-1)
    opening = text[sentence + 1 : earlier.start]
    return bool(_CHANGE.search(between) or (_START.search(opening[-60:]) and _GOAL.search(between)))
