"""The gateway classes of OPEA 0.6 to 1.1: a megaservice behind one endpoint.

Constructing one starts nothing; call `start`. Programs of OPEA 1.1, whose gateway serves as soon as
it is constructed, run unchanged with ``from megaservice.opea.serving import AvatarChatbotGateway``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

import orjson
from fastapi import Request
from pydantic import BaseModel

from comps.core.documents import LLMParams
from comps.core.errors import BadRequestError, UpstreamError
from comps.core.microservice import MicroService
from comps.core.protocol import AudioChatCompletionRequest, ChatCompletionRequest, ChatCompletionResponse
from comps.core.service_types import MegaServiceEndpoint, ServiceRoleType, ServiceType
from megaservice.opea.flow_shapes import align_chatbot_inputs
from megaservice.orchestrator import ServiceOrchestrator


class Gateway:
    """Serves `handle_request` at `endpoint`, and lists the services behind it."""

    def __init__(
        self,
        megaservice: ServiceOrchestrator,
        host: str = "0.0.0.0",
        port: int = 8888,
        endpoint: str = str(MegaServiceEndpoint.CHAT_QNA),
        input_datatype: type[BaseModel] = ChatCompletionRequest,
        output_datatype: type[BaseModel] = ChatCompletionResponse,
    ) -> None:
        self.megaservice = megaservice
        self.host, self.port, self.endpoint = host, port, endpoint
        self.input_datatype, self.output_datatype = input_datatype, output_datatype
        self.service = MicroService(
            type(self).__name__,
            service_role=ServiceRoleType.MEGASERVICE,
            service_type=ServiceType.GATEWAY,
            host=host,
            port=port,
            endpoint=endpoint,
            input_datatype=input_datatype,
            output_datatype=output_datatype,
        )
        self.define_routes()

    def define_routes(self) -> None:
        """The endpoint itself, and the two lists."""
        self.add_route(self.endpoint, self.handle_request)
        self.add_route(str(MegaServiceEndpoint.LIST_SERVICE), self.list_service, ["GET"])
        self.add_route(str(MegaServiceEndpoint.LIST_PARAMETERS), self.list_parameter, ["GET"])

    def add_route(self, endpoint: str, handler: Callable[..., Any], methods: Sequence[str] = ("POST",)) -> None:
        """Serve `handler` at `endpoint` too."""
        self.service.add_route(endpoint, handler, methods=methods)

    def start(self) -> None:
        """Bind the port and serve; blocks until `stop` or a signal."""
        self.service.start()

    def stop(self) -> None:
        """Make `start` return."""
        self.service.stop()

    async def handle_request(self, request: Request) -> Any:
        """Answer one request; subclasses do it."""
        raise NotImplementedError(f"{type(self).__name__} answers no requests: override handle_request")

    def list_service(self) -> dict[str, dict[str, str]]:
        """Node to its description and endpoint."""
        return {
            node: {"description": service.description, "endpoint": service.endpoint}
            for node, service in self.megaservice.services.items()
        }

    def list_parameter(self) -> dict[str, Any]:
        """JSON schema of the request."""
        return self.input_datatype.model_json_schema()


class AvatarChatbotGateway(Gateway):
    """`POST /v1/avatarchatbot` over a megaservice of asr → llm → tts → animation; answers with the video's path.

    A megaservice with no `align_inputs` of its own gets one that fits the bodies of the four
    services to each other.
    """

    def __init__(self, megaservice: ServiceOrchestrator, host: str = "0.0.0.0", port: int = 8888) -> None:
        endpoint = str(MegaServiceEndpoint.AVATAR_CHATBOT)
        super().__init__(megaservice, host, port, endpoint, AudioChatCompletionRequest, ChatCompletionResponse)
        if type(megaservice).align_inputs is _UNALIGNED and "align_inputs" not in vars(megaservice):
            megaservice.align_inputs = MethodType(_align, megaservice)  # type: ignore[method-assign]

    async def handle_request(self, request: Request) -> Any:
        """The path of the video that answers the recording in the request's body."""
        return await answer_by_video(self.megaservice, request)


_UNALIGNED = ServiceOrchestrator.align_inputs


def _align(
    self: ServiceOrchestrator, inputs: Any, cur_node: str, runtime_graph: Any, llm_parameters_dict: Any, **kwargs: Any
) -> Any:
    return align_chatbot_inputs(self.services[cur_node].service_type, inputs, llm_parameters_dict, kwargs)


async def answer_by_video(megaservice: ServiceOrchestrator, request: Request) -> Any:
    """Run the request through `megaservice`; returns the ``video_path`` of its last node.

    Raises:
        BadRequestError: the body is no JSON object.
        pydantic.ValidationError: a field is missing or wrong.
        AvatarError: a node failed.
    """
    chat = AudioChatCompletionRequest.model_validate(_json_object(await request.body()))
    parameters = LLMParams(stream=False, **_given(chat))
    results, graph = await megaservice.schedule(
        {"audio": chat.audio, "byte_str": chat.audio}, parameters, voice=chat.voice or "default"
    )
    last = graph.all_leaves()[-1]
    try:
        return results[last]["video_path"]
    except (KeyError, TypeError) as error:
        raise UpstreamError(f"{last} answered without a video_path", service=last.partition("/")[0]) from error


def _given(chat: AudioChatCompletionRequest) -> dict[str, Any]:
    names = (
        "max_tokens",
        "top_k",
        "top_p",
        "temperature",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
    )
    values = {name: getattr(chat, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError("the body is empty or not valid JSON") from error
    if not isinstance(parsed, dict):
        raise BadRequestError("the body is not a JSON object")
    return parsed
