"""The node that shows: speech in, video fragments out, over one session per answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import orjson

from comps.core.error_shape import error_from_body
from comps.core.errors import UpstreamError, UpstreamTimeoutError
from comps.core.framing import Header, pack_speech, unpack
from comps.core.speech import SpeechChunk
from megaservice.flow.events import MediaFragment, MediaInit
from megaservice.flow.request import PictureOptions
from megaservice.tasks import end_tasks
from megaservice.transport.channel import Channel, ChannelClosedError
from megaservice.transport.endpoint import Endpoint

STALL_S = 60.0
"""Longest silence of the animation once it has all the speech, seconds."""


class AnimationNode:
    """`SpeechChunk`s on the answer's clock → `MediaInit`, then `MediaFragment`s.

    The session opens when the node starts, before there is speech, so that the avatar is ready by then.
    """

    def __init__(self, endpoint: Endpoint, picture: PictureOptions, *, engine: str, sample_rate: int) -> None:
        self._endpoint, self._picture = endpoint, picture
        self._engine, self._sample_rate = engine, sample_rate

    async def __call__(self, speech: AsyncIterator[SpeechChunk]) -> AsyncGenerator[MediaInit | MediaFragment, None]:
        """Show the speech; leaving early closes the session, which stops the work."""
        async with self._endpoint.websocket("/v1/animation/stream") as channel:
            await self._send_start(channel)
            sending = asyncio.create_task(_send_speech(channel, speech))
            try:
                async for media in self._media(channel, sending):
                    yield media
            finally:
                await end_tasks([sending])

    async def _send_start(self, channel: Channel) -> None:
        look = look_fields(self._picture, self._engine)
        start = {"type": "start", "format": "fmp4", "sample_rate": self._sample_rate, **look}
        with suppress(ChannelClosedError):  # why it closed is what is read next
            await channel.send(orjson.dumps(start).decode())

    async def _media(
        self, channel: Channel, sending: asyncio.Task[None]
    ) -> AsyncGenerator[MediaInit | MediaFragment, None]:
        ready: Header = {}
        while True:
            message = await self._receive(channel, sending)
            if isinstance(message, bytes):
                yield self._parse(message, ready)
                continue
            kind, body = self._text(message)
            if kind == "error":
                raise error_from_body(body, self._endpoint.service)
            if kind == "end":
                return
            if kind == "ready":
                ready = body

    async def _receive(self, channel: Channel, sending: asyncio.Task[None]) -> str | bytes:
        """The next message; once all speech is sent, silence for `STALL_S` is an error."""
        service = self._endpoint.service
        try:
            with anyio.fail_after(None) as scope:

                def bound(_: object) -> None:
                    scope.deadline = anyio.current_time() + STALL_S

                # calls `bound` soon where all is sent already, else when it is
                sending.add_done_callback(bound)
                try:
                    return await channel.receive()
                finally:
                    sending.remove_done_callback(bound)
        except ChannelClosedError as error:
            raise UpstreamError(
                f"{service} ended the session before the video was complete", service=service
            ) from error
        except TimeoutError as error:
            raise UpstreamTimeoutError(f"{service} sent nothing for {STALL_S:g} s", service=service) from error

    def _text(self, message: str) -> tuple[str, Header]:
        try:
            body = orjson.loads(message)
            return str(body["type"]), body
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise self._garbage(error) from error

    def _parse(self, message: bytes, ready: Header) -> MediaInit | MediaFragment:
        try:
            fps = float(ready.get("fps") or self._picture.fps or 0)
            header, payload = unpack(message)
            match header["type"]:
                case "init":
                    width, height = int(ready["width"]), int(ready["height"])
                    return MediaInit(str(ready["mime"]), width, height, fps, payload)
                case "fragment":
                    start, duration = float(header["start"]), float(header["duration"])
                    return MediaFragment(int(header["index"]), start, duration, int(header["frames"]), payload)
        except (KeyError, TypeError, ValueError) as error:
            raise self._garbage(error) from error
        raise self._garbage(header["type"])

    def _garbage(self, what: object) -> UpstreamError:
        service = self._endpoint.service
        return UpstreamError(f"{service} sent a message that is not part of the session: {what!r}", service=service)


def look_fields(picture: PictureOptions, engine: str) -> dict[str, Any]:
    """What the animation service is asked for, under its names: in a session's start and in a job."""
    fields: dict[str, Any] = {
        "engine": engine or None,
        "fps": picture.fps,
        "size": picture.size,
        "emotion": picture.emotion,
        "prompt": picture.prompt,
        "backdrop": picture.backdrop,
        "seed": picture.seed,
        "enhancer": picture.enhancer,
        "enhancer_strength": picture.enhancer_strength,
        "preset": picture.preset,
    }
    return fields | ({"avatar": picture.avatar} if picture.avatar else {})


async def _send_speech(channel: Channel, speech: AsyncIterator[SpeechChunk]) -> None:
    """Send the speech and its end; a session that closes meanwhile shows itself where media is read."""
    with suppress(ChannelClosedError):
        async for chunk in speech:
            await channel.send(pack_speech(chunk))
        await channel.send('{"type":"end"}')
