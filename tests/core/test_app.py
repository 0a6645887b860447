from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from comps.core.app import create_service_app, metrics_of, readiness_of, statistics_of
from comps.core.context import request_id
from comps.core.errors import EngineUnavailableError
from comps.core.serve import started
from comps.core.settings import ServiceSettings
from comps.core.statistics import Statistics

from .conftest import INFO, Body, Serving, make_app


async def test_health_is_empty_and_livez_answers(serving: Serving) -> None:
    async with serving(make_app()) as client:
        for path in ("/health", "/v1/health", "/livez"):
            response = await client.get(path)
            assert (response.status_code, response.content) == (200, b"")


async def test_health_check_has_the_keys_opea_clients_read(serving: Serving) -> None:
    async def checks() -> dict[str, str]:
        return {"espeak": "ok"}

    async with serving(make_app(checks=checks)) as client:
        body = (await client.get("/v1/health_check")).json()
    assert body["Service Title"] == "Speech"
    assert body["Version"] == "9.9"
    assert body["Service Description"] == "Speaks"
    assert (body["status"], body["state"], body["nodes"]) == ("ok", "ready", {"espeak": "ok"})


async def test_health_check_says_which_upstream_is_down(serving: Serving) -> None:
    async def checks() -> dict[str, str]:
        return {"asr": "ok", "llm": "llm cannot be reached; is it running?"}

    async with serving(make_app(checks=checks)) as client:
        response = await client.get("/v1/health_check")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert "cannot be reached" in response.json()["nodes"]["llm"]


async def test_health_check_survives_checks_that_fail_or_hang(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing() -> dict[str, str]:
        raise RuntimeError("secret detail")

    async def hanging() -> dict[str, str]:
        await asyncio.sleep(60)
        return {}

    monkeypatch.setattr("comps.core.web.probes.CHECK_TIMEOUT_S", 0.05)
    async with serving(make_app(checks=failing)) as client:
        body = (await client.get("/v1/health_check")).json()
        assert body["nodes"] == {"checks": "failed (RuntimeError)"}
    async with serving(make_app(checks=hanging)) as client:
        body = (await client.get("/v1/health_check")).json()
        assert body["nodes"]["checks"].startswith("no answer within")


async def test_probes_answer_while_loading_and_work_waits(serving: Serving) -> None:
    may_load = asyncio.Event()

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        await may_load.wait()
        yield

    app = make_app(startup=startup, always=("/", "/page/"))
    for path in ("/", "/page/app.js", "/pages/app.js"):
        app.add_api_route(path, lambda: "a page that waits")
    async with serving(app) as client:
        assert (await client.get("/livez")).status_code == 200
        assert [(await client.get(path)).status_code for path in ("/", "/page/app.js", "/pages/app.js")] == [
            200,
            200,
            503,
        ]
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["status"] == "loading"
        assert ready.headers["retry-after"] == "1"
        work = await client.post("/v1/echo", json={"text": "hello"})
        assert work.status_code == 503
        assert work.json()["error"]["code"] == "not_ready"
        assert work.headers["retry-after"] == "1"
        may_load.set()
        await readiness_of(app).settled()
        for path in ("/readyz", "/ready"):
            assert (await client.get(path)).status_code == 200
        assert (await client.post("/v1/echo", json={"text": "hello"})).json()["text"] == "hello"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EngineUnavailableError("install it with  pip install 'avatarchatbot[coqui]'"), "avatarchatbot[coqui]"),
        (RuntimeError("secret detail"), "RuntimeError"),
    ],
)
async def test_a_failed_load_keeps_the_app_up_to_say_so(serving: Serving, error: Exception, reason: str) -> None:
    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        raise error
        yield

    app = make_app(startup=startup)
    async with serving(app) as client:
        await readiness_of(app).settled()
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert reason in response.json()["error"]["message"]
        assert "secret" not in response.text
        assert (await client.get("/v1/health_check")).json()["state"] == "failed"
        assert (await client.get("/livez")).status_code == 200


async def test_startup_is_left_in_the_task_that_entered_it() -> None:
    tasks: list[object] = []

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        tasks.append(asyncio.current_task())
        yield
        tasks.append(asyncio.current_task())

    async with started(make_app(startup=startup)) as app:
        assert readiness_of(app).state == "ready"
    assert len(tasks) == 2
    assert tasks[0] is tasks[1]
    assert readiness_of(app).state == "stopping"


async def test_stopping_while_loading_cancels_the_load() -> None:
    cancelled = asyncio.Event()

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        yield

    app = make_app(startup=startup)
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0)
    assert cancelled.is_set()


async def test_a_failure_while_closing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        yield
        raise RuntimeError("cannot close")

    with caplog.at_level(logging.ERROR):
        async with started(make_app(startup=startup)):
            pass
    assert "failed to shut down cleanly" in caplog.text


async def test_statistics_note_work_but_not_probes_or_failures(serving: Serving) -> None:
    async with serving(make_app()) as client:
        empty = (await client.get("/v1/statistics")).json()
        assert set(empty["opea_service@tts"].values()) == {None}
        await client.post("/v1/echo", json={"text": "a"})
        await client.get("/v1/stream")
        await client.post("/v1/voice")
        summary = (await client.get("/v1/statistics")).json()["opea_service@tts"]
    assert set(summary) == {
        f"{kind}_latency{suffix}" for kind in ("p50", "p99", "average") for suffix in ("", "_first_token")
    }
    assert all(value > 0 for value in summary.values())


async def test_given_statistics_are_filled_only_under_the_services_own_name(serving: Serving) -> None:
    statistics = Statistics()
    statistics.register("tts")
    statistics.register("other")
    async with serving(make_app(statistics=statistics)) as client:
        await client.post("/v1/echo", json={"text": "a"})
        summary = (await client.get("/v1/statistics")).json()
    assert summary["tts"]["p50_latency"] > 0
    assert summary["other"]["p50_latency"] is None


async def test_apps_of_one_process_have_metrics_of_their_own(serving: Serving) -> None:
    first, second = make_app(), make_app()
    metrics_of(first).histogram("tts_synthesis_seconds", "Time to speak").observe(0.2)
    async with serving(first) as client:
        await client.post("/v1/echo", json={"text": "a"})
        await client.get("/nowhere/at/all")
        text = (await client.get("/metrics")).text
    assert 'http_requests_total{method="POST",route="/v1/echo",status="200"} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert "nowhere" not in text
    assert "tts_synthesis_seconds_count 1.0" in text
    async with serving(second) as client:
        other = (await client.get("/metrics")).text
    assert "tts_synthesis_seconds" not in other
    assert 'route="/v1/echo"' not in other


async def test_openapi_describes_probes_and_routes(serving: Serving) -> None:
    async with serving(make_app()) as client:
        schema = (await client.get("/openapi.json")).json()
    assert {"/health", "/readyz", "/v1/health_check", "/v1/statistics", "/metrics", "/v1/echo"} <= set(schema["paths"])


async def test_requests_at_the_same_time_keep_their_own_ids_and_bodies(serving: Serving) -> None:
    app = make_app()

    @app.post("/v1/whose")
    async def whose(body: Body) -> dict[str, str]:
        before = request_id()
        await asyncio.sleep(0.02)
        return {"text": body.text, "before": before, "after": request_id()}

    async def ask(client: httpx.AsyncClient, turn: int) -> None:
        sent = {"X-Request-ID": f"turn-{turn}"}
        response = await client.post("/v1/whose", json={"text": f"question {turn}"}, headers=sent)
        assert response.headers["x-request-id"] == f"turn-{turn}"
        assert response.json() == {"text": f"question {turn}", "before": f"turn-{turn}", "after": f"turn-{turn}"}

    async with serving(app) as client:
        await asyncio.gather(*(ask(client, turn) for turn in range(24)))
    assert request_id() == ""


async def test_an_app_can_be_called_in_process() -> None:
    async with started(make_app()) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://tts") as client:
            assert (await client.post("/v1/echo", json={"text": "hi"})).json()["text"] == "hi"
    assert statistics_of(app).summary()["opea_service@tts"]["p50_latency"] is not None


def test_making_an_app_needs_no_event_loop() -> None:
    app = create_service_app(INFO, ServiceSettings())
    assert readiness_of(app).state == "loading"
