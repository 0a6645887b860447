"""Each failure through a real server: its status, its code, one shape, and nothing of what broke inside."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest
import websockets
from fastapi import File, UploadFile

from .conftest import Serving, make_app

JSON = {"Content-Type": "application/json"}
FIELDS = {"code", "message", "service", "node", "param", "retryable", "request_id"}


def _error(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == FIELDS
    assert body["error"]["service"] == "tts"
    assert body["error"]["request_id"] == response.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize(
    ("sent", "status", "code", "param", "words"),
    [
        ({"content": b""}, 400, "bad_request", None, "empty"),
        ({"content": b"", "headers": JSON}, 400, "bad_request", None, "empty"),
        ({"content": b"{", "headers": JSON}, 400, "bad_request", None, "not valid JSON"),
        ({"content": b"\xff\xfe", "headers": JSON}, 400, "bad_request", None, ""),
        ({"content": b"what is this"}, 400, "bad_request", None, "not JSON"),
        ({"json": {}}, 422, "unprocessable", "text", "text is missing"),
        ({"json": {"text": 5}}, 422, "unprocessable", "text", "text must be a text"),
        ({"json": {"text": "a", "speed": 9}}, 422, "unprocessable", "speed", "speed must be at most 4"),
        ({"json": ["a"]}, 422, "unprocessable", None, ""),
        ({"json": None}, 400, "bad_request", None, ""),
    ],
)
async def test_bodies_that_cannot_be_used(
    serving: Serving, sent: dict[str, Any], status: int, code: str, param: str | None, words: str
) -> None:
    async with serving(make_app()) as client:
        response = await client.post("/v1/echo", **sent)
    assert response.status_code == status
    error = _error(response)
    assert (error["code"], error["param"]) == (code, param)
    assert words in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/voice", 422, "unknown_choice"),
        ("GET", "/v1/avatar", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/echo", 405, "method_not_allowed"),
        ("GET", "/v1/broken", 500, "internal"),
        ("GET", "/v1/full", 507, "storage_full"),
    ],
)
async def test_routes_that_fail(serving: Serving, method: str, path: str, status: int, code: str) -> None:
    async with serving(make_app()) as client:
        response = await client.request(method, path)
    assert response.status_code == status
    assert _error(response)["code"] == code
    assert "secret" not in response.text
    assert "Traceback" not in response.text


async def test_a_wrong_method_says_which_are_right(serving: Serving) -> None:
    async with serving(make_app()) as client:
        assert (await client.get("/v1/echo")).headers["allow"] == "POST"


async def test_an_unexpected_error_is_logged_with_its_trace(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with serving(make_app()) as client:
            await client.get("/v1/broken")
    assert "secret detail" in caplog.text


async def test_forms_that_are_broken_or_empty(serving: Serving) -> None:
    app = make_app()

    @app.post("/v1/upload")
    async def upload(file: UploadFile = File()) -> int:  # noqa: B008 - FastAPI reads the default
        return len(await file.read())

    async with serving(app) as client:
        broken = {"Content-Type": "multipart/form-data; boundary=x"}
        cases = [
            ({"content": b""}, 400),
            ({"content": b"no parts", "headers": broken}, 400),
            ({"files": {"other": b"abc"}}, 422),
            ({"files": {"file": b"abc"}}, 200),
        ]
        for sent, status in cases:
            response = await client.post("/v1/upload", **sent)  # type: ignore[arg-type]
            assert response.status_code == status, response.text
            if status != 200:
                _error(response)


async def test_request_ids_are_kept_when_sane_and_made_otherwise(serving: Serving) -> None:
    async with serving(make_app()) as client:
        kept = await client.get("/health", headers={"X-Request-ID": "turn-7.a:b_c"})
        assert kept.headers["x-request-id"] == "turn-7.a:b_c"
        seen = {kept.headers["x-request-id"]}
        for bad in ("", "a b", "x" * 200, "{json}", "-dash"):
            response = await client.get("/health", headers={"X-Request-ID": bad})
            assert response.headers["x-request-id"].isalnum()
            seen.add(response.headers["x-request-id"])
    assert len(seen) == 6


async def test_a_stream_that_breaks_is_seen_to_be_broken(serving: Serving) -> None:
    async with serving(make_app()) as client, client.stream("GET", "/v1/half") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await response.aread()


async def test_streams_pass_untouched(serving: Serving) -> None:
    async with serving(make_app()) as client, client.stream("GET", "/v1/stream") as response:
        assert [piece async for piece in response.aiter_raw()] == [b"one", b"two", b"three"]


async def test_access_log_names_the_route_and_no_content(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "avatar.access"):
        async with serving(make_app()) as client:
            await client.post("/v1/echo?key=private", json={"text": "my private question"})
    fields = caplog.records[-1].__dict__["fields"]
    assert fields["route"] == "/v1/echo"
    assert (fields["method"], fields["status"], fields["service"]) == ("POST", 200, "tts")
    assert "private" not in json.dumps(fields) + caplog.text


async def test_websockets_pass_and_end_with_an_error_message(serving: Serving) -> None:
    async with serving(make_app()) as client:
        url = str(client.base_url.copy_with(scheme="ws", path="/v1/socket"))
        async with websockets.connect(url, additional_headers={"X-Request-ID": "turn-8"}) as socket:
            assert socket.response is not None
            assert socket.response.headers["x-request-id"] == "turn-8"
            await socket.send("hello")
            assert await socket.recv() == "HELLO"
            await socket.send("fail")
            message = json.loads(await socket.recv())
            assert message["type"] == "error"
            assert message["error"]["code"] == "no_speech"
            assert message["error"]["request_id"] == "turn-8"
        async with websockets.connect(url) as socket:
            await socket.send("break")
            message = json.loads(await socket.recv())
            assert message["error"]["code"] == "internal"
            assert "secret" not in str(message)


async def test_a_websocket_that_is_not_admitted_gets_the_status(serving: Serving) -> None:
    app = make_app()
    async with serving(app) as client:
        app.state.readiness.become("stopping", "the service is shutting down")
        url = str(client.base_url.copy_with(scheme="ws", path="/v1/socket"))
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(url):
                pass
    assert refused.value.response.status_code == 503
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "not_ready"
