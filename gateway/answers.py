"""One question answered in the form its client asked for."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from comps.core.web.accept import EVENTS, VIDEO, preferred
from gateway.request import AnimateRequest, AvatarChatRequest, Reply, SayRequest
from gateway.sessions import Sessions
from gateway.settings import GatewaySettings
from gateway.streams import EventStream, VideoStream
from gateway.turn_reply import VIDEO_PREFIX, Account, TurnReply
from gateway.turn_request import TurnBuilder
from gateway.turns import Build, Turns
from gateway.video_store import VideoStore
from megaservice.flow.events import Event, TurnDone


@dataclass(frozen=True, slots=True)
class Answers:
    """What the routes that answer need; made once when the gateway starts."""

    settings: GatewaySettings
    builder: TurnBuilder
    turns: Turns
    store: VideoStore
    sessions: Sessions

    async def chat(self, body: AvatarChatRequest, request: Request, *, stream: bool = False) -> Response:
        """Answer a question; errors are the one tree's."""
        memory = () if body.messages else self.sessions.recall(body.session_id)
        account = Account(self.store.new_id(), body.question)
        events = self._remembered(self.turns.run(partial(self.builder.chat, body, memory), account), body, account)
        return await self._respond(events, account, body, request, stream=stream)

    async def say(self, body: SayRequest, request: Request) -> Response:
        """Speak a text as it is."""
        return await self._plain(partial(self.builder.say, body), body, request)

    async def animate(self, body: AnimateRequest, request: Request) -> Response:
        """Mouth a recording as it is."""
        return await self._plain(partial(self.builder.animate, body), body, request)

    async def _plain(self, build: Build, body: Reply, request: Request) -> Response:
        account = Account(self.store.new_id())
        return await self._respond(self.turns.run(build, account), account, body, request)

    async def _respond(
        self,
        events: AsyncGenerator[Event, None],
        account: Account,
        body: Reply,
        request: Request,
        *,
        stream: bool = False,
    ) -> Response:
        form = preferred(",".join(request.headers.getlist("accept")))
        base_url = str(request.base_url).rstrip("/")
        if stream or body.stream or form == EVENTS:
            return EventStream(events, account, base_url)
        if form == VIDEO:
            return VideoStream(events, account)
        async with aclosing(events):
            async for _ in events:
                pass
        return await self._document(body, account, base_url)

    async def _document(self, body: Reply, account: Account, base_url: str) -> Response:
        chosen = body.response_format or self.settings.default_response_format
        if chosen == "path":
            return JSONResponse(f"{VIDEO_PREFIX}{account.video_id}.mp4")
        reply = account.reply(base_url)
        if chosen == "b64_json":
            reply.video_base64 = await _base64_of(self.store.find(account.video_id))
        return _json(reply)

    async def _remembered(
        self, events: AsyncGenerator[Event, None], body: AvatarChatRequest, account: Account
    ) -> AsyncGenerator[Event, None]:
        """The same events; at the end of a good turn its session learns question and answer."""
        async with aclosing(events):
            async for event in events:
                yield event
                if isinstance(event, TurnDone):
                    self.sessions.note(body.session_id, event.transcript or body.question, event.text)


def _json(reply: TurnReply) -> Response:
    shown: dict[str, Any] = reply.model_dump(mode="json", exclude_none=False)
    if reply.video_base64 is None:
        del shown["video_base64"]
    return JSONResponse(shown)


async def _base64_of(path: Path) -> str:
    def encode() -> str:
        return base64.b64encode(path.read_bytes()).decode()

    return await anyio.to_thread.run_sync(encode)
