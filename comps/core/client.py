"""Calls to other services: one pooled client, errors that name who failed, deadlines carried along.

`create_client` makes the client once per program; `request_json`, `request_bytes` and `stream_bytes`
run one `Call` over it. Any httpx transport can be given, so a service in the same process is called
the same way as one on another machine.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from math import inf
from typing import Any, TypeVar
from urllib.request import getproxies

import anyio
import httpx
import orjson

from comps.core.context import DEADLINE_HEADER, REQUEST_ID_HEADER, remaining_s, request_id
from comps.core.error_shape import error_from_response, excerpt
from comps.core.errors import AvatarError, UpstreamError, UpstreamTimeoutError

_PROXIED = frozenset(("http", "https", "all"))
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")
_ERROR_BODY_BYTES = 64 * 1024
_RETRIES_AFTER_S = (0.05, 0.2, 0.8)
_LONGEST_WAIT_S = 2.0

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a pooled client connects. Times in seconds; `read_timeout_s` is the longest silence."""

    api_key: str | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 120.0
    pool_timeout_s: float = 10.0
    max_connections: int = 256
    keepalive_expiry_s: float = 20.0
    transport: httpx.AsyncBaseTransport | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a service.

    Args:
        service: name in errors (``asr``).
        url: absolute, or relative to the client's base URL.
        json: body as JSON; or `content`, raw bytes; or `files` and `data`, a form.
        idempotent: doing it twice does no harm, so that it may be tried again after any passing failure;
            otherwise it is tried again only when no connection was made.
        timeout_s: longest time for the whole call, from its first attempt to the last byte of a streamed answer;
            the deadline of the request being served also holds. Silence is bounded by the client.
        max_bytes: longest answer taken by `request_json` and `request_bytes`.
    """

    service: str
    url: str
    method: str = "POST"
    json: Any = None
    content: bytes | None = None
    data: Mapping[str, Any] | None = None
    files: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = False
    timeout_s: float | None = None
    max_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A good (2xx) answer, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def content_type(self) -> str:
        """Media type without parameters, lower case."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()


def create_client(base_url: str = "", options: ClientOptions | None = None) -> httpx.AsyncClient:
    """A pooled client; close it with ``aclose`` or use it as an async context manager.

    Proxies of the environment are honoured except for loopback addresses; no cookies are kept; no
    ``Authorization`` header is sent when there is no key.
    """
    chosen = options or ClientOptions()
    limits = httpx.Limits(max_connections=chosen.max_connections, keepalive_expiry=chosen.keepalive_expiry_s)
    transport = chosen.transport or _pooled(limits)
    # The pool knows no proxies: where there are some, it serves this machine, and httpx's own the rest.
    proxied = chosen.transport is None and not _PROXIED.isdisjoint(getproxies())
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {chosen.api_key}"} if chosen.api_key else {},
        timeout=httpx.Timeout(chosen.read_timeout_s, connect=chosen.connect_timeout_s, pool=chosen.pool_timeout_s),
        limits=limits,
        transport=None if proxied else transport,
        mounts=dict.fromkeys(_LOOPBACK, transport) if proxied else None,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
    )


def _pooled(limits: httpx.Limits) -> httpx.AsyncBaseTransport:
    # aiohttp takes a tenth of a second to import; a program that only calls apps in its own process never needs it.
    from comps.core.transport import PooledTransport

    return PooledTransport(limits)


async def request_json(client: httpx.AsyncClient, call: Call) -> Any:
    """The JSON a service answers with.

    Raises:
        UpstreamError: it refused, failed, broke off, or answered with something else than JSON.
        UpstreamTimeoutError: it took too long.
        AvatarError: its own 4xx, passed on.
    """
    return json_of(await request_bytes(client, call), call.service)


def json_of(answer: Answer, service: str) -> Any:
    """The JSON of `answer`; raises UpstreamError naming `service` when it is something else."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        kind = answer.content_type or "no content type"
        came = "broken JSON" if "json" in kind else f"{kind} instead of JSON"
        raise UpstreamError(f"{service} answered {came}: {excerpt(answer.body)}", service=service) from error


async def request_bytes(client: httpx.AsyncClient, call: Call) -> Answer:
    """The whole answer of a service; errors as for `request_json`."""
    return await _retrying(call, partial(_request_once, client))


async def stream_bytes(client: httpx.AsyncClient, call: Call) -> AsyncGenerator[bytes, None]:
    """The answer piece by piece as it arrives; errors as for `request_json`, also in the middle.

    Closing the iterator closes the connection, which tells the service to stop.
    """
    ends = time.monotonic() + _budget(call)
    async with open_stream(client, call) as response:
        pieces = response.aiter_bytes()
        while True:
            with _mapped(call), anyio.fail_after(ends - time.monotonic()):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece


@asynccontextmanager
async def open_stream(client: httpx.AsyncClient, call: Call) -> AsyncIterator[httpx.Response]:
    """A good answer whose headers have arrived and whose body has not been read."""
    response = await _retrying(call, partial(_open_once, client))
    try:
        yield response
    finally:
        await _close(response)


async def _open_once(client: httpx.AsyncClient, call: Call, budget_s: float) -> httpx.Response:
    with _mapped(call), anyio.fail_after(budget_s):
        return await _send(client, call, budget_s)


async def _request_once(client: httpx.AsyncClient, call: Call, budget_s: float) -> Answer:
    with _mapped(call), anyio.fail_after(budget_s):
        response = await _send(client, call, budget_s)
        try:
            body = await _read(response, call.max_bytes)
        finally:
            await _close(response)
    if body is None:
        raise UpstreamError(f"{call.service} answered with more than {call.max_bytes} bytes", service=call.service)
    return Answer(response.status_code, response.headers, body)


async def _send(client: httpx.AsyncClient, call: Call, budget_s: float) -> httpx.Response:
    response = await client.send(_request(client, call, _headers(call, budget_s)), stream=True)
    if response.is_success:
        return response
    try:
        body = await _read(response, _ERROR_BODY_BYTES, cut=True)
    finally:
        await _close(response)
    raise error_from_response(
        response.status_code,
        body or b"",
        response.headers.get("content-type", ""),
        call.service,
        retry_after_s=_retry_after_s(response),
    )


def _request(client: httpx.AsyncClient, call: Call, headers: dict[str, str]) -> httpx.Request:
    """`call` as httpx sends it."""
    url = _parsed(call.url)
    content = orjson.dumps(call.json) if call.json is not None else call.content
    if url.is_relative_url or call.data or call.files:
        return client.build_request(
            call.method, url, content=content, data=call.data, files=call.files, headers=headers
        )
    # A client of `create_client` has no more to add than headers, and httpx takes long to merge what it might have.
    own = [(name.encode(), value.encode()) for name, value in headers.items()]
    given = {name.lower() for name, _ in own}
    inherited = [(name, value) for name, value in client.headers.raw if name.lower() not in given]
    return httpx.Request(call.method, url, content=content, headers=inherited + own)


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Taking a URL apart costs httpx a tenth of a whole call, and services are called at few URLs."""
    return httpx.URL(url)


async def _close(response: httpx.Response) -> None:
    """Close also when cancelled, as only that tells the service to stop."""
    if not response.is_closed:
        with anyio.CancelScope(shield=True):
            await response.aclose()


async def _read(response: httpx.Response, max_bytes: int, *, cut: bool = False) -> bytes | None:
    """The body; when it is longer than `max_bytes`, its beginning if `cut`, else None."""
    pieces, length = [], 0
    # httpx has read a body already that it was given whole, and keeps it unpacked.
    unpacked = "content-encoding" not in response.headers and not response.is_stream_consumed
    async for piece in response.aiter_raw() if unpacked else response.aiter_bytes():
        pieces.append(piece)
        length += len(piece)
        if length > max_bytes:
            return b"".join(pieces)[:max_bytes] if cut else None
    return b"".join(pieces)


def _headers(call: Call, budget_s: float) -> dict[str, str]:
    headers = {"Content-Type": "application/json"} if call.json is not None else {}
    if identity := request_id():
        headers[REQUEST_ID_HEADER] = identity
    if budget_s < inf:
        headers[DEADLINE_HEADER] = str(int(budget_s * 1000))
    return {**headers, **call.headers}


def _budget(call: Call) -> float:
    """Seconds this call may take: its own limit or what is left for the request being served."""
    left = remaining_s()
    limits = [limit for limit in (call.timeout_s, left) if limit is not None]
    return min(limits, default=inf)


@contextmanager
def _mapped(call: Call) -> Iterator[None]:
    """Turn what httpx raises into our errors, which name the service."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException) as error:
        raise UpstreamTimeoutError(f"{call.service} did not answer in time", service=call.service) from error
    except httpx.ConnectError as error:
        message = f"{call.service} cannot be reached; is it running?"
        raise UpstreamError(message, service=call.service) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        message = f"the connection to {call.service} failed ({type(error).__name__})"
        raise UpstreamError(message, service=call.service) from error


async def _retrying(call: Call, once: Callable[[Call, float], Awaitable[ResultT]]) -> ResultT:
    """The result of `once`, tried again after growing pauses while that is harmless and there is time.

    Every attempt gets the call and the seconds that are left of its budget.
    """
    left_s = _budget(call)
    ends = time.monotonic() + left_s
    for pause_s in _RETRIES_AFTER_S:
        try:
            return await once(call, left_s)
        except AvatarError as error:
            asked_s = error.retry_after_s
            wait_s = pause_s * random.uniform(0.75, 1.25) if asked_s is None else asked_s
            if not _may_retry(call, error) or wait_s > _LONGEST_WAIT_S or wait_s >= ends - time.monotonic():
                raise
        await anyio.sleep(wait_s)
        left_s = max(0.0, ends - time.monotonic())
    return await once(call, left_s)


def _may_retry(call: Call, error: AvatarError) -> bool:
    if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True
    return call.idempotent and error.retryable and not isinstance(error, UpstreamTimeoutError)


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None
