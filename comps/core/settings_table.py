"""The table of every setting in ``docs/settings.md``, made from the settings classes themselves.

``python -m comps.core.settings_table docs/settings.md`` writes it; a test compares the file with `render`.
"""

from __future__ import annotations

import pkgutil
import sys
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from comps.core.settings import SHARED_FIELDS, ServiceSettings, variables_of

SETTINGS_CLASSES = (
    "comps.asr.settings:AsrSettings",
    "comps.llm.settings:LlmSettings",
    "comps.tts.settings:TtsSettings",
    "comps.animation.settings:AnimationSettings",
    "comps.animation.audio2face.server.settings:Audio2FaceServiceSettings",
    "gateway.settings:GatewaySettings",
)
"""Every service's settings, by name, because this package imports no service; add new ones here."""

_ROOT = Path(__file__).resolve().parents[2]
"""Where this installation is; shown paths are relative to it."""

_INTRODUCTION = """# Settings

Environment variables, read once when a service starts. An empty variable counts as unset. Where
several names are given the first one set wins. This file is generated from the settings classes:
`python -m comps.core.settings_table docs/settings.md`.

OPEA's names are read where a table has them, and `LOGFLAG`, `HF_TOKEN` and the proxies' everywhere. Not read are
`WAV2LIP_ENDPOINT` and `ANIMATION_COMPONENT_NAME` (the animation service draws itself, `INFERENCE_MODE` says with what),
`FACESIZE` (the network has one, 96), `AUDIO` (every request brings its own), `ENABLE_MCP`, and `TELEMETRY_ENDPOINT`
(figures are at `/metrics`).
"""

_COMMON = """
## Every service

Each service reads these under its own prefix first (`AVATAR_ASR_LOG_LEVEL`), then under the common
name below; the port has only the service's own name.
"""


def settings_classes() -> list[type[ServiceSettings]]:
    """The classes of `SETTINGS_CLASSES` that are part of this installation."""
    found: list[type[ServiceSettings]] = []
    for name in SETTINGS_CLASSES:
        try:
            found.append(pkgutil.resolve_name(name))
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
    return found


def render(classes: Iterable[type[ServiceSettings]]) -> str:
    """The whole document: the common settings, then what each service adds or sets otherwise."""
    common = {name: ServiceSettings.model_fields[name] for name in sorted(SHARED_FIELDS)}
    parts = [_INTRODUCTION, _COMMON, *_table(ServiceSettings, common)]
    for settings in classes:
        prefix = settings.model_config.get("env_prefix", "")
        own = {name: info for name, info in settings.model_fields.items() if _differs(settings, name, info)}
        title = f"\n## {settings.__name__.removesuffix('Settings')} (`{prefix}*`)\n"
        parts += [title, *_table(settings, own)]
    return "\n".join(parts) + "\n"


def _differs(settings: type[ServiceSettings], name: str, info: FieldInfo) -> bool:
    base = ServiceSettings.model_fields.get(name)
    if name in settings.also_read:
        return True
    return base is None or name == "port" or base.default != info.default or info.validation_alias is not None


def _table(settings: type[ServiceSettings], fields: Mapping[str, FieldInfo]) -> Iterable[str]:
    yield "| variable | values | default | meaning |\n| --- | --- | --- | --- |"
    for name, info in fields.items():
        variables = (*variables_of(settings, name), *settings.also_read.get(name, ()))
        names = ", ".join(f"`{variable}`" for variable in variables)
        yield f"| {names} | {_values(info)} | {_default(info)} | {_escape(info.description or '')} |"


def _values(info: FieldInfo) -> str:
    limits = [f"{sign} {value}" for sign, value in _limits(info)]
    return _escape(" ".join([_type_name(info.annotation), ", ".join(limits)]).strip())


def _limits(info: FieldInfo) -> Iterable[tuple[str, Any]]:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    for rule in info.metadata:
        for attribute, sign in signs.items():
            if (value := getattr(rule, attribute, None)) is not None:
                yield sign, value


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " / ".join(str(value) for value in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return " / ".join(_type_name(part) for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is not None:
        return str(annotation).replace("typing.", "")
    return str(getattr(annotation, "__name__", annotation))


def _default(info: FieldInfo) -> str:
    if info.default_factory is not None:
        return "see meaning"
    if info.default is PydanticUndefined:
        return "required"
    value = getattr(info.default, "get_secret_value", lambda: info.default)()
    if isinstance(value, Path) and value.is_relative_to(_ROOT):
        value = value.relative_to(_ROOT).as_posix()
    return "–" if value in (None, "", ()) else f"`{_escape(str(value))}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(path: str) -> None:
    """Write the table to `path`."""
    Path(path).write_text(render(settings_classes()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
