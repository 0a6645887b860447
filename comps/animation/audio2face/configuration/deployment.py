"""`deployment_config.yaml` of 2.0: how the service is reached, what it logs and measures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from comps.animation.audio2face.configuration.face_block import FaceBlock
from comps.animation.audio2face.configuration.section import Address, Number, Section, Switch, Whole, key, section

LOG_LEVELS = {"err": "error", "off": "disabled"}
"""Names of 1.2 and 1.3, and what 2.0 calls them."""

_IGNORED = "2.0 has no unidirectional endpoints"


def log_level(value: object) -> object:
    """The 2.0 name of a log level; YAML 1.1 reads `off` as false."""
    return "disabled" if value is False else LOG_LEVELS.get(str(value), value)


LogLevel = Annotated[
    Literal["trace", "debug", "info", "warn", "error", "critical", "disabled"], BeforeValidator(log_level)
]


class Common(Section):
    """How many streams, and what follows a clip."""

    stream_number: Whole = key(10, "streams served at once", ge=1, le=4096)
    add_silence_padding_after_audio: Switch = key(False, "whether silence is appended so that the face comes to rest")
    silence_padding_duration_second: Number = key(1.5, "length of that silence, s", since="2.0", ge=0, le=60)


class Logging(Section):
    """What is written to the log."""

    log_level: LogLevel = key("info", "least severe message that is logged")
    fps_logging_interval_second: Number = key(1, "time between two log lines on frame rates, s", gt=0)


class BidirectionalServer(Section):
    """The gRPC server that clients call."""

    url: Address = key("0.0.0.0:52000", "address the service listens on")
    secure_mode: Literal["disabled", "tls", "mtls"] = key("disabled", "encryption, also of clients", since="1.3")
    certificate_path: str = key("", "the server's certificate, PEM", since="1.3")
    key_path: str = key("", "the key of that certificate, PEM", since="1.3")
    ca_path: str = key("", "the authority that signed the clients' certificates, PEM", since="1.3")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> BidirectionalServer:
        needed = {"disabled": (), "tls": ("certificate_path", "key_path")}.get(
            self.secure_mode, ("certificate_path", "key_path", "ca_path")
        )
        absent = [name for name in needed if not getattr(self, name)]
        if absent:
            raise ValueError(f"secure_mode {self.secure_mode} needs {', '.join(absent)}")
        return self


class Bidirectional(Section):
    """The service that 2.0 offers."""

    server: BidirectionalServer = section(BidirectionalServer)


class UnidirectionalServer(Section):
    """Where audio came in before 2.0."""

    url: Address = key("0.0.0.0:50000", "address for audio of the legacy service", note=_IGNORED)


class UnidirectionalClient(Section):
    """Where animation went before 2.0."""

    url: Address = key("0.0.0.0:51000", "address the legacy service sends animation to", note=_IGNORED)


class Unidirectional(Section):
    """The pair of services of 1.0, read without effect."""

    server: UnidirectionalServer = section(UnidirectionalServer)
    client: UnidirectionalClient = section(UnidirectionalClient)


class Endpoints(Section):
    """Addresses."""

    use_bidirectional: Switch = key(True, "whether the bidirectional service is offered", note=_IGNORED)
    bidirectional: Bidirectional = section(Bidirectional)
    unidirectional: Unidirectional = section(Unidirectional)


class Telemetry(Section):
    """Metrics and traces."""

    service_name: str = key("audio2face", "name in metrics and traces", min_length=1)
    metrics_enabled: Switch = key(False, "whether metrics are offered")
    traces_enabled: Switch = key(False, "whether traces are sent")
    metrics_exporter: Literal["prometheus", "otlp"] = key("prometheus", "how metrics leave the service")
    otel_metric_export_interval: Whole = key(60000, "time between two exports, ms", ge=1)
    otel_metric_export_timeout: Whole = key(30000, "time an export may take, ms", ge=1)
    otlp_http_metrics_endpoint: str = key("http://localhost:4318/v1/metrics", "where OTLP metrics go")
    otlp_http_traces_endpoint: str = key("http://localhost:4318/v1/traces", "where OTLP traces go")
    prometheus_endpoint: Address = key("0.0.0.0:9464", "address that Prometheus reads")


class DeploymentConfig(Section):
    """The whole file. `face_params` (or `faceParams`) takes the block of 1.0 and goes over the stylization file."""

    common: Common = section(Common)
    logging: Logging = section(Logging)
    endpoints: Endpoints = section(Endpoints)
    telemetry: Telemetry = section(Telemetry)
    face_params: FaceBlock | None = Field(None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "faceParams" not in data:
            return data
        if "face_params" in data:
            raise ValueError("faceParams and face_params are the same block; give one of them")
        return {("face_params" if name == "faceParams" else name): value for name, value in data.items()}
