"""Settings that every service shares; each service adds its own fields and its environment prefix.

A field of a service is read from, first match wins: the constructor, the service's own variable
(``AVATAR_ASR_LOG_LEVEL``), the variable common to all services (``AVATAR_LOG_LEVEL``; every common
field but the port has one), the default. Empty variables count as unset, as compose files leave them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import Self

from comps.core.errors import SettingsError
from comps.core.user_data import models_folder
from comps.core.web.problems import said_of

SHARED_PREFIX = "AVATAR_"
ANY_ORIGIN = "*"
_TRUE = ("true", "1", "yes", "on")


class ServiceSettings(BaseSettings):
    """What every service can be told. Subclasses set ``model_config = SettingsConfigDict(env_prefix=...)``."""

    model_config = SettingsConfigDict(
        env_prefix=SHARED_PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        protected_namespaces=(),
    )

    also_read: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Variables that a source of the class's own reads, by field, for the table of settings."""

    host: str = Field("127.0.0.1", description="address the service listens on")
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 lets the system choose")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe level logged; OPEA's LOGFLAG=true means debug where this is not set"
    )
    log_format: Literal["json", "text"] = Field("json", description="one JSON object per line, or plain text")
    allowed_origins: str = Field(
        "", description="web pages elsewhere that may call, such as https://a.example; commas between them; * for all"
    )
    models_dir: Path = Field(
        default_factory=models_folder,
        description="folder of models, as `avatarchatbot models` fills it; without it AVATAR_WEIGHTS_DIR, "
        "else the folder models in the user's application data",
    )
    max_body_bytes: int = Field(64 * 1024 * 1024, gt=0, description="largest request body and WebSocket message, bytes")
    max_audio_s: float = Field(300.0, gt=0, description="longest audio taken, seconds")
    max_pixels: int = Field(50_000_000, gt=0, description="largest picture taken, width times height")
    max_concurrent: int = Field(32, gt=0, description="requests and sessions served at once; more get 429")
    request_timeout_s: float = Field(300.0, gt=0, description="longest time one HTTP request may take, seconds")
    shutdown_grace_s: float = Field(10.0, ge=0, description="time open requests get to finish at shutdown, seconds")

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins in `allowed_origins`, as browsers write them."""
        return tuple(_origin(item.strip()) for item in self.allowed_origins.split(",") if item.strip())

    @field_validator("*", mode="before")
    @classmethod
    def _chosen_number(cls, value: Any, info: ValidationInfo) -> Any:
        """One of the numbers that a field may have, from a variable, which is text."""
        choices = get_args(cls.model_fields[info.field_name or ""].annotation)
        return next((choice for choice in choices if isinstance(choice, int) and str(choice) == value), value)

    @field_validator("allowed_origins")
    @classmethod
    def _only_origins(cls, value: str) -> str:
        for item in value.split(","):
            _origin(item.strip())
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _say_which_variable(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """Raises SettingsError where variables alone are at fault; those who call the constructor know what they gave."""
        try:
            return check(values)
        except ValidationError as error:
            problems = {variable_at_fault(cls, problem): problem for problem in error.errors(include_url=False)}
            if "" in problems:
                raise
            said = "; ".join(said_of(problem, variable) for variable, problem in problems.items())
            raise SettingsError(said) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Constructor, the service's variables, the common variables."""
        for source in (env_settings, dotenv_settings):
            _forget_bare_names(settings_cls, source)
        return init_settings, env_settings, dotenv_settings, _SharedSource(settings_cls, env_prefix=SHARED_PREFIX)


def variables_of(settings: type[ServiceSettings], field: str) -> tuple[str, ...]:
    """The variables of its own that `field` of `settings` is read from; the first one set wins."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(choice.upper() for choice in alias.choices if isinstance(choice, str) and choice != field)
    prefix = settings.model_config.get("env_prefix", "")
    return ((alias if isinstance(alias, str) else f"{prefix}{field}").upper(),)


def variable_at_fault(settings: type[ServiceSettings], problem: Any) -> str:
    """The variable that holds what a `problem` of pydantic's is about; empty where it came from elsewhere."""
    first = str(problem["loc"][0]) if problem["loc"] else ""
    known = {name.upper(): value for name, value in os.environ.items() if value}
    for field in settings.model_fields:
        names = [*variables_of(settings, field), *settings.also_read.get(field, ())]
        if first == field or first.upper() in names:
            shared = [f"{SHARED_PREFIX}{field}".upper()] if field in SHARED_FIELDS else []
            found = next((name for name in (*names, *shared) if name in known), "")
            return found if found and str(problem["input"]) in known[found] else ""
    return ""


def _origin(text: str) -> str:
    """One origin in the form browsers send; raises ValueError when it is none."""
    if text in ("", ANY_ORIGIN):
        return text
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"'{text}' is no origin of a page; one looks like https://a.example or http://localhost:8080")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _forget_bare_names(settings_cls: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
    """Keep variables such as ``PORT`` or ``URL`` out, which pydantic reads when an alias repeats its field's name.

    OPEA's own bare names (``FPS``) are read: they are listed in capitals.
    """
    if isinstance(source, EnvSettingsSource):
        bare = {name for name, info in settings_cls.model_fields.items() if _repeats_its_name(name, info)}
        source.env_vars = {name: value for name, value in source.env_vars.items() if name.lower() not in bare}


def _repeats_its_name(name: str, info: FieldInfo) -> bool:
    alias = info.validation_alias
    return isinstance(alias, AliasChoices) and name in alias.choices and name.upper() not in alias.choices


SHARED_FIELDS = frozenset(ServiceSettings.model_fields) - {"port"}


class _SharedSource(EnvSettingsSource):
    """Reads ``AVATAR_<FIELD>`` for the common fields only, so that a service's own names stay its own."""

    def __call__(self) -> dict[str, Any]:
        found = {name: value for name, value in super().__call__().items() if name in SHARED_FIELDS}
        wordy = str(self.env_vars.get("logflag", "")).strip().lower() in _TRUE
        return {"log_level": "debug", **found} if wordy else found
