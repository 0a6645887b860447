"""One turn: its id, its events, its end, and the one handle that stops all of its work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Protocol

import anyio

from comps.core.context import deadline_var, request_id_var
from comps.core.errors import AvatarError, UpstreamTimeoutError
from comps.core.language.sentences import join_sentences
from megaservice.flow.events import (
    Event,
    MediaFragment,
    MediaInit,
    SentenceSpoken,
    StageTiming,
    TranscriptHeard,
    TurnDone,
    TurnFailed,
)
from megaservice.flow.timing import StageClocks
from megaservice.tasks import end_tasks

EVENTS_AHEAD = 64
_GRACE_S = 0.25
"""A stage's own time-out, which can say more, comes this long before the turn's."""

LAST_EVENTS_S = 30.0
"""Seconds the listener may take for what a finished turn still has to say; then it ends unsaid."""

logger = logging.getLogger(__name__)


class Work(Protocol):
    """What a turn does: it tells `turn` by `emit`, and returns when all is said."""

    async def __call__(self, turn: Turn) -> None:
        """Run to the end of the answer; raises AvatarError."""


class Turn:
    """An answer in the making. Iterate it for its events; the last is `TurnDone` or `TurnFailed`.

    After `cancel` no event comes any more, not even one that was waiting, and the iteration ends.
    """

    def __init__(self, turn_id: str, deadline_s: float) -> None:
        self.id = turn_id
        self.clocks = StageClocks()
        self.cancelled = False
        self._deadline_s = deadline_s
        self._started = time.monotonic()
        self._events_in, self._events_out = anyio.create_memory_object_stream[Event](EVENTS_AHEAD)
        self._task: asyncio.Task[None] | None = None
        self._summary = _Summary()

    def start(self, work: Work) -> None:
        """Begin; the work runs in a task of its own until `close`."""
        self._task = asyncio.create_task(self._conduct(work), name=f"turn:{self.id}")

    def cancel(self) -> None:
        """Stop everything at once; what is under way is dropped."""
        if self._task is not None and not self.cancelled:
            self._task.cancel()
        self.cancelled = True
        self._events_in.close()

    async def close(self) -> None:
        """Stop what still runs and wait until it has."""
        try:
            if self._task is not None:
                await end_tasks([self._task], cancel=not self.cancelled)
        finally:
            self._events_in.close()
            self._events_out.close()

    async def emit(self, event: Event) -> None:
        """Tell whoever listens, waiting while they do not keep up."""
        self._summary.note(event, time.monotonic() - self._started)
        if not self.cancelled:
            await self._events_in.send(event)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events in the order they happened."""
        async for event in self._events_out:
            if self.cancelled:
                return
            yield event

    async def _conduct(self, work: Work) -> None:
        request_id_var.set(self.id)
        deadline_var.set(self._started + self._deadline_s)
        with self._events_in:
            failure = await self._run(work)
            # past the deadline, which bounds the work alone
            with anyio.move_on_after(LAST_EVENTS_S):
                for timing in self.clocks.timings():
                    await self.emit(timing)
                total = time.monotonic() - self._started
                await self.emit(TurnFailed(failure) if failure else self._summary.done(total))

    async def _run(self, work: Work) -> AvatarError | None:
        try:
            with anyio.fail_after(self._deadline_s + _GRACE_S):
                await work(self)
        except AvatarError as error:
            return error
        except TimeoutError:
            stage = self.clocks.waiting_for()
            return UpstreamTimeoutError(f"the answer was not ready in {self._deadline_s:g} s", service=stage)
        except Exception:
            # Task boundary: whoever listens must learn that no more will come.
            logger.exception("turn failed")
            return AvatarError("internal error; the log says more")
        return None


class _Summary:
    """What `TurnDone` says, gathered from the events."""

    def __init__(self) -> None:
        self._transcript = ""
        self._text: list[str] = []
        self._end = 0.0
        self._frames = 0
        self._fps = 0.0
        self._first_fragment_s: float | None = None

    def note(self, event: Event, now_s: float) -> None:
        match event:
            case TranscriptHeard(text=text, final=True):
                self._transcript = text
            case SentenceSpoken(text=text):
                self._text.append(text)
            case MediaInit(fps=fps):
                self._fps = fps
            case MediaFragment():
                self._frames += event.frames
                self._end = max(self._end, event.start + event.duration)
                if self._first_fragment_s is None:
                    self._first_fragment_s = now_s
            case StageTiming() | _:
                pass

    def done(self, total_s: float) -> TurnDone:
        return TurnDone(
            text=join_sentences(self._text),
            transcript=self._transcript,
            duration=self._end,
            frames=self._frames,
            fps=self._fps,
            first_fragment_s=self._first_fragment_s,
            total_s=total_s,
        )
