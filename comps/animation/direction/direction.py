"""Direction: what can be done about a prompt by an engine that moves a given picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from comps.animation.direction.backdrop import COLOURS, Backdrop
from comps.animation.direction.words import (
    BLURRED,
    COLOUR_WORDS,
    GROUND,
    LINKS,
    MANNERS,
    MOODS,
    NOT,
    PLACES,
    STUDIO,
    TURNS,
)

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|[\u4e00-\u9fff]|[.,;!?。，；！？]")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
Key = TypeVar("Key", str, float)
_NEAR_NOT = 3
"""Words within which a "not" is about what follows: "not in a garden"."""
_NEAR_COLOUR = 3
"""Words between a colour and the backdrop it paints: "blue office wall", "a wall of warm grey"."""


@dataclass(frozen=True, slots=True)
class Direction:
    """A prompt, understood.

    `emotion` is a name of `motion.emotion` or ``""`` where the prompt names no mood; `head_motion` is a factor on the
    head's movement (1 is usual); `not_shown` are places the prompt asks for, which a picture cannot be moved to.
    """

    emotion: str = ""
    head_motion: float = 1.0
    backdrop: Backdrop = field(default_factory=Backdrop)
    not_shown: tuple[str, ...] = ()


def read_prompt(prompt: str) -> Direction:
    """What `prompt`, English or Chinese, asks for; words of opposite moods leave the more frequent, then the first."""
    text = " ".join(prompt.lower().split())
    asked = _Words(text)
    manner = asked.most_named(MANNERS)
    return Direction(
        emotion=asked.most_named(MOODS) or "",
        head_motion=1.0 if manner is None else manner,
        backdrop=_backdrop(asked),
        not_shown=tuple(sorted(word for word in PLACES if asked.says(word))),
    )


def _backdrop(asked: _Words) -> Backdrop:
    colour = _colour_of_ground(asked.tokens) or ("black" if asked.says("dark background") else "")
    if any(asked.says(phrase) for phrase in STUDIO):
        return Backdrop("studio", colour or "grey")
    if colour:
        return Backdrop("plain", colour)
    if any(asked.says(phrase) for phrase in BLURRED):
        return Backdrop("blurred")
    return Backdrop()


def _colour_of_ground(tokens: list[str]) -> str:
    """The colour named of a word for the backdrop, before it or after ("the wall is white"); ``""`` when none is."""
    for place, token in enumerate(tokens):
        colour = COLOUR_WORDS.get(token, token)
        if colour not in COLOURS:
            continue
        before = [word for word in reversed(tokens[max(0, place - 3) : place]) if word not in LINKS]
        if _grounds(_clause(tokens[place + 1 : place + 2 + _NEAR_COLOUR])) or _grounds(before[:1]):
            return colour
    return ""


def _clause(tokens: list[str]) -> list[str]:
    """The words before the first comma, stop or "but"."""
    words: list[str] = []
    for token in tokens:
        if not token[0].isalnum() or token in TURNS:
            break
        words.append(token)
    return words


def _grounds(words: list[str]) -> bool:
    """Whether one of `words`, or Chinese characters together, stand for the backdrop."""
    pairs = (first + second for first, second in pairwise(words))
    triples = ("".join(words[at : at + 3]) for at in range(len(words) - 2))
    return not GROUND.isdisjoint((*words, *pairs, *triples))


class _Words:
    """The words of a prompt, and whether they are meant: "not smiling" does not say smiling."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(text)
        self._places: dict[str, list[int]] = {}
        for place, token in enumerate(self.tokens):
            self._places.setdefault(token, []).append(place)

    def places(self, phrase: str) -> list[int]:
        """Where `phrase` is said and meant, as numbers of tokens."""
        parts = list(phrase) if _CHINESE.search(phrase) else phrase.split()
        size = len(parts)
        starts = (at for at in self._places.get(parts[0], ()) if self.tokens[at : at + size] == parts)
        return [at for at in starts if not self._taken_back(at)]

    def _taken_back(self, at: int) -> bool:
        before = _clause(self.tokens[max(0, at - _NEAR_NOT) : at][::-1])
        return not NOT.isdisjoint(before)

    def says(self, phrase: str) -> bool:
        """Whether `phrase` is said and meant."""
        return bool(self.places(phrase))

    def most_named(self, table: dict[Key, frozenset[str]]) -> Key | None:
        """The key whose words are said most often, of equals the one said first; None when no word is."""
        found = {key: sorted(at for word in words for at in self.places(word)) for key, words in table.items()}
        said = {key: at for key, at in found.items() if at}
        return min(said, key=lambda key: (-len(said[key]), said[key][0])) if said else None
