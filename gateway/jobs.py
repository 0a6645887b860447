"""`POST /v1/jobs`: long videos, made by the animation service in the background; a text is spoken first."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from comps.core.client import Call, request_bytes
from comps.core.errors import TooLargeError
from comps.core.framing import SPEECH_MEDIA_TYPE, pack, pack_speech
from comps.core.web.json_body import JsonRoute
from gateway.request import JobRequest
from gateway.turn_request import TurnBuilder
from megaservice.flow.animation import look_fields
from megaservice.flow.flow import AvatarFlow
from megaservice.flow.request import TurnRequest


@dataclass(frozen=True, slots=True)
class JobOffice:
    """Takes jobs in.

    Args:
        flow: speaks texts, and knows where the animation service is.
        builder: makes of bodies what the stages are asked for.
        max_bytes: most bytes of speech handed on.
    """

    flow: AvatarFlow
    builder: TurnBuilder
    max_bytes: int

    async def create(self, body: JobRequest) -> Response:
        """What the animation service says of the new job; errors are the client's or those of the services."""
        request = await self.builder.job(body)
        animation = self.flow.endpoint("animation")
        if body.text is None:
            fields = look_fields(request.picture, request.engines.animation)
            call = Call(animation.service, animation.url("/v1/jobs"), json={**fields, "audio": body.audio})
        else:
            speech = await self._speech(request)
            headers = {"content-type": SPEECH_MEDIA_TYPE}
            call = Call(animation.service, animation.url("/v1/jobs/speech"), content=speech, headers=headers)
        answer = await request_bytes(animation.client, call)
        location = {"Location": answer.headers["location"]} if "location" in answer.headers else {}
        return Response(answer.body, answer.status, location, "application/json")

    async def _speech(self, request: TurnRequest) -> bytes:
        """The messages of the whole speech, framed: `start`, `speech`..., `end`."""
        messages, size = list[bytes](), 0
        async with aclosing(self.flow.spoken(request)) as chunks:
            async for chunk in chunks:
                if not messages:
                    look = look_fields(request.picture, request.engines.animation)
                    messages.append(pack({"type": "start", "sample_rate": chunk.sample_rate, **look}))
                messages.append(pack_speech(chunk))
                size += len(messages[-1])
                if size > self.max_bytes:
                    raise TooLargeError(
                        f"the speech is larger than {self.max_bytes} bytes: send a shorter text", param="text"
                    )
        return b"".join((*messages, pack({"type": "end"})))


def _office_of(request: Request) -> JobOffice:
    office: JobOffice = request.app.state.jobs
    return office


def job_routes() -> APIRouter:
    """The route that takes jobs in; the others of `/v1/jobs` are passed on as they are."""
    router = APIRouter(tags=["animation"], route_class=JsonRoute)

    @router.post("/v1/jobs", status_code=202, response_class=Response)
    async def create(body: JobRequest, office: Annotated[JobOffice, Depends(_office_of)]) -> Response:
        """Make a long video in the background, of a recording or of a text; it can be stopped and gone on with."""
        return await office.create(body)

    return router
