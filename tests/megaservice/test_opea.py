"""Programs written the way OPEA's users write them."""

from __future__ import annotations

import asyncio
import base64
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

import comps
from comps.core.serve import running
from megaservice.metrics import metrics
from megaservice.opea.flow_shapes import align_chatbot_inputs
from megaservice.transport.asgi import AsgiTransport
from megaservice.transport.lifespan import running_lifespan
from tests.megaservice.stubs import service

AUDIO = base64.b64encode(b"RIFF").decode()
STAGES = {"asr": "ASR", "llm": "LLM", "tts": "TTS", "animation": "ANIMATION"}


def backends(seen: dict[str, Any]) -> FastAPI:
    """The four services on one server, both generations of routes."""
    app = service("backends")

    def note(name: str, answer: Any) -> Any:
        async def route(request: Request) -> Any:
            seen[name] = await request.json()
            return answer

        return route

    chat = {"choices": [{"message": {"role": "assistant", "content": "Hello."}}]}
    app.add_api_route("/v1/asr", note("asr", {"asr_result": "who are you"}), methods=["POST"])
    app.add_api_route("/v1/audio/transcriptions", note("asr", {"query": "who are you", "id": "1"}), methods=["POST"])
    app.add_api_route("/v1/chat/completions", note("llm", chat), methods=["POST"])
    app.add_api_route("/v1/tts", note("tts", {"tts_result": AUDIO}), methods=["POST"])
    app.add_api_route("/v1/audio/speech", note("tts", {"byte_str": AUDIO, "id": "2"}), methods=["POST"])
    app.add_api_route("/v1/animation", note("animation", {"video_path": "/outputs/a.mp4"}), methods=["POST"])

    @app.post("/html", response_model=None)
    async def html() -> HTMLResponse:
        return HTMLResponse("<html>no</html>")

    return app


@pytest.fixture
async def seen() -> dict[str, Any]:
    return {}


@pytest.fixture
async def url(seen: dict[str, Any]) -> AsyncIterator[str]:
    async with running(backends(seen)) as address:
        yield address


def remote(name: str, address: str, path: str) -> comps.MicroService:
    kind = comps.ServiceType[STAGES[name]]
    return comps.MicroService(name, host=address, endpoint=path, use_remote_service=True, service_type=kind)


async def ask(app: FastAPI, body: Any, path: str = "/v1/avatarchatbot") -> httpx.Response:
    async with running_lifespan(app), httpx.AsyncClient(transport=AsgiTransport(app)) as client:
        if isinstance(body, bytes):
            return await client.post(f"http://x{path}", content=body)
        return await client.post(f"http://x{path}", json=body)


def chatbot(address: str, paths: dict[str, str]) -> Any:
    """The older form: a gateway around a wired orchestrator."""
    orchestrator = comps.ServiceOrchestrator()
    nodes = [remote(name, address, path) for name, path in paths.items()]
    for node in nodes:
        orchestrator.add(node)
    for before, after in itertools.pairwise(nodes):
        orchestrator.flow_to(before, after)
    return comps.AvatarChatbotGateway(megaservice=orchestrator, host="127.0.0.1", port=0)


NEW = {"asr": "/v1/asr", "llm": "/v1/chat/completions", "tts": "/v1/tts", "animation": "/v1/animation"}
OLD = {**NEW, "asr": "/v1/audio/transcriptions", "tts": "/v1/audio/speech"}


@pytest.mark.parametrize("paths", [NEW, OLD], ids=["1.2", "1.1"])
@pytest.mark.parametrize("field", ["audio", "byte_str"])
async def test_gateway_class_answers_with_the_path(
    url: str, seen: dict[str, Any], paths: dict[str, str], field: str
) -> None:
    gateway = chatbot(url, paths)
    answer = await ask(
        gateway.service.app, {field: AUDIO, "temperature": 0, "max_tokens": 64, "voice": "male", "new": 1}
    )
    assert (answer.status_code, answer.json()) == (200, "/outputs/a.mp4")
    assert seen["asr"] == {"audio": AUDIO, "byte_str": AUDIO}
    assert seen["llm"]["messages"] == [{"role": "user", "content": "who are you"}]
    assert (seen["llm"]["temperature"], seen["llm"]["max_tokens"], seen["llm"]["stream"]) == (0, 64, False)
    assert (seen["llm"]["presence_penalty"], seen["llm"]["repetition_penalty"]) == (0.0, 1.03)
    assert (seen["tts"]["text"], seen["tts"]["voice"]) == ("Hello.", "male")
    assert seen["animation"] == {"byte_str": AUDIO}
    await gateway.megaservice.aclose()


async def test_gateway_refuses_bad_bodies_and_names_failing_nodes(url: str) -> None:
    app = chatbot(url, {**NEW, "tts": "/html"}).service.app
    for body, status in (
        (b"", 400),
        (b"{", 400),
        (b"[1]", 400),
        ({}, 422),
        ({"audio": AUDIO, "byte_str": "x"}, 422),
        ({"audio": AUDIO}, 502),
    ):
        answer = await ask(app, body)
        assert answer.status_code == status, answer.text
        assert set(answer.json()["error"]) == {"code", "message", "service", "node", "param", "retryable", "request_id"}
    assert answer.json()["error"]["service"] == "tts"
    assert "<html>no</html>" in answer.json()["error"]["message"]


async def test_last_node_without_a_path_is_at_fault(url: str) -> None:
    gateway = chatbot(url, {name: path for name, path in NEW.items() if name != "animation"})
    answer = await ask(gateway.service.app, {"audio": AUDIO})
    assert (answer.status_code, answer.json()["error"]["service"]) == (502, "tts")
    assert "without a video_path" in answer.json()["error"]["message"]
    await gateway.megaservice.aclose()


async def test_gateway_keeps_the_shapes_a_program_has_chosen(url: str, seen: dict[str, Any]) -> None:
    class Shaped(comps.ServiceOrchestrator):
        def align_inputs(self, inputs: Any, cur_node: str, *_: Any, **__: Any) -> Any:
            return {"mine": cur_node}

    megaservice = Shaped()
    megaservice.add(remote("animation", url, NEW["animation"]))
    gateway = comps.AvatarChatbotGateway(megaservice=megaservice, host="127.0.0.1", port=0)
    assert (await ask(gateway.service.app, {"audio": AUDIO})).json() == "/outputs/a.mp4"
    assert seen["animation"] == {"mine": "animation/MicroService"}
    await megaservice.aclose()


async def test_gateway_of_ones_own_answers_at_its_routes() -> None:
    class Own(comps.Gateway):
        async def handle_request(self, request: Request) -> Any:
            return {"got": (await request.json())["x"]}

    own = Own(comps.ServiceOrchestrator(), "127.0.0.1", 0, "/v1/own")
    own.add_route("/v1/again", own.handle_request)
    for path in ("/v1/own", "/v1/again"):
        assert (await ask(own.service.app, {"x": 3}, path)).json() == {"got": 3}
    bare = comps.Gateway(comps.ServiceOrchestrator(), "127.0.0.1", 0)
    with pytest.raises(NotImplementedError, match="override handle_request"):
        await bare.handle_request(None)  # type: ignore[arg-type]
    assert bare.list_service() == {}


async def test_lists_health_and_metrics_of_the_gateway(url: str) -> None:
    gateway = chatbot(url, NEW)
    app = gateway.service.app
    async with running_lifespan(app), httpx.AsyncClient(transport=AsgiTransport(app), base_url="http://x") as client:
        await client.post("/v1/avatarchatbot", json={"audio": AUDIO})
        services = (await client.get("/v1/list_service")).json()
        parameters = (await client.get("/v1/list_parameters")).json()
        health = (await client.get("/v1/health_check")).json()
        shown = (await client.get("/metrics")).text
    assert services["llm/MicroService"]["endpoint"] == "/v1/chat/completions"
    assert "max_tokens" in parameters["properties"]
    assert {"Service Title", "Version", "Service Description"} <= set(health)
    for name in ("first_token_latency", "inter_token_latency", "request_latency", "request_pending"):
        assert f"# TYPE megaservice_{name} " in shown
    assert 'megaservice_node_latency_count{node="llm"}' in shown
    await gateway.megaservice.aclose()


PROGRAM = """
import os
from fastapi import Request
from comps import MegaServiceEndpoint, MicroService, ServiceOrchestrator, ServiceRoleType, ServiceType
from comps.cores.proto.api_protocol import AudioChatCompletionRequest, ChatCompletionResponse
from comps.cores.proto.docarray import LLMParams

BACKEND = os.environ["BACKEND"]

def shape(self, inputs, cur_node, runtime_graph, llm_parameters_dict, **kwargs):
    kind = self.services[cur_node].service_type
    if kind == ServiceType.LLM:
        return {
            "messages": [{"role": "user", "content": inputs["asr_result"]}],
            "max_tokens": llm_parameters_dict["max_tokens"],
            "stream": inputs["streaming"],
            "temperature": inputs["temperature"],
        }
    if kind == ServiceType.TTS:
        return {"text": inputs["choices"][0]["message"]["content"], "voice": kwargs["voice"]}
    if kind == ServiceType.ANIMATION:
        return {"byte_str": inputs["tts_result"]}
    return inputs

class Chatbot:
    def __init__(self, port):
        self.port = port
        ServiceOrchestrator.align_inputs = shape
        self.megaservice = ServiceOrchestrator()
        self.endpoint = str(MegaServiceEndpoint.AVATAR_CHATBOT)

    def add_remote_service(self):
        chain = []
        for name, kind, path in (
            ("asr", ServiceType.ASR, "/v1/asr"),
            ("llm", ServiceType.LLM, "/v1/chat/completions"),
            ("tts", ServiceType.TTS, "/v1/tts"),
            ("animation", ServiceType.ANIMATION, "/v1/animation"),
        ):
            node = MicroService(
                name=name, host="127.0.0.1", port=int(BACKEND), endpoint=path, use_remote_service=True, service_type=kind
            )
            self.megaservice.add(node)
            if chain:
                self.megaservice.flow_to(chain[-1], node)
            chain.append(node)

    async def handle_request(self, request: Request):
        chat = AudioChatCompletionRequest.model_validate(await request.json())
        parameters = LLMParams(max_tokens=chat.max_tokens, temperature=chat.temperature, streaming=False)
        results, graph = await self.megaservice.schedule(
            initial_inputs={"audio": chat.audio}, llm_parameters=parameters, voice=chat.voice
        )
        return results[graph.all_leaves()[-1]]["video_path"]

    def start(self):
        self.service = MicroService(
            self.__class__.__name__,
            service_role=ServiceRoleType.MEGASERVICE,
            host="127.0.0.1",
            port=self.port,
            endpoint=self.endpoint,
            input_datatype=AudioChatCompletionRequest,
            output_datatype=ChatCompletionResponse,
        )
        self.service.add_route(self.endpoint, self.handle_request, methods=["POST"])
        self.service.start()

chatbot = Chatbot(port=int(os.environ["PORT"]))
chatbot.add_remote_service()
chatbot.start()
"""

OLDER_PROGRAM = """
import os
from comps import MicroService, ServiceOrchestrator, ServiceType
from megaservice.opea.serving import AvatarChatbotGateway

orchestrator = ServiceOrchestrator()
nodes = [
    MicroService(name=name, host="127.0.0.1", port=int(os.environ["BACKEND"]), endpoint=path,
                 use_remote_service=True, service_type=kind)
    for name, kind, path in (
        ("asr", ServiceType.ASR, "/v1/audio/transcriptions"),
        ("llm", ServiceType.LLM, "/v1/chat/completions"),
        ("tts", ServiceType.TTS, "/v1/audio/speech"),
        ("animation", ServiceType.ANIMATION, "/v1/animation"),
    )
]
orchestrator.add(nodes[0]).add(nodes[1]).add(nodes[2]).add(nodes[3])
for before, after in zip(nodes, nodes[1:]):
    orchestrator.flow_to(before, after)
gateway = AvatarChatbotGateway(megaservice=orchestrator, host="127.0.0.1", port=int(os.environ["PORT"]))
"""


@pytest.mark.parametrize("program", [PROGRAM, OLDER_PROGRAM], ids=["1.2", "1.1"])
async def test_program_runs_as_written(url: str, seen: dict[str, Any], program: str, tmp_path: Path) -> None:
    from tests.megaservice.test_supervisor import free_port

    port = free_port()
    path = tmp_path / "avatarchatbot.py"
    path.write_text(program)
    env = {"PORT": str(port), "BACKEND": url.rpartition(":")[2], "PYTHONPATH": str(Path(comps.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(sys.executable, str(path), env=env, stdout=subprocess.DEVNULL)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(200):
                try:
                    await client.get("/health")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
            answer = await client.post("/v1/avatarchatbot", json={"audio": AUDIO, "max_tokens": 64})
            statistics = (await client.get("/v1/statistics")).json()
            shown = (await client.get("/metrics")).text
    finally:
        process.terminate()
        await process.wait()
    assert (answer.status_code, answer.json()) == (200, "/outputs/a.mp4")
    assert seen["llm"]["stream"] is False
    assert any(window["p50_latency"] for window in statistics.values())
    assert "megaservice_request_latency_count 1.0" in shown
    assert "megaservice_request_pending 0.0" in shown


async def test_chatbot_service_reads_opeas_variables(
    monkeypatch: pytest.MonkeyPatch, url: str, seen: dict[str, Any]
) -> None:
    from megaservice.opea.service import AvatarChatbotService

    for stem in ("WHISPER_SERVER", "LLM_SERVER", "SPEECHT5_SERVER", "ANIMATION_SERVICE"):
        monkeypatch.setenv(f"{stem}_HOST_IP", "127.0.0.1")
        monkeypatch.setenv(f"{stem}_PORT", url.rpartition(":")[2])
    chatbot = AvatarChatbotService(host="127.0.0.1", port=0)
    chatbot.add_remote_service()
    assert chatbot.megaservice.topological_sort() == [f"{name}/MicroService" for name in STAGES]
    answer = await ask(chatbot.gateway.service.app, {"audio": AUDIO})
    assert answer.json() == "/outputs/a.mp4"
    await chatbot.megaservice.aclose()


async def test_flow_written_in_yaml(url: str, seen: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "mega.yaml"
    services = "\n".join(f"  {name}:\n    endpoint: {url}{route}" for name, route in NEW.items())
    path.write_text(
        f"opea_micro_services:\n{services}\nopea_mega_service:\n  mega_flow:\n    - asr >> (llm, tts) >> animation\n"
    )
    orchestrator = comps.ServiceOrchestratorWithYaml(str(path))
    results, graph = await orchestrator.schedule({"x": 1})
    assert graph.all_leaves() == ["animation"]
    assert orchestrator.result_dict == results
    assert set(seen["animation"]) == {"choices", "tts_result"}
    await orchestrator.aclose()
    path.write_text(path.read_text() + "    - animation >> asr\n")
    with pytest.raises(ValueError, match="close a cycle"):
        comps.ServiceOrchestratorWithYaml(path)


def test_shapes_need_something_to_shape() -> None:
    with pytest.raises(comps.core.errors.UpstreamError, match="asr_result, query, text"):
        align_chatbot_inputs(comps.ServiceType.LLM, {}, {}, {})
    assert align_chatbot_inputs(comps.ServiceType.UNDEFINED, {"a": 1}, {}, {}) == {"a": 1}
    assert align_chatbot_inputs(comps.ServiceType.TTS, {"text": "hi"}, {}, {})["voice"] == "default"
    assert align_chatbot_inputs(comps.ServiceType.ANIMATION, b"RIFF", {}, {}) == {"byte_str": AUDIO}


def test_importing_comps_loads_nothing_and_every_name_resolves() -> None:
    check = "import comps, sys; assert not {'fastapi', 'docarray', 'numpy', 'httpx'} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
    for name in comps.__all__:
        assert getattr(comps, name) is not None
    assert set(comps.__all__) <= set(dir(comps))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = comps.nothing


async def test_component_plug_ins() -> None:
    @comps.OpeaComponentRegistry.register("OPEA_TEST")
    class Echo(comps.OpeaComponent):
        def check_health(self) -> bool:
            return True

        async def invoke(self, *args: Any, **kwargs: Any) -> Any:
            return args, kwargs

    try:
        loader = comps.OpeaComponentLoader("OPEA_TEST", type="asr", description="d", config={"a": 1})
        assert await loader.invoke(1, b=2) == ((1,), {"b": 2})
        loader.component.update_config("a", 2)
        assert loader.component.get_meta() == {
            "name": "OPEA_TEST",
            "type": "asr",
            "description": "d",
            "config": {"a": 2},
        }
        with pytest.raises(ValueError, match="registered already"):
            comps.OpeaComponentRegistry.register("OPEA_TEST")(Echo)
    finally:
        comps.OpeaComponentRegistry.unregister("OPEA_TEST")
    with pytest.raises(KeyError, match="no component is called"):
        comps.OpeaComponentLoader("OPEA_TEST")


async def test_logger_and_tracing_decorator(caplog: pytest.LogCaptureFixture) -> None:
    log = comps.CustomLogger("opea-test")
    with caplog.at_level("DEBUG"):
        for level in ("debug", "info", "train", "eval", "warning", "error", "critical", "exception"):
            getattr(log, level)(f"at {level}")
        log.log_message(20, "plain")
    assert [record.levelno for record in caplog.records] == [10, 20, 21, 22, 30, 40, 50, 40, 20]

    @comps.opea_telemetry
    async def later(x: int) -> int:
        return x + 1

    @comps.opea_telemetry
    def now(x: int) -> int:
        return x + 1

    assert (await later(1), now(1), later.__name__) == (2, 2, "later")


def test_pending_gauge_is_restored_whatever_happens() -> None:
    before = metrics.pending._value.get()
    with pytest.raises(RuntimeError), metrics.working():
        raise RuntimeError
    assert metrics.pending._value.get() == before
