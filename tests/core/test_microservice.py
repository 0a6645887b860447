from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request

from comps import (
    Base64ByteStrDoc,
    LLMParams,
    MegaServiceEndpoint,
    MicroService,
    ServiceRoleType,
    ServiceType,
    TextDoc,
    VideoPath,
    opea_microservices,
    register_microservice,
    register_statistics,
    statistics_dict,
)
from comps.core.microservice import MicroServiceRegistry
from comps.core.protocol import AudioChatCompletionRequest, ChatCompletionResponse
from comps.core.serve import running


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def started_in_a_thread(service: MicroService) -> Iterator[httpx.Client]:
    thread = threading.Thread(target=service.start)
    thread.start()
    try:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", transport=transport, timeout=20) as client:
            client.get("/readyz")
            yield client
    finally:
        service.stop()
        thread.join()


@register_microservice(
    name="opea_service@animation",
    service_type=ServiceType.ANIMATION,
    endpoint="/v1/animation",
    host="0.0.0.0",
    port=9066,
    input_datatype=Base64ByteStrDoc,
    output_datatype=VideoPath,
)
@register_statistics(names=["opea_service@animation"])
async def animate(audio: Base64ByteStrDoc) -> VideoPath:
    start = time.time()
    result = VideoPath(video_path=f"/outputs/{len(audio.byte_str)}.mp4")
    statistics_dict["opea_service@animation"].append_latency(time.time() - start, None)
    return result


async def test_the_registration_of_the_animation_service_works_as_written() -> None:
    service = opea_microservices["opea_service@animation"]
    assert (service.name, service.port, service.host) == ("opea_service@animation/MicroService", 9066, "0.0.0.0")
    assert (service.input_datatype, service.output_datatype) == (Base64ByteStrDoc, VideoPath)
    async with running(service.app) as url, httpx.AsyncClient(base_url=url) as client:
        body = (await client.post("/v1/animation", json={"byte_str": "QQ=="})).json()
        assert set(body) == {"id", "video_path"}
        assert body["video_path"] == "/outputs/4.mp4"
        missing = await client.post("/v1/animation", json={"bytes": "QQ=="})
        assert missing.status_code == 422
        assert missing.json()["error"]["service"] == "animation"
        statistics = (await client.get("/v1/statistics")).json()
        assert statistics["opea_service@animation"]["average_latency"] > 0
        assert (await client.get("/v1/health_check")).json()["Service Title"] == service.name


def test_registering_binds_no_port_and_leaves_the_function_callable() -> None:
    registry = MicroServiceRegistry()
    port = free_port()

    @register_microservice(name="echo", endpoint="/v1/echo", port=port, registry=registry)
    def echo(doc: TextDoc) -> TextDoc:
        return doc

    @register_microservice(name="echo", endpoint="/v1/again", registry=registry, methods=["GET"])
    def again() -> str:
        return "again"

    assert len(registry) == 1
    assert list(registry) == ["echo"]
    assert again() == "again"
    assert echo(TextDoc(text="a")).text == "a"
    assert "echo" not in opea_microservices
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
    routes = registry["echo"].app.openapi()["paths"]
    assert {"/v1/echo", "/v1/again"} <= set(routes)
    assert registry["echo"].service_type is ServiceType.UNDEFINED


def test_start_serves_until_stop_and_can_be_started_again() -> None:
    service = MicroService("hello", host="127.0.0.1", port=free_port(), endpoint="/v1/hello")
    service.add_route("/v1/hello", lambda: "hi", methods=["GET"])
    for _ in range(2):
        with started_in_a_thread(service) as client:
            assert client.get("/v1/hello").json() == "hi"
    with pytest.raises(httpx.ConnectError), httpx.Client() as client:
        client.get(service.endpoint_path())
    service.stop()


def test_a_taken_port_is_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            MicroService("hello", host="127.0.0.1", port=port).start()


class AvatarChatbotService:
    """The shape of OPEA's own example: the class serves a bound method that reads the request itself."""

    def __init__(self, port: int) -> None:
        self.endpoint = str(MegaServiceEndpoint.AVATAR_CHATBOT)
        self.service = MicroService(
            self.__class__.__name__,
            service_role=ServiceRoleType.MEGASERVICE,
            host="127.0.0.1",
            port=port,
            endpoint=self.endpoint,
            input_datatype=AudioChatCompletionRequest,
            output_datatype=ChatCompletionResponse,
        )
        self.service.add_route(self.endpoint, self.handle_request, methods=["POST"])

    async def handle_request(self, request: Request) -> str:
        chat_request = AudioChatCompletionRequest.model_validate(await request.json())
        parameters = LLMParams(max_tokens=chat_request.max_tokens or 128)
        return f"/outputs/{parameters.max_tokens}.mp4"


async def test_a_megaservice_answers_errors_and_fills_its_statistics() -> None:
    chatbot = AvatarChatbotService(free_port())
    assert chatbot.service.name == "AvatarChatbotService/MicroService"
    async with running(chatbot.service.app) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/v1/avatarchatbot", json={"audio": "QQ=="})).json() == "/outputs/1024.mp4"
        cases: list[tuple[dict[str, Any], int]] = [
            ({"json": {}}, 422),
            ({"json": {"audio": "a", "byte_str": "b"}}, 422),
            ({"content": b""}, 400),
            ({"content": b"{"}, 400),
        ]
        for sent, status in cases:
            response = await client.post("/v1/avatarchatbot", **sent)
            assert response.status_code == status
            assert response.json()["error"]["service"] == "AvatarChatbotService"
        statistics = (await client.get("/v1/statistics")).json()["AvatarChatbotService"]
        assert statistics["p50_latency"] > 0


async def test_json_that_an_upstream_broke_is_not_blamed_on_the_client() -> None:
    service = MicroService("relay")

    async def relay(request: Request) -> Any:
        await request.json()
        return json.loads("<html>")

    service.add_route("/v1/relay", relay)
    async with running(service.app) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/v1/relay", json={})).status_code == 500


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "http://localhost:8080/v1/asr"),
        ({"host": "10.0.0.7", "port": 7066}, "http://10.0.0.7:7066/v1/asr"),
        ({"host": "::1", "port": 7066, "protocol": "https"}, "https://[::1]:7066/v1/asr"),
        ({"host": "https://asr.example.org/", "port": None}, "https://asr.example.org/v1/asr"),
        ({"host": "asr", "port": None}, "http://asr/v1/asr"),
    ],
)
def test_a_stub_knows_its_url(options: dict[str, Any], url: str) -> None:
    stub = MicroService("asr", endpoint="/v1/asr", use_remote_service=True, api_key="k", **options)
    assert stub.endpoint_path() == url
    assert stub.endpoint_path("model") == url
    assert stub.api_key == "k"


def test_a_stub_cannot_be_served() -> None:
    stub = MicroService("asr", use_remote_service=True)
    for action in (stub.start, stub.stop, lambda: stub.add_route("/", print)):
        with pytest.raises(RuntimeError, match="asr/MicroService is a remote service"):
            action()


def test_options_are_honoured_or_refused() -> None:
    MicroService("a", enable_mcp=False, static_batching_timeout=1)
    with pytest.raises(ValueError, match="dynamic_batching is not offered"):
        MicroService("a", dynamic_batching=True)
    with pytest.raises(TypeError, match="no option 'prot'"):
        MicroService("a", prot="http")
    assert MicroService().name == "MicroService"


def test_tls(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MicroService("a", ssl_keyfile=str(tmp_path / "k.pem"), ssl_certfile=str(tmp_path / "c.pem"), port=0).start()
