"""`POST /v1/jobs`: long videos, made by the animation service in the background; a text is spoken first."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from comps.core.client import Answer, Call, request_bytes
from comps.core.errors import TooLargeError
from comps.core.framing import SPEECH_MEDIA_TYPE, pack, pack_speech
from comps.core.web.json_body import JsonRoute
from gateway.request import JobRequest
from gateway.turn_request import TurnBuilder
from gateway.turns import Admission
from megaservice.flow.animation import look_fields
from megaservice.flow.flow import AvatarFlow
from megaservice.flow.request import TurnRequest


@dataclass(frozen=True, slots=True)
class JobOffice:
    """Takes jobs in.

    Args:
        flow: speaks texts, and knows where the animation service is.
        builder: makes of bodies what the stages are asked for.
        admission: that of the turns, as a text is spoken like theirs.
        max_bytes: most bytes of speech handed on.
    """

    flow: AvatarFlow
    builder: TurnBuilder
    admission: Admission
    max_bytes: int

    async def create(self, body: JobRequest) -> Response:
        """What the animation service says of the new job; errors are the client's or those of the services."""
        if body.text is None:
            answer = await self._recorded(body)
        else:
            with self.admission.place():
                answer = await self._spoken(body)
        location = {"Location": answer.headers["location"]} if "location" in answer.headers else {}
        return Response(answer.body, answer.status, location, "application/json")

    async def _recorded(self, body: JobRequest) -> Answer:
        request, animation = await self.builder.job(body), self.flow.endpoint("animation")
        fields = {**look_fields(request.picture, request.engines.animation), "audio": body.audio}
        return await request_bytes(animation.client, Call(animation.service, animation.url("/v1/jobs"), json=fields))

    async def _spoken(self, body: JobRequest) -> Answer:
        """The answer to a job of a text, which is spoken only where there is a place for the job."""
        request, animation = await self.builder.job(body), self.flow.endpoint("animation")
        await request_bytes(animation.client, Call(animation.service, animation.url("/v1/jobs/place"), method="GET"))
        url, headers = animation.url("/v1/jobs/speech"), {"content-type": SPEECH_MEDIA_TYPE}
        speech = await self._speech(request)
        return await request_bytes(animation.client, Call(animation.service, url, content=speech, headers=headers))

    async def _speech(self, request: TurnRequest) -> bytes:
        """The messages of the whole speech, framed: `start`, `speech`..., `end`."""
        body = BytesIO()  # which gives its bytes without a copy
        async with aclosing(self.flow.spoken(request)) as chunks:
            async for chunk in chunks:
                if not body.tell():
                    look = look_fields(request.picture, request.engines.animation)
                    body.write(pack({"type": "start", "sample_rate": chunk.sample_rate, **look}))
                body.write(pack_speech(chunk))
                if body.tell() > self.max_bytes:
                    raise TooLargeError(
                        f"the speech is larger than {self.max_bytes} bytes: send a shorter text", param="text"
                    )
        body.write(pack({"type": "end"}))
        return body.getvalue()


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
