"""When each stage of a turn got its first input, gave its first output, and was done."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from megaservice.flow.events import Stage, StageTiming
from megaservice.stream_graph import Message


class StageClocks:
    """The clocks of one turn's stages, in the order of the flow."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._marks: dict[Stage, dict[str, float]] = {}

    def timed(
        self, stage: Stage, node: Callable[[Any], AsyncGenerator[Message, None]]
    ) -> Callable[[AsyncIterator[Message]], AsyncGenerator[Message, None]]:
        """`node` with its first input, first output and end noted."""
        marks = self._marks.setdefault(stage, {})

        async def noted(messages: AsyncIterator[Message]) -> AsyncIterator[Message]:
            async for message in messages:
                marks.setdefault("input", self._now())
                yield message

        async def run(messages: AsyncIterator[Message]) -> AsyncGenerator[Message, None]:
            async with aclosing(node(noted(messages))) as outputs:
                async for output in outputs:
                    marks.setdefault("output", self._now())
                    yield output
            marks["end"] = self._now()

        return run

    def timings(self) -> list[StageTiming]:
        """One per stage that took part, seconds since the turn began."""
        return [
            StageTiming(stage, marks.get("input"), marks.get("output"), marks.get("end"))
            for stage, marks in self._marks.items()
        ]

    def waiting_for(self) -> str:
        """The first stage that is not done, which is the one the others wait for."""
        return next((stage for stage, marks in self._marks.items() if "end" not in marks), "")

    def _now(self) -> float:
        return time.monotonic() - self._started
