"""A megaservice described in YAML: services with endpoints, and flow strings such as ``(a, b) >> c``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from comps.core.documents import LLMParams
from comps.core.microservice import MicroService
from comps.core.service_types import ServiceType
from megaservice.dag import DAG
from megaservice.orchestrator import ServiceOrchestrator


class ServiceOrchestratorWithYaml(ServiceOrchestrator):
    """Runs the graph of a YAML file, with the engine of `ServiceOrchestrator`.

    ``opea_micro_services`` maps a name to ``{endpoint: URL}``; ``opea_mega_service.mega_flow`` is a
    list of rules. Without rules every service gets the initial inputs. `result_dict` holds the
    outputs of the last `schedule`, by name.

    Raises:
        ValueError: the file has no services, a rule names an unknown one, or the rules make a cycle.
    """

    def __init__(self, yaml_file_path: str | Path) -> None:
        super().__init__()
        self.yaml_file_path = yaml_file_path
        self.docs: dict[str, Any] = yaml.safe_load(Path(yaml_file_path).read_text()) or {}
        self.result_dict: dict[str, Any] = {}
        for name, service in (self.docs.get("opea_micro_services") or {}).items():
            self.add(_YamlService(str(name), str(service["endpoint"])))
        for rule in (self.docs.get("opea_mega_service") or {}).get("mega_flow") or ():
            self._connect(str(rule))
        if not self.validate():
            raise ValueError(f"{yaml_file_path}: there is no service to start from")

    async def schedule(
        self, initial_inputs: Mapping[str, Any] | Any, llm_parameters: LLMParams | None = None, **kwargs: Any
    ) -> tuple[dict[str, Any], DAG]:
        """As `ServiceOrchestrator.schedule`; nothing streams unless asked to."""
        parameters = llm_parameters or LLMParams(stream=False)
        self.result_dict, graph = await super().schedule(initial_inputs, parameters, **kwargs)
        return self.result_dict, graph

    def _connect(self, rule: str) -> None:
        groups = [[name.strip() for name in group.strip().strip("()").split(",")] for group in rule.split(">>")]
        for before, after in itertools.pairwise(groups):
            for source in before:
                for target in after:
                    self._add_flow(rule, source, target)

    def _add_flow(self, rule: str, source: str, target: str) -> None:
        try:
            self.add_edge(source, target)
        except (KeyError, ValueError) as error:
            raise ValueError(f"flow '{rule}': {error.args[0]}") from error


class _YamlService(MicroService):
    """A remote service known by its whole URL; its node key is its plain name, as in the file."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name, use_remote_service=True, service_type=ServiceType.UNDEFINED, host=url, endpoint="/")
        self.name = name
        self._url = url

    def endpoint_path(self, model: str | None = None) -> str:
        """The URL as it is in the file."""
        return self._url
