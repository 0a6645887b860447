"""Registering a function as a service, and services elsewhere as stubs, as OPEA's users write it.

    @register_microservice(name="opea_service@echo", endpoint="/v1/echo", port=9000, input_datatype=TextDoc)
    async def echo(doc: TextDoc) -> TextDoc: ...

    opea_microservices["opea_service@echo"].start()

Constructing and registering bind no port and start no thread; `MicroService.start` does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from pydantic import ValidationError
from starlette.responses import Response

from comps.core.app import ServiceInfo, create_service_app, metrics_of
from comps.core.documents import TextDoc
from comps.core.errors import BadRequestError
from comps.core.serve import BlockingServer
from comps.core.service_types import ServiceRoleType, ServiceType
from comps.core.settings import ServiceSettings
from comps.core.statistics import statistics_dict
from comps.core.web.asgi import error_response
from comps.core.web.handlers import validation_error
from comps.core.web.metrics import PROCESS_REGISTRY

logger = logging.getLogger(__name__)

VERSION = "1.0"
_DESCRIPTION = "A microservice of an avatar chatbot"

_NOT_OFFERED = ("dynamic_batching", "static_batching", "enable_mcp")
_OPEA_OPTIONS = (
    *_NOT_OFFERED,
    *("dynamic_batching_timeout", "dynamic_batching_max_batch_size"),
    *("static_batching_timeout", "static_batching_max_batch_size"),
    *("mcp_func_type", "func", "http_service_kwargs"),
)

CallbackT = TypeVar("CallbackT", bound=Callable[..., Any])


class MicroService:
    """A service of this process, or with `use_remote_service` the stub of one elsewhere.

    The parameters are OPEA's, so that its users' calls fit.

    Args:
        name: the node's key is ``<name>/MicroService``.
        service_role: microservice or megaservice.
        service_type: what it does.
        protocol: ``http`` or ``https``.
        host: address to listen on, or of the remote service (a whole base URL is taken as it is).
        port: TCP port.
        api_key: bearer token for a remote service.
        ssl_keyfile: PEM file; with `ssl_certfile` the service speaks TLS.
        ssl_certfile: PEM file.
        endpoint: path of its main route.
        input_datatype: type of its messages in.
        output_datatype: type of its messages out.
        use_remote_service: True for a stub.
        description: sentence for `/v1/health_check` and the API's documentation.
        dynamic_batching: not offered; True raises ValueError.
        unused: other arguments OPEA has; they are accepted when their feature is left off.
    """

    def __init__(
        self,
        name: str | None = None,
        service_role: ServiceRoleType = ServiceRoleType.MICROSERVICE,
        service_type: ServiceType = ServiceType.LLM,
        protocol: str = "http",
        host: str = "localhost",
        port: int | None = 8080,
        api_key: str | None = None,
        ssl_keyfile: str | None = None,
        ssl_certfile: str | None = None,
        endpoint: str | None = "/",
        input_datatype: type[Any] = TextDoc,
        output_datatype: type[Any] = TextDoc,
        provider: str | None = None,
        provider_endpoint: str | None = None,
        use_remote_service: bool | None = False,
        description: str | None = None,
        dynamic_batching: bool = False,
        **unused: Any,
    ) -> None:
        _refuse({"dynamic_batching": dynamic_batching, **unused})
        kind = type(self).__name__
        self.short_name = name or kind
        self.name = f"{name}/{kind}" if name else kind
        self.service_role, self.service_type = service_role, service_type
        self.protocol, self.host, self.port = protocol, host, port
        self.api_key = api_key
        self.endpoint = endpoint or "/"
        self.input_datatype, self.output_datatype = input_datatype, output_datatype
        self.provider, self.provider_endpoint = provider, provider_endpoint
        self.use_remote_service = bool(use_remote_service)
        self.description = description or _DESCRIPTION
        self._ssl = {"ssl_keyfile": ssl_keyfile, "ssl_certfile": ssl_certfile}
        self._app: FastAPI | None = None
        self._server: BlockingServer | None = None

    def endpoint_path(self, model: str | None = None) -> str:
        """URL of the main route; `model` is accepted as OPEA's callers pass it and changes nothing."""
        return f"{self.base_url}{self.endpoint}"

    @property
    def base_url(self) -> str:
        """URL without a path."""
        if "://" in self.host:
            return self.host.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}" + (f":{self.port}" if self.port else "")

    @property
    def app(self) -> FastAPI:
        """The application, made on first use; raises RuntimeError for a remote service."""
        self._require_local()
        if self._app is None:
            self._app = _build_app(self)
        return self._app

    def add_route(self, endpoint: str, func: Callable[..., Any], methods: Sequence[str] = ("POST",)) -> None:
        """Serve `func` at `endpoint`; its annotations say what it takes and gives, as in FastAPI."""
        self.app.add_api_route(endpoint, func, methods=list(methods))

    def start(self) -> None:
        """Bind the port and serve until `stop` or a signal. Blocks, as OPEA's does.

        Raises:
            OSError: the port is taken or the address is not ours.
            RuntimeError: the service is a remote one.
        """
        self._server = BlockingServer(self.app, self.settings(), **self._ssl)
        try:
            self._server.run()
        finally:
            self._server = None

    run = start

    def stop(self) -> None:
        """Make `start` return after open requests have finished; callable from any thread."""
        self._require_local()
        if self._server is not None:
            self._server.stop()

    def _require_local(self) -> None:
        if self.use_remote_service:
            raise RuntimeError(f"{self.name} is a remote service; it can be called but not started or given routes")

    def settings(self) -> ServiceSettings:
        """Limits and timeouts: those common to all services, with this one's address."""
        return ServiceSettings(host=self.host, port=self.port or 0)


class MicroServiceRegistry(Mapping[str, MicroService]):
    """Services by the name they were registered under."""

    def __init__(self) -> None:
        self._services: dict[str, MicroService] = {}

    def __getitem__(self, name: str) -> MicroService:
        return self._services[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    def add(self, name: str, service: MicroService) -> MicroService:
        """Keep `service` under `name`; the first one registered stays, as several functions may share a service."""
        return self._services.setdefault(name, service)


opea_microservices = MicroServiceRegistry()


def register_microservice(
    name: str | None = None,
    endpoint: str | None = "/",
    methods: Sequence[str] = ("POST",),
    registry: MicroServiceRegistry = opea_microservices,
    **service: Any,
) -> Callable[[CallbackT], CallbackT]:
    """Decorator that serves a function at `endpoint` of the `MicroService` called `name`.

    `service` holds the other arguments of `MicroService`. The service is found as
    ``opea_microservices[name]``; the function itself stays as it is.
    """

    def decorate(callback: CallbackT) -> CallbackT:
        options = {"service_type": ServiceType.UNDEFINED, **service}
        key = name or callback.__name__
        micro_service = registry.add(key, MicroService(name=key, endpoint=endpoint, **options))
        micro_service.add_route(endpoint or "/", callback, methods=methods)
        return callback

    return decorate


def _refuse(options: Mapping[str, Any]) -> None:
    """Raise for options nobody has, and for features of OPEA that are not offered but asked for."""
    for option, value in options.items():
        if option not in _OPEA_OPTIONS:
            raise TypeError(f"MicroService has no option '{option}'")
        if value and option in _NOT_OFFERED:
            raise ValueError(f"{option} is not offered here; leave it off")


def _build_app(service: MicroService) -> FastAPI:
    short = service.short_name.rpartition("@")[2]
    info = ServiceInfo(name=short, title=service.name, description=service.description, version=VERSION)
    if service.service_role is ServiceRoleType.MEGASERVICE:
        statistics_dict.register(short)
    app = create_service_app(info, service.settings(), statistics=statistics_dict)
    if service.service_role is ServiceRoleType.MEGASERVICE:
        metrics_of(app).registry.register(PROCESS_REGISTRY)

    async def on_validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ValidationError)
        return error_response(validation_error(request, error.errors()), short)

    async def on_json_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, json.JSONDecodeError)
        if error.doc.encode() != await request.body():
            logger.error("a route met broken JSON that is not its client's", exc_info=error)
            return error_response(error, short)
        return error_response(BadRequestError("the body is empty or not valid JSON"), short)

    # Functions written for OPEA read and validate the body themselves.
    app.add_exception_handler(ValidationError, on_validation_error)
    app.add_exception_handler(json.JSONDecodeError, on_json_error)
    return app
