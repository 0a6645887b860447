"""What the gateway remembers of conversations whose client sends a `session_id` instead of `messages`."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from megaservice.flow.request import ChatTurn

MESSAGES = 40
"""Most messages remembered of one session; older ones are forgotten."""


class Sessions:
    """Conversations by id, in memory: forgotten when idle for `age_s` seconds or when more than `count` are newer."""

    def __init__(self, count: int, age_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._age_s = age_s
        self._clock = clock
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
        self._known[session_id] = (self._clock(), said[-MESSAGES:])
        self._known.move_to_end(session_id)
        while len(self._known) > self._count:
            self._known.popitem(last=False)

    def _forget_idle(self) -> None:
        limit = self._clock() - self._age_s
        while self._known and next(iter(self._known.values()))[0] < limit:
            self._known.popitem(last=False)
