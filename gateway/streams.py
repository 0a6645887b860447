"""The two streamed forms of an answer: server-sent events, and the MP4 itself as it is made.

Both run the turn inside the request's own task, so that a client that leaves cancels it, and both
wait for the turn's first result before they answer: what fails until then has a proper status.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

import anyio
import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from comps.core.context import request_id
from comps.core.error_shape import error_body
from comps.core.errors import AvatarError
from gateway.turn_reply import Account, Sentence, StageTimes
from gateway.work_left import WorkLeft
from megaservice.flow.events import (
    Event,
    MediaFragment,
    MediaInit,
    SentenceSpoken,
    StageTiming,
    TextDelta,
    TranscriptHeard,
)

PING_EVERY_S = 15.0
WRITE_TIMEOUT_S = 30.0
"""Seconds a client may leave what was written unread; its turn holds a place that others want."""
Events = AsyncGenerator[Event, None]

logger = logging.getLogger(__name__)


class _UnreadError(Exception):
    """The client is connected but does not read."""


@contextlib.contextmanager
def _giving_up() -> Iterator[None]:
    """Leave the answer incomplete, and so the connection broken, when its client does not read it."""
    try:
        yield
    except _UnreadError as error:
        logger.info("the answer is given up: %s", error)


class VideoStream(Response):
    """The answer as fragmented MP4, written as it is made; ``X-Video-Id`` and ``Link`` say where it will be kept."""

    media_type = "video/mp4"

    def __init__(self, events: Events, account: Account) -> None:
        super().__init__()
        self._events = events
        self._account = account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the init segment and each fragment; a failure after the first byte breaks the connection."""
        begun = False
        with _giving_up():
            async with contextlib.aclosing(self._events) as events:
                async for event in events:
                    if isinstance(event, MediaInit) and not begun:
                        await _begin(send, self._about(event))
                        begun = True
                    if isinstance(event, MediaInit | MediaFragment):
                        await _body(send, event.payload)
            await _body(send, b"", more=False)

    def _about(self, init: MediaInit) -> dict[str, str]:
        path = f"/outputs/{self._account.video_id}.mp4"
        return {
            "Content-Type": init.mime,
            "Cache-Control": "no-store",
            "X-Video-Id": self._account.video_id,
            "X-Video-Size": f"{init.width}x{init.height}@{init.fps:g}",
            "Link": f'<{path}>; rel="canonical"; type="video/mp4"',
        }


class EventStream(Response):
    """The answer as server-sent events: ``start``, ``transcript``, ``text_delta``, ``sentence``, ``media``,
    ``progress``, ``timing``, then ``done`` or ``error``."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, account: Account, base_url: str) -> None:
        super().__init__()
        self._events = events
        self._account = account
        self._base_url = base_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send every event of the turn; a failure after the first one is an ``error`` event."""
        out = _EventWriter(send)
        with _giving_up():
            async with contextlib.aclosing(self._events) as events, out.pinging():
                try:
                    await self._tell(events, out)
                except AvatarError as error:
                    if not out.begun:
                        raise
                    await out.event("error", error_body(error, "gateway", request_id()))
            await _body(send, b"", more=False)

    async def _tell(self, events: Events, out: _EventWriter) -> None:
        work = WorkLeft()
        async for event in events:
            await out.begin(self._account.video_id)
            named, progress = describe(event), work.note(event)
            if named is not None:
                await out.event(*named)
            if progress is not None:
                await out.event("progress", progress)
        await out.event("done", self._account.reply(self._base_url).model_dump(exclude={"video_base64"}))


class _EventWriter:
    """Writes events one at a time; a comment goes out when nothing else did for a while."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = asyncio.Lock()
        self.begun = False

    async def begin(self, video_id: str) -> None:
        """Open the stream with its first event, once."""
        if self.begun:
            return
        self.begun = True
        async with self._lock:
            # nginx would otherwise collect the events before it passes them on
            await _begin(
                self._send,
                {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            )
        live = f"/v1/turns/{video_id}/video.mp4"
        await self.event("start", {"id": video_id, "request_id": request_id(), "live_path": live})

    async def event(self, name: str, data: Mapping[str, Any]) -> None:
        """One event."""
        encoded = b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))
        async with self._lock:
            await _body(self._send, encoded)

    @contextlib.asynccontextmanager
    async def pinging(self) -> AsyncGenerator[None, None]:
        """Keep proxies from closing a silent stream."""
        task = asyncio.create_task(self._ping())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            if self.begun:
                async with self._lock:
                    await _body(self._send, b": still working\n\n")


def describe(event: Event) -> tuple[str, dict[str, Any]] | None:
    """Name and data of an event as clients see it, or None for one they are not told."""
    if isinstance(event, TranscriptHeard):
        return "transcript", {"text": event.text, "language": event.language, "final": event.final}
    if isinstance(event, TextDelta):
        return "text_delta", {"text": event.text}
    if isinstance(event, SentenceSpoken):
        return "sentence", Sentence.of(event).model_dump()
    if isinstance(event, StageTiming):
        return "timing", {"stage": event.stage, **_stage_times(event)}
    if isinstance(event, MediaInit | MediaFragment):
        return "media", _media(event)
    return None


def _stage_times(event: StageTiming) -> dict[str, float | None]:
    times = StageTimes.of(event)
    begun, ended = times.first_input_s, times.first_output_s
    seconds = None if begun is None or ended is None else round(ended - begun, 4)
    return {**times.model_dump(), "seconds": seconds}


def _media(event: MediaInit | MediaFragment) -> dict[str, Any]:
    data = base64.b64encode(event.payload).decode()
    if isinstance(event, MediaInit):
        shape = {"mime": event.mime, "width": event.width, "height": event.height, "fps": event.fps}
        return {"kind": "init", **shape, "data": data}
    place = {"index": event.index, "start": event.start, "duration": event.duration, "frames": event.frames}
    return {"kind": "fragment", **place, "data": data}


async def _begin(send: Send, headers: Mapping[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})


async def _body(send: Send, data: bytes, *, more: bool = True) -> None:
    try:
        with anyio.fail_after(WRITE_TIMEOUT_S):
            await send({"type": "http.response.body", "body": data, "more_body": more})
    except TimeoutError as error:
        raise _UnreadError(f"the client has read nothing for {WRITE_TIMEOUT_S:g} s") from error
