"""Programs written for OPEA, run as programs in front of this product's real services.

What each hook and request looks like is tested with stand-ins in tests/megaservice; here the answer must be a video.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

import comps
from tests.acceptance.media import read_clip
from tests.acceptance.stack import Product
from tests.gateway.conftest import free_ports

NEWER = """
import os
from fastapi import Request
from comps import MegaServiceEndpoint, MicroService, ServiceOrchestrator, ServiceRoleType, ServiceType
from comps.cores.proto.api_protocol import AudioChatCompletionRequest, ChatCompletionResponse
from comps.cores.proto.docarray import LLMParams

NODES = {
    "asr": (ServiceType.ASR, "WHISPER_SERVER", "/v1/asr"),
    "llm": (ServiceType.LLM, "LLM_SERVER", "/v1/chat/completions"),
    "tts": (ServiceType.TTS, "SPEECHT5_SERVER", "/v1/tts"),
    "animation": (ServiceType.ANIMATION, "ANIMATION_SERVICE", "/v1/animation"),
}

def align_inputs(self, inputs, cur_node, runtime_graph, llm_parameters_dict, **kwargs):
    kind = self.services[cur_node].service_type
    if kind == ServiceType.LLM:
        return {
            "model": "tgi",
            "messages": [{"role": "user", "content": inputs["asr_result"]}],
            "stream": inputs["streaming"],
            **{key: inputs[key] for key in ("max_tokens", "top_p", "frequency_penalty", "temperature")},
        }
    if kind == ServiceType.TTS:
        return {"text": inputs["choices"][0]["message"]["content"], "voice": kwargs["voice"]}
    return {"byte_str": inputs["tts_result"]} if kind == ServiceType.ANIMATION else inputs

class AvatarChatbotService:
    def __init__(self, host, port):
        self.host, self.port = host, port
        ServiceOrchestrator.align_inputs = align_inputs
        self.megaservice = ServiceOrchestrator()
        self.endpoint = str(MegaServiceEndpoint.AVATAR_CHATBOT)

    def add_remote_service(self):
        nodes = [
            MicroService(
                name=name,
                host=os.environ[variable + "_HOST_IP"],
                port=int(os.environ[variable + "_PORT"]),
                endpoint=path,
                use_remote_service=True,
                service_type=kind,
            )
            for name, (kind, variable, path) in NODES.items()
        ]
        asr, llm, tts, animation = nodes
        self.megaservice.add(asr).add(llm).add(tts).add(animation)
        self.megaservice.flow_to(asr, llm)
        self.megaservice.flow_to(llm, tts)
        self.megaservice.flow_to(tts, animation)

    async def handle_request(self, request: Request):
        chat = AudioChatCompletionRequest.parse_obj(await request.json())
        parameters = LLMParams(
            max_tokens=chat.max_tokens, top_p=chat.top_p, temperature=chat.temperature,
            frequency_penalty=chat.frequency_penalty, streaming=False,
        )
        results, graph = await self.megaservice.schedule(
            initial_inputs={"audio": chat.audio}, llm_parameters=parameters, voice=chat.voice
        )
        return results[graph.all_leaves()[-1]]["video_path"]

    def start(self):
        service = MicroService(
            self.__class__.__name__,
            service_role=ServiceRoleType.MEGASERVICE,
            host=self.host,
            port=self.port,
            endpoint=self.endpoint,
            input_datatype=AudioChatCompletionRequest,
            output_datatype=ChatCompletionResponse,
        )
        service.add_route(self.endpoint, self.handle_request, methods=["POST"])
        service.start()

if __name__ == "__main__":
    chatbot = AvatarChatbotService(host="127.0.0.1", port=int(os.environ["MEGA_SERVICE_PORT"]))
    chatbot.add_remote_service()
    chatbot.start()
"""

OLDER = """
import os
from comps import MicroService, ServiceOrchestrator, ServiceType
from megaservice.opea.serving import AvatarChatbotGateway

NODES = {
    "asr": (ServiceType.ASR, "ASR_SERVICE", "/v1/audio/transcriptions"),
    "llm": (ServiceType.LLM, "LLM_SERVICE", "/v1/chat/completions"),
    "tts": (ServiceType.TTS, "TTS_SERVICE", "/v1/audio/speech"),
    "animation": (ServiceType.ANIMATION, "ANIMATION_SERVICE", "/v1/animation"),
}

class AvatarChatbotService:
    def __init__(self, host="0.0.0.0", port=8000):
        self.host, self.port = host, port
        self.megaservice = ServiceOrchestrator()

    def add_remote_service(self):
        before = None
        for name, (kind, variable, path) in NODES.items():
            host, port = os.environ[variable + "_HOST_IP"], int(os.environ[variable + "_PORT"])
            node = MicroService(
                name=name, host=host, port=port, endpoint=path, use_remote_service=True, service_type=kind
            )
            self.megaservice.add(node)
            if before:
                self.megaservice.flow_to(before, node)
            before = node
        self.gateway = AvatarChatbotGateway(megaservice=self.megaservice, host="127.0.0.1", port=self.port)

chatbot = AvatarChatbotService(host="127.0.0.1", port=int(os.environ["MEGA_SERVICE_PORT"]))
chatbot.add_remote_service()
"""

SEED = """
import os
import time
import httpx
from comps import (
    Base64ByteStrDoc, ServiceType, VideoPath,
    opea_microservices, register_microservice, register_statistics, statistics_dict,
)

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
def animate(audio: Base64ByteStrDoc):
    start = time.time()
    url = f"http://127.0.0.1:{os.environ['ANIMATION_SERVICE_PORT']}/v1/wav2lip"
    answer = httpx.post(url, json={"audio": audio.byte_str}, timeout=60, trust_env=False).json()
    statistics_dict["opea_service@animation"].append_latency(time.time() - start, None)
    return VideoPath(video_path=answer["wav2lip_result"])

if __name__ == "__main__":
    service = opea_microservices["opea_service@animation"]
    assert (service.host, service.port) == ("0.0.0.0", 9066)
    service.host, service.port = "127.0.0.1", int(os.environ["MEGA_SERVICE_PORT"])
    service.start()
"""

VARIABLES = {
    "asr": ("WHISPER_SERVER", "ASR_SERVICE"),
    "llm": ("LLM_SERVER", "LLM_SERVICE"),
    "tts": ("SPEECHT5_SERVER", "TTS_SERVICE"),
    "animation": ("ANIMATION_SERVICE",),
}


@asynccontextmanager
async def program(source: str, running: Product, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Run `source` with OPEA's variables; yields a client of the port it serves."""
    path = folder / "avatarchatbot.py"
    path.write_text(source)
    port = free_ports(1)
    places = {"MEGA_SERVICE_PORT": str(port), "PYTHONPATH": str(Path(comps.__file__).parents[1])}
    for service, stems in VARIABLES.items():
        host, _, number = running.urls[service].removeprefix("http://").partition(":")
        for stem in stems:
            places |= {f"{stem}_HOST_IP": host, f"{stem}_PORT": number}
    process = await asyncio.create_subprocess_exec(sys.executable, str(path), env={**os.environ, **places})
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            await until_ready(client, process)
            yield client
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def until_ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    """Wait, within the test's own time limit, until the program answers."""
    while process.returncode is None:
        with suppress(httpx.TransportError):
            if (await client.get("/health")).is_success:
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the program ended with {process.returncode}")


def check_video(path: str, least_s: float) -> None:
    """The service's file is a talking face of some length."""
    clip = read_clip(Path(path))
    assert path.endswith(".mp4")
    assert clip.sound_s > least_s
    assert abs(len(clip.frames) / 25 - clip.sound_s) <= 0.04


@pytest.mark.parametrize("source", [NEWER, OLDER], ids=["1.2", "1.1"])
async def test_a_chatbot_program(source: str, running: Product, spoken_question: str, tmp_path: Path) -> None:
    async with program(source, running, tmp_path) as client:
        reply = await client.post("/v1/avatarchatbot", json={"audio": spoken_question, "max_tokens": 64})
        assert reply.status_code == 200, reply.text
        check_video(reply.json(), 1.0)
        statistics: dict[str, Any] = (await client.get("/v1/statistics")).json()
        assert any(window["p50_latency"] for window in statistics.values())


async def test_the_registration_of_the_seed(running: Product, spoken_question: str, tmp_path: Path) -> None:
    async with program(SEED, running, tmp_path) as client:
        reply = await client.post("/v1/animation", json={"byte_str": spoken_question})
        assert reply.status_code == 200, reply.text
        assert set(reply.json()) == {"id", "video_path"}
        check_video(reply.json()["video_path"], 1.5)
        statistics = (await client.get("/v1/statistics")).json()
        assert statistics["opea_service@animation"]["average_latency"] > 0
