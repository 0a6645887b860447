from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import BackgroundTasks

from comps.core.context import remaining_s
from comps.core.settings import ServiceSettings

from .conftest import Serving, make_app


async def _pieces(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"a" * size


async def test_a_declared_length_over_the_limit_is_refused(serving: Serving) -> None:
    async with serving(make_app(ServiceSettings(max_body_bytes=1000))) as client:
        response = await client.post("/v1/echo", json={"text": "a" * 1000})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"
    assert "1000 bytes" in response.json()["error"]["message"]


async def test_an_undeclared_length_is_counted_while_it_streams(serving: Serving) -> None:
    async with serving(make_app(ServiceSettings(max_body_bytes=1000))) as client:
        kind = {"Content-Type": "application/json"}
        response = await client.post("/v1/echo", content=_pieces(30, 100), headers=kind)
        assert response.status_code == 413
        assert response.json()["error"]["service"] == "tts"
        assert (await client.post("/v1/echo", json={"text": "a"})).status_code == 200


async def test_a_body_of_just_the_limit_passes(serving: Serving) -> None:
    body = b'{"text": "a"}'
    async with serving(make_app(ServiceSettings(max_body_bytes=len(body)))) as client:
        kind = {"Content-Type": "application/json"}
        assert (await client.post("/v1/echo", content=body, headers=kind)).status_code == 200
        assert (await client.post("/v1/echo", content=body + b" ", headers=kind)).status_code == 413


async def test_more_requests_than_fit_get_429_and_probes_still_pass(serving: Serving) -> None:
    app = make_app(ServiceSettings(max_concurrent=1))
    async with serving(app) as client:
        first = asyncio.create_task(client.post("/v1/slow"))
        await app.state.events.wait_for("started")
        response = await client.post("/v1/echo", json={"text": "a"})
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
        assert response.json()["error"] | {"request_id": ""} == {
            "code": "busy",
            "message": "1 requests are being served, which is as many as fit",
            "service": "tts",
            "node": "tts",
            "param": None,
            "retryable": True,
            "request_id": "",
        }
        assert (await client.get("/readyz")).status_code == 200
        first.cancel()
        await app.state.events.wait_for("cancelled")
        assert (await client.post("/v1/echo", json={"text": "a"})).status_code == 200


async def test_a_client_that_leaves_stops_the_work(serving: Serving) -> None:
    app = make_app()
    async with serving(app) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/v1/slow", timeout=httpx.Timeout(5, read=0.1))
        await app.state.events.wait_for("cancelled")


async def test_a_client_that_leaves_a_stream_stops_the_work(serving: Serving) -> None:
    app = make_app()
    async with serving(app) as client:
        async with client.stream("GET", "/v1/slow_stream") as response:
            assert await anext(response.aiter_bytes()) == b"first"
            await app.state.events.wait_for("started")
        await app.state.events.wait_for("cancelled")


async def test_a_deadline_sent_along_is_enforced(serving: Serving) -> None:
    app = make_app()
    async with serving(app) as client:
        response = await client.post("/v1/slow", headers={"X-Deadline-Ms": "100"})
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "upstream_timeout"
    assert response.json()["error"]["service"] == "tts"
    assert "cancelled" in app.state.events


async def test_the_services_own_time_limit_is_enforced(serving: Serving) -> None:
    app = make_app(ServiceSettings(request_timeout_s=0.1))
    async with serving(app) as client:
        response = await client.post("/v1/slow", headers={"X-Deadline-Ms": "60000"})
    assert response.status_code == 504


async def test_a_deadline_in_the_middle_of_a_stream_breaks_the_connection(serving: Serving) -> None:
    app = make_app(ServiceSettings(request_timeout_s=0.1))
    async with serving(app) as client, client.stream("GET", "/v1/slow_stream") as response:
        with pytest.raises(httpx.RemoteProtocolError):
            await response.aread()
    assert "cancelled" in app.state.events


async def test_the_deadline_is_known_while_the_request_is_served(serving: Serving) -> None:
    app = make_app(ServiceSettings(request_timeout_s=50))

    @app.get("/v1/left")
    async def left() -> float | None:
        return remaining_s()

    async with serving(app) as client:
        assert 45 < (await client.get("/v1/left")).json() <= 50
        assert 0 < (await client.get("/v1/left", headers={"X-Deadline-Ms": "9000"})).json() <= 9
        assert 45 < (await client.get("/v1/left", headers={"X-Deadline-Ms": "soon"})).json() <= 50
    assert remaining_s() is None


async def test_work_after_the_response_is_not_taken_for_an_abandoned_request(serving: Serving) -> None:
    app = make_app()

    async def afterwards() -> None:
        await asyncio.sleep(0.05)
        app.state.events.append("done afterwards")

    @app.post("/v1/later")
    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(afterwards)

    async with serving(app) as client:
        assert (await client.post("/v1/later")).status_code == 200
        await app.state.events.wait_for("done afterwards")


async def test_a_client_that_leaves_while_it_sends_is_no_error(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(make_app()) as client:
        _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        head = "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
        writer.write(head.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await client.post("/v1/echo", json={"text": "next"})).json()["text"] == "next"
    assert "Traceback" not in caplog.text
