"""What the gateway remembers of conversations whose client sends a `session_id` instead of `messages`."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from megaservice.flow.request import ChatTurn

MESSAGES = 40
"""Most messages remembered of one session; older ones are forgotten."""
SESSION_CHARACTERS = 100_000
"""Most characters remembered of one session; its older messages are forgotten."""
ALL_CHARACTERS = 20_000_000
"""Most characters remembered of all sessions together; the sessions used longest ago are forgotten."""


class Sessions:
    """Conversations by id, in memory: forgotten when idle for `age_s` seconds or when more than `count` are newer.

    The characters kept are bounded too: `SESSION_CHARACTERS` of one, `ALL_CHARACTERS` of all.
    """

    def __init__(self, count: int, age_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._age_s = age_s
        self._clock = clock
        self._characters = 0
        self._known: OrderedDict[str, tuple[float, tuple[ChatTurn, ...]]] = OrderedDict()

    def recall(self, session_id: str | None) -> tuple[ChatTurn, ...]:
        """What was said in the session so far; empty for a new one and for no id."""
        if session_id is None:
            return ()
        self._forget_idle()
        return self._known.get(session_id, (0.0, ()))[1]

    def note(self, session_id: str | None, question: str, answer: str) -> None:
        """Remember one question and its answer."""
        if session_id is None:
            return
        said = (*self.recall(session_id), ChatTurn("user", question), ChatTurn("assistant", answer))
        kept = _latest(said)
        self._characters += _size(kept) - _size(self._known.pop(session_id, (0.0, ()))[1])
        self._known[session_id] = (self._clock(), kept)
        while len(self._known) > self._count or self._characters > ALL_CHARACTERS:
            self._forget_oldest()

    def _forget_idle(self) -> None:
        limit = self._clock() - self._age_s
        while self._known and next(iter(self._known.values()))[0] < limit:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, (_, said) = self._known.popitem(last=False)
        self._characters -= _size(said)


def _latest(said: tuple[ChatTurn, ...]) -> tuple[ChatTurn, ...]:
    """The last of `said` that fit, whole questions with their answers."""
    kept = said[-MESSAGES:]
    while _size(kept) > SESSION_CHARACTERS:
        kept = kept[2:]
    return kept


def _size(said: tuple[ChatTurn, ...]) -> int:
    return sum(len(turn.content) for turn in said)
