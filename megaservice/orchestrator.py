"""The orchestrator as OPEA's users write it: services, edges, and a request run through them.

orchestrator = ServiceOrchestrator()
orchestrator.add(asr).add(llm)
orchestrator.flow_to(asr, llm)
results, graph = await orchestrator.schedule({"audio": "..."}, LLMParams(stream=False))
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from typing_extensions import Self

from comps.core.context import deadline_var, remaining_s
from comps.core.documents import LLMParams
from comps.core.errors import AvatarError, UpstreamError
from comps.core.microservice import MicroService
from comps.core.service_types import ServiceType
from megaservice.dag import DAG
from megaservice.fan_in import join_outputs
from megaservice.metrics import metrics
from megaservice.node import Node, NodeOptions, Nodes
from megaservice.skipping import skip_black_listed, without_unreached
from megaservice.tasks import end_tasks

WRITERS = (ServiceType.LLM, ServiceType.LVM)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What one `schedule` was called with. `parameters` are the LLM's, as a plain dictionary."""

    graph: DAG
    parameters: dict[str, Any]
    stream: bool
    extra: dict[str, Any]


class ServiceOrchestrator(DAG):
    """Runs requests through a graph of services; a service starts when all before it are done.

    `align_inputs`, `align_outputs`, `align_generator` and `process_outputs` may be overridden in a
    subclass, assigned on the class (as functions with `self`) or on one instance (without).

    Args:
        deadline_s: longest time for a whole request; a shorter one that came with it holds too.
    """

    def __init__(self, deadline_s: float = 300.0) -> None:
        super().__init__()
        self.services: dict[str, MicroService] = {}
        self._nodes = Nodes()
        self._deadline_s = deadline_s

    def add(self, service: MicroService, options: NodeOptions | None = None) -> ServiceOrchestrator:
        """Add a service; returns self, so that calls chain. Raises ValueError when its name is taken."""
        if service.name in self.services:
            raise ValueError(f"service '{service.name}' is already part of this orchestrator")
        self.services[service.name] = service
        self._nodes.add(service, options or NodeOptions())
        self.add_node_if_not_exists(service.name)
        return self

    def flow_to(self, from_service: MicroService, to_service: MicroService, strict: bool = False) -> bool:
        """Feed the output of the first service to the second.

        Returns False, with a line in the log, when one is unknown or the edge would close a cycle;
        with `strict` raises KeyError or CycleError instead.
        """
        try:
            self.add_edge(from_service.name, to_service.name)
        except (KeyError, CycleError) as error:
            if strict:
                raise
            logger.error("flow_to: %s", error.args[0])
            return False
        return True

    async def __aenter__(self) -> Self:
        """Start the apps of the nodes in this process; needed only when there are some."""
        await self._nodes.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop those apps and close every connection."""
        await self._nodes.aclose()

    async def aclose(self) -> None:
        """Close the connections; the next request opens new ones."""
        await self._nodes.aclose()

    def align_inputs(
        self, inputs: Any, cur_node: str, runtime_graph: DAG, llm_parameters_dict: Any, **kwargs: Any
    ) -> Any:
        """What `cur_node` is sent, made from what its predecessors gave; a hook, by default unchanged."""
        return inputs

    def align_outputs(
        self, data: Any, cur_node: str, inputs: Any, runtime_graph: DAG, llm_parameters_dict: Any, **kwargs: Any
    ) -> Any:
        """What `cur_node` gives on, made from what it answered; a hook, by default unchanged."""
        return data

    def align_generator(self, gen: Any, **kwargs: Any) -> Any:
        """What a streamed answer becomes before it is sent to the client; a hook, by default unchanged."""
        return gen

    def process_outputs(self, prev_nodes: list[str], result_dict: dict[str, Any]) -> Any:
        """The input of a node, made from the outputs of `prev_nodes`; raises FanInError on a clash of keys."""
        return join_outputs(prev_nodes, result_dict)

    def get_all_final_outputs(self, result_dict: dict[str, Any], runtime_graph: DAG) -> dict[str, Any]:
        """The outputs of the graph's leaves, by node."""
        return {leaf: result_dict[leaf] for leaf in runtime_graph.all_leaves() if leaf in result_dict}

    async def schedule(
        self,
        initial_inputs: Mapping[str, Any] | BaseModel,
        llm_parameters: LLMParams | None = None,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], DAG]:
        """Run one request; returns every node's output by node, and the graph as it was run.

        With ``llm_parameters.stream`` (the default) the output of a language model is a
        `StreamingResponse`; what follows the model is then fed sentence by sentence, and the
        outputs of the leaves are that response.

        Args:
            initial_inputs: given to every node that waits for no other.
            llm_parameters: put into the inputs of language models.
            kwargs: handed to the hooks.

        Raises:
            AvatarError: a node failed, with the node's name in `service`; the others have been stopped.
        """
        parameters = llm_parameters or LLMParams()
        request = Request(self.copy(), _plain(parameters), parameters.stream, kwargs)
        started = time.monotonic()
        token = deadline_var.set(started + min(self._deadline_s, _or_inf(remaining_s())))
        try:
            with metrics.working():
                results = await self._run(request, _plain_inputs(initial_inputs))
        finally:
            deadline_var.reset(token)
        if not any(isinstance(output, StreamingResponse) for output in results.values()):
            metrics.finished(time.monotonic() - started)
        return results, without_unreached(request.graph, self.ind_nodes())

    async def _run(self, request: Request, initial: dict[str, Any]) -> dict[str, Any]:
        results: dict[str, Any] = {}
        ready = dict.fromkeys(self.ind_nodes(), initial)
        running: dict[asyncio.Task[Any], str] = {}
        try:
            while ready or running:
                if len(ready) == 1 and not running:
                    node, inputs = ready.popitem()
                    ready = self._note(node, await self.execute(node, inputs, request), results, request)
                    continue
                for node, inputs in ready.items():
                    running[asyncio.create_task(self.execute(node, inputs, request))] = node
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                ready = {}
                for task in done:
                    ready |= self._note(running.pop(task), task.result(), results, request)
        finally:
            await end_tasks(running)
        return results

    def _note(self, node: str, output: Any, results: dict[str, Any], request: Request) -> dict[str, Any]:
        """Keep a result; returns the nodes that can start now, with their inputs."""
        if isinstance(output, StreamingResponse):
            leaves = [leaf for leaf in request.graph.all_downstreams(node) if not request.graph.downstream(leaf)]
            results |= dict.fromkeys(leaves or [node], output)
            return {}
        results[node] = output
        skip_black_listed(request.graph, node, output)
        ready = {}
        for after in request.graph.downstream(node):
            before = request.graph.predecessors(after)
            if all(name in results for name in before):
                ready[after] = self.process_outputs(before, results)
        return ready

    async def execute(self, cur_node: str, inputs: Any, request: Request) -> Any:
        """Run one node: shape its input, call it, shape its output; raises AvatarError naming the node."""
        node = self._nodes[cur_node]
        body = self._aligned_input(node, inputs, request)
        if node.service.service_type in WRITERS and request.stream:
            return self._streamed(node, body, request)
        with node.latency.time():
            data = await node.call(body)
        hook = partial(self.align_outputs, data, cur_node, body, request.graph, request.parameters, **request.extra)
        return _hooked(node, hook)

    def _aligned_input(self, node: Node, inputs: Any, request: Request) -> Any:
        if node.service.service_type in WRITERS and isinstance(inputs, dict):
            inputs = {**inputs, **request.parameters}
        hook = partial(self.align_inputs, inputs, node.service.name, request.graph, request.parameters, **request.extra)
        return _hooked(node, hook)

    def _streamed(self, node: Node, body: Any, request: Request) -> StreamingResponse:
        # Streaming needs a good part of the machinery below; requests that do not stream never load it.
        from megaservice.streamed_answer import StreamedAnswer

        answer = StreamedAnswer(self, self._nodes, node, request)
        return StreamingResponse(
            self.align_generator(answer.chunks(body), **request.extra), media_type="text/event-stream"
        )


def _hooked(node: Node, hook: Any) -> Any:
    """Run a hook; what it misses in a node's answer is that answer's fault, not a fault of the program."""
    try:
        return hook()
    except AvatarError as error:
        error.service = error.service or node.short_name
        raise
    except (KeyError, IndexError) as error:
        message = f"{node.short_name}: an answer lacks {error.args[0]!r}, which the flow needs"
        raise UpstreamError(message, service=node.short_name) from error


def _plain(parameters: LLMParams) -> dict[str, Any]:
    """The parameters as a dictionary; ``streaming`` is the name that older hooks read for ``stream``."""
    # The fields are plain values; docarray's own conversion takes longer than a call to a service.
    values = {name: value for name, value in vars(parameters).items() if name != "id"}
    return values | {"streaming": parameters.stream}


def _plain_inputs(inputs: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
    return inputs.model_dump(exclude_none=True) if isinstance(inputs, BaseModel) else dict(inputs)


def _or_inf(seconds: float | None) -> float:
    return float("inf") if seconds is None else seconds
