"""Routes that are passed on, and the state of the services behind them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.proxy import ROUTES
from tests.gateway.conftest import Stack, open_stack


async def test_query_headers_and_validators_pass(stack: Stack) -> None:
    reply = await stack.client.get("/v1/avatars/ada/rig?version=2")
    assert reply.json() == {"avatar": "ada", "part": "rig", "query": "version=2"}
    assert reply.headers["etag"] == '"1"'
    assert reply.headers["content-type"] == "application/json"


async def test_an_upload_passes(stack: Stack) -> None:
    reply = await stack.client.post("/v1/avatars", files={"file": ("me.png", b"p" * 300_000)})
    assert reply.status_code == 201
    assert stack.notes.pictures == [b"p" * 300_000]


async def test_a_page_on_another_site_uploads_nothing(stack: Stack) -> None:
    files = {"file": ("me.png", b"picture")}
    reply = await stack.client.post("/v1/avatars", files=files, headers={"Origin": "https://elsewhere.example"})
    assert (reply.status_code, reply.json()["error"]["service"]) == (403, "gateway")
    assert stack.notes.pictures == []


async def test_a_stream_passes_as_it_comes(stack: Stack) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    async with stack.client.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = [line async for line in reply.aiter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert stack.notes.last("llm")["messages"] == body["messages"]


async def test_a_services_own_error_passes(stack: Stack) -> None:
    reply = await stack.client.get("/v1/models")
    assert reply.status_code == 404
    assert reply.json()["error"]["service"] == "llm"


@pytest.mark.parametrize("name", ["%2e%2e", ".hidden", "a%20b", "x" * 101, "%2Fetc"])
async def test_no_name_becomes_a_path(stack: Stack, name: str) -> None:
    for path in (f"/v1/avatars/{name}", f"/v1/avatars/{name}/rig", f"/v1/avatars/ada/{name}"):
        reply = await stack.client.get(path)
        assert reply.status_code == 404, path
        assert reply.json()["error"]["service"] == "gateway"


async def test_every_passed_route_names_a_service_that_is_missing(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, asr_url="", llm_url="", tts_url="", animation_url="")
        for route in ROUTES:
            path = route.path.format(avatar_id="ada", part="rig", job_id="0" * 32)
            reply = await stack.client.request(route.methods[0], path)
            assert (reply.status_code, route.service in reply.json()["error"]["message"]) == (404, True)


async def test_a_passed_call_to_a_dead_service_names_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, tts_url="http://127.0.0.1:9")
        reply = await stack.client.get("/v1/voices")
        assert reply.status_code == 502
        assert reply.json()["error"]["service"] == "tts"


async def test_ready_when_every_node_answers(stack: Stack) -> None:
    reply = await stack.client.get("/ready")
    assert (reply.status_code, reply.json()["nodes"]["tts"]) == (200, "ok")
    health = (await stack.client.get("/v1/health_check")).json()
    assert health["status"] == "ok"
    assert {"Service Title", "Version", "Service Description"} <= set(health)


async def test_not_ready_while_the_gateway_takes_no_questions(stack: Stack) -> None:
    """As `avatarchatbot up` has it until it has seen every service ready itself."""
    readiness = stack.app.state.readiness
    readiness.become("loading", "the services are still starting")
    reply = await stack.client.get("/ready")
    assert (reply.status_code, reply.json()["nodes"]["tts"]) == (503, "ok")
    assert reply.json()["error"]["message"] == "gateway: the services are still starting"
    readiness.become("ready")
    assert (await stack.client.get("/ready")).status_code == 200


async def test_not_ready_when_a_node_is_down(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, llm_url="http://127.0.0.1:9")
        reply = await stack.client.get("/ready")
        assert reply.status_code == 503
        assert "llm: cannot be reached" in reply.json()["error"]["message"]
        health = await stack.client.get("/v1/health_check")
        assert (health.status_code, health.json()["nodes"]["llm"]) == (200, "cannot be reached")
        assert (await stack.client.get("/livez")).status_code == 200


async def test_opeas_lists(stack: Stack) -> None:
    services = (await stack.client.get("/v1/list_service")).json()
    assert services["tts/MicroService"]["endpoint"].endswith("/v1/tts/stream")
    parameters = (await stack.client.get("/v1/list_parameters")).json()
    assert {"audio", "voice", "max_tokens"} <= set(parameters["properties"])


async def test_the_key_of_the_language_model(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        stack = await open_stack(exits, tmp_path, llm_api_key="secret", llm_model="qwen")
        await stack.client.post("/v1/avatarchatbot", json={"text": "hello"})
        assert stack.notes.last("llm")["model"] == "qwen"
        assert stack.notes.last("llm_headers")["authorization"] == "Bearer secret"
        assert "authorization" not in stack.notes.last("tts_headers")


async def test_the_page_is_served_with_its_files(stack: Stack) -> None:
    page = await stack.client.get("/")
    assert "text/html" in page.headers["content-type"]
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("app.js", "style.css", "icon.svg"):
        assert f"page/{name}" in page.text
        assert (await stack.client.get(f"/page/{name}")).status_code == 200
    assert "https://" not in page.text
    assert (await stack.client.get("/page/%2e%2e/app.py")).status_code == 404


async def test_the_api_s_description_begins_with_the_answers(stack: Stack) -> None:
    reply = await stack.client.get("/openapi.json")
    assert reply.status_code == 200, "warnings, such as of two routes with one id, are errors here"
    schema = reply.json()
    shown = [tag["name"] for tag in schema["tags"]]
    assert (shown[0], shown[-1]) == ("answers", "operations")
    assert {tag for path in schema["paths"].values() for route in path.values() for tag in route["tags"]} == set(shown)
