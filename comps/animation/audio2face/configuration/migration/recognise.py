"""What a file is: which of the files of which version, and where in it the configuration lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from comps.animation.audio2face.configuration.document import (
    ConfigurationError,
    Document,
    KeyPath,
    leaves,
    parse_document,
    shown,
)
from comps.animation.audio2face.configuration.migration.defaults import FILES, File
from comps.animation.audio2face.configuration.migration.restructure import (
    CONTROLLER_KEYS,
    KUBERNETES_KEYS,
    SERVICE_KEYS,
)
from comps.animation.audio2face.configuration.section import keys_of

Role = Literal["service", "controller", "kubernetes", "stylization", "deployment", "advanced"]
Version = Literal["1.0", "1.2", "1.3", "2.0"]

OLDEST: tuple[Role, ...] = ("service", "controller", "kubernetes")
"""Files of 1.0."""
_OPEN = {
    ("default_beginning_emotions",),
    ("a2f", "face_params"),
    *(("a2f", "blendshape_params", table) for table in ("weight_multipliers", "weight_offsets")),
    *(("a2f", "blendshape_params", table) for table in ("active_poses", "cancel_poses", "symmetry_poses")),
}
"""Sections whose keys are names of shapes, emotions or parameters."""
_OLD_STYLE = {("a2f", name) for name in ("inference_model_id", "blendshape_id", "tongue_blendshape_id")}
_MARKS_1_3 = {
    "stylization": (("a2f", "tongue_blendshape_id"), ("a2f", "enable_tongue_blendshapes")),
    "deployment": tuple(
        ("endpoints", "bidirectional", "server", name)
        for name in ("secure_mode", "certificate_path", "key_path", "ca_path")
    ),
    "advanced": (),
}
_MARKS_2_0 = {
    "stylization": (("a2f", "inference_type"), ("a2f", "regression_model"), ("a2f", "diffusion_model")),
    "deployment": (("common", "silence_padding_duration_second"),),
    "advanced": (
        ("a2f", "use_gpu_solver"),
        ("resampling",),
        ("pipeline_parameters", "burst_mode"),
        ("pipeline_parameters", "blendshape_streaming_fps"),
    ),
}
_SUFFIXES = (".yaml", ".yml", ".json")
_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Site:
    """A configuration within a file.

    Attributes:
        document: the file.
        prefix: the keys that lead to it; empty when it is the whole file.
        inner: the configuration as a document of its own, when the file holds it as text.
        role: which file it is.
        version: None when nothing in it says.
    """

    document: Document
    prefix: KeyPath
    inner: Document | None
    role: Role
    version: Version | None

    @property
    def body(self) -> Document:
        """The document that the configuration's keys are in."""
        return self.inner or self.document

    @property
    def path(self) -> KeyPath:
        """Where the configuration is within `body`."""
        return () if self.inner else self.prefix

    @property
    def file(self) -> File:
        """The role, for a site of 1.2 or later."""
        return _file(self.role)


def sites_of(document: Document, roles: tuple[Role, ...]) -> list[Site]:
    """The configurations in a file: the file itself, or what a chart's values hold below `...yaml` keys.

    Args:
        document: the file.
        roles: what it may be.

    Raises:
        ConfigurationError: there is none, or it could be several things.
    """
    whole = _site(document, (), None, document.data, roles)
    if whole is not None:
        return [whole]
    found = list(_embedded(document, document.data, (), roles))
    if not found:
        raise ConfigurationError(
            f"holds no configuration of Audio2Face that could be a {', '.join(roles)} file", file=document.name
        )
    return found


def _embedded(document: Document, data: Mapping[str, Any], path: KeyPath, roles: tuple[Role, ...]) -> Iterator[Site]:
    for name, value in data.items():
        here = (*path, name)
        if isinstance(value, str) and name.endswith(_SUFFIXES) and "\n" in value.strip():
            inner = _inner(document, here, value)
            site = _site(document, here, inner, inner.data, roles)
        elif isinstance(value, dict):
            site = _site(document, here, None, value, roles)
        else:
            continue
        if site is not None:
            yield site
        elif isinstance(value, dict) and len(here) < _DEPTH:
            yield from _embedded(document, value, here, roles)


def _inner(document: Document, path: KeyPath, text: str) -> Document:
    try:
        return parse_document(text, path[-1])
    except ConfigurationError as error:
        first = document.line(path)
        # the text begins in the line below its key
        line = None if first is None or error.line is None else first + error.line
        raise ConfigurationError(error.fault, file=document.name, line=line, key=shown(path)) from error


def _site(
    document: Document, path: KeyPath, inner: Document | None, data: Mapping[str, Any], roles: tuple[Role, ...]
) -> Site | None:
    role = _role(data, path[-1] if path else document.name, roles)
    if role is None:
        return None
    return Site(document, path, inner, role, "1.0" if role in OLDEST else _version(data, _file(role)))


def _role(data: Mapping[str, Any], name: str, roles: tuple[Role, ...]) -> Role | None:
    """The role that knows most of the keys; the file's name decides between equals."""
    keys = [path for path, _ in leaves(data)]
    scores = {role: sum(_knows(role, path) for path in keys) for role in roles}
    best = max(scores.values(), default=0)
    first = [role for role in roles if scores[role] == best and best > 0]
    named = [role for role in first if role in name]
    return (named or first)[0] if first else None


def _knows(role: Role, path: KeyPath) -> bool:
    if role in _FLAT:
        return any(shown(path[:length]) in _FLAT[role] for length in range(1, len(path) + 1))
    if role == "stylization" and path in _OLD_STYLE:
        return True
    known = _KNOWN[role]
    return path in known or any(path[:length] in _OPEN and path[:length] in known for length in range(1, len(path)))


_FLAT: Mapping[Role, frozenset[str]] = {
    "service": SERVICE_KEYS,
    "controller": CONTROLLER_KEYS,
    "kubernetes": KUBERNETES_KEYS,
}
_KNOWN: Mapping[Role, frozenset[KeyPath]] = {
    file: frozenset(path for path, _ in keys_of(model)) for file, model in FILES.items()
}


def _version(data: Mapping[str, Any], file: File) -> Version | None:
    if file == "stylization" and _at(data, ("a2f", "inference_model_id")):
        return "1.3" if any(_at(data, mark) for mark in _MARKS_1_3[file]) else "1.2"
    if any(_at(data, mark) for mark in _MARKS_2_0[file]):
        return "2.0"
    return "1.3" if any(_at(data, mark) for mark in _MARKS_1_3[file]) else None


def _at(data: Any, path: KeyPath) -> bool:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def _file(role: Role) -> File:
    if role == "stylization" or role == "deployment" or role == "advanced":
        return role
    raise ValueError(f"{role} is a file of 1.0")
