"""Passing requests on to a service as they are: bodies streamed both ways, its errors kept.

Only the routes listed here are passed on; no part of a client's path is used but ids and names.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from comps.core.context import DEADLINE_HEADER, REQUEST_ID_HEADER, remaining_s, request_id
from comps.core.error_shape import error_from_response
from comps.core.errors import NotFoundError, UpstreamError, UpstreamTimeoutError
from megaservice.transport.endpoint import Endpoint

PASSED_UP = ("content-type", "accept", "range", "if-none-match", "if-modified-since", "if-range")
PASSED_DOWN = (
    "content-type",
    "content-length",
    "content-range",
    "content-disposition",
    "accept-ranges",
    "cache-control",
    "etag",
    "last-modified",
    "location",
    "retry-after",
)
_ERROR_BYTES = 64 * 1024
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")

EndpointOf = Callable[[str], Endpoint]


@dataclass(frozen=True, slots=True)
class Route:
    """A route passed on: `service` has it under the same `path`."""

    service: str
    path: str
    methods: tuple[str, ...]
    summary: str


ROUTES: tuple[Route, ...] = (
    Route("animation", "/v1/avatars", ("GET", "POST"), "List avatars, or register one from a picture"),
    Route("animation", "/v1/avatars/{avatar_id}", ("GET", "DELETE"), "One avatar: read, remove"),
    Route(
        "animation", "/v1/avatars/{avatar_id}/{part}", ("GET", "PUT"), "Its image, rig and rig preview; edit the rig"
    ),
    Route("animation", "/v1/presets", ("GET", "POST"), "The presets, and what a second of speech costs; measured"),
    Route("animation", "/v1/jobs/{job_id}", ("GET", "DELETE"), "A job: how far it has come; stop or remove it"),
    Route("animation", "/v1/jobs/{job_id}/resume", ("POST",), "Go on with a job that was stopped or failed"),
    Route("animation", "/v1/jobs/{job_id}/video.mp4", ("GET",), "The video of a finished job"),
    Route("animation", "/v1/check", ("POST",), "What a picture, a recording and a prompt are good for"),
    Route("animation", "/v1/check/rules", ("GET",), "Every rule of the coach with its threshold"),
    Route("animation", "/v1/check/compose", ("POST",), "A prompt from fields"),
    Route("animation", "/v1/audio2face", ("POST",), "Blend shapes of a recording: lines of JSON, or a file"),
    Route("asr", "/v1/asr", ("POST",), "Speech to text, OPEA form"),
    Route("asr", "/v1/audio/transcriptions", ("POST",), "Speech to text, OpenAI form"),
    Route("llm", "/v1/chat/completions", ("POST",), "Chat, OpenAI form"),
    Route("llm", "/v1/models", ("GET",), "Models of the language model service"),
    Route("tts", "/v1/tts", ("POST",), "Text to speech, OPEA form"),
    Route("tts", "/v1/audio/speech", ("POST",), "Text to speech, OpenAI form"),
    Route("tts", "/v1/voices", ("GET",), "Voices and their languages"),
)


def proxy_routes(endpoint_of: EndpointOf) -> APIRouter:
    """Routes that pass everything in `ROUTES` on to the endpoint of its service."""
    router = APIRouter()
    for route in ROUTES:
        pass_on = _passing(route, endpoint_of)
        for method in route.methods:  # each its own route, as each has its own id in the API's description
            router.add_api_route(
                route.path,
                pass_on,
                methods=[method],
                summary=route.summary,
                tags=[route.service],
                response_class=Response,
            )
    return router


def _passing(route: Route, endpoint_of: EndpointOf) -> Callable[[Request], Awaitable[Response]]:
    async def pass_on(request: Request) -> Response:
        return _Passed(endpoint_of(route.service), request, _path(route, request))

    pass_on.__name__ = f"pass_{route.service}_{route.path.strip('/').replace('/', '_')}"
    return pass_on


def _path(route: Route, request: Request) -> str:
    """The route's path with the client's ids in it, which are plain names or do not exist."""
    for name, value in request.path_params.items():
        if not _PLAIN_NAME.fullmatch(value):
            raise NotFoundError(f"there is no {name.removesuffix('_id')} of this name", param=name)
    return route.path.format(**request.path_params)


class _Passed(Response):
    """What the service answers, streamed; asked for when the response is sent, in the request's own task."""

    def __init__(self, endpoint: Endpoint, request: Request, path: str) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._path = path
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            try:
                response = await self._ask(stack)
            except (httpx.TimeoutException, TimeoutError) as error:
                raise UpstreamTimeoutError(f"{self._service} did not answer in time", service=self._service) from error
            except httpx.HTTPError as error:
                raise UpstreamError(
                    f"{self._service} cannot be reached; is it running?", service=self._service
                ) from error
            headers = {name: response.headers[name] for name in PASSED_DOWN if name in response.headers}
            streamed = StreamingResponse(response.aiter_raw(), response.status_code, headers)
            await streamed.stream_response(send)

    @property
    def _service(self) -> str:
        return self._endpoint.service

    async def _ask(self, stack: AsyncExitStack) -> httpx.Response:
        request = self._request
        outgoing = self._endpoint.client.build_request(
            request.method,
            self._endpoint.url(self._path),
            params=str(request.query_params),
            content=_body_of(request),
            headers=_headers_of(request),
        )
        response = await self._endpoint.client.send(outgoing, stream=True)
        stack.push_async_callback(response.aclose)
        if response.status_code >= 400:
            body = b""
            async for piece in response.aiter_bytes():
                body = (body + piece)[:_ERROR_BYTES]
            kind = response.headers.get("content-type", "")
            raise error_from_response(response.status_code, body, kind, self._service)
        return response


def _body_of(request: Request) -> AsyncIterator[bytes] | None:
    return request.stream() if request.method in ("POST", "PUT") else None


def _headers_of(request: Request) -> dict[str, str]:
    passed = {name: request.headers[name] for name in PASSED_UP if name in request.headers}
    if "content-length" in request.headers and request.method in ("POST", "PUT"):
        passed["content-length"] = request.headers["content-length"]
    passed[REQUEST_ID_HEADER] = request_id()
    left = remaining_s()
    if left is not None:
        passed[DEADLINE_HEADER] = str(round(left * 1000))
    # bodies are passed on as they come, so they must come as they are
    return {**passed, "accept-encoding": "identity"}
