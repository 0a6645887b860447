"""The three files of 2.0, read, checked, and complained about by file, line and key."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from comps.animation.audio2face.configuration.advanced import AdvancedConfig
from comps.animation.audio2face.configuration.deployment import DeploymentConfig
from comps.animation.audio2face.configuration.document import (
    ConfigurationError,
    Document,
    KeyPath,
    brief,
    read_document,
    shown,
)
from comps.animation.audio2face.configuration.face_block import face_block
from comps.animation.audio2face.configuration.section import EntryError, Section, keys_of, unknown_keys
from comps.animation.audio2face.configuration.stylization import SHAPE_TABLES, StylizationConfig, character_of
from comps.animation.audio2face.names import ALL_SHAPES, FACE_EMOTIONS, face_emotion
from comps.animation.audio2face.parameters import FACE_BY_FILE, UNUSED_FACE_KEYS

ModelT = TypeVar("ModelT", bound=Section)

DEFAULT_CHARACTER = "claire"
_MOST_FAULTS = 10
_OLD_KEY: KeyPath = ("a2f", "inference_model_id")
"""Where 1.2 and 1.3 name the model."""
_BLOCK = "face_params"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something in a file that has no effect; `line` counts from 1."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The files of a service. Without a file its defaults hold.

    Attributes:
        character: claire, james or mark: whose defaults hold where the stylization file is silent.
        stylization, deployment, advanced: the files' contents.
        notices: keys without effect, each named with file and line.
    """

    character: str = DEFAULT_CHARACTER
    stylization: StylizationConfig = field(default_factory=StylizationConfig)
    deployment: DeploymentConfig = field(default_factory=DeploymentConfig)
    advanced: AdvancedConfig = field(default_factory=AdvancedConfig)
    notices: tuple[Notice, ...] = ()


def read_configuration(
    stylization: Path | None = None, deployment: Path | None = None, advanced: Path | None = None
) -> Configuration:
    """Read the files a service starts with, and log what has no effect.

    Raises:
        ConfigurationError: a file is broken, of an older version, or has a value that cannot be used;
            the message has one line for every fault.
        EngineUnavailableError: ruamel.yaml is not installed.
    """
    found = [None if path is None else read_document(path) for path in (stylization, deployment, advanced)]
    configuration = configuration_of(*found)
    for notice in configuration.notices:
        log.warning("%s", notice)
    return configuration


def configuration_of(
    stylization: Document | None = None, deployment: Document | None = None, advanced: Document | None = None
) -> Configuration:
    """The configuration that parsed files mean; see `read_configuration`."""
    files: tuple[tuple[Document | None, type[Section]], ...] = (
        (stylization, StylizationConfig),
        (deployment, DeploymentConfig),
        (advanced, AdvancedConfig),
    )
    style = _model_or_default(stylization, StylizationConfig)
    return Configuration(
        character=_character(style, stylization),
        stylization=style,
        deployment=_model_or_default(deployment, DeploymentConfig),
        advanced=_model_or_default(advanced, AdvancedConfig),
        notices=tuple(notice for document, model in files if document for notice in notices_of(document, model)),
    )


def model_of(document: Document, model: type[ModelT]) -> ModelT:
    """A file's contents, checked.

    Raises:
        ConfigurationError: one line for every fault.
    """
    _refuse_older(document, model)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise _faults(document, error) from error


def notices_of(document: Document, model: type[Section]) -> list[Notice]:
    """The keys of a valid file that have no effect."""
    unknown = [path for path in unknown_keys(model.model_validate(document.data)) if path[-1] != _BLOCK]
    found = [_unknown(document, path, keys_of(model)) for path in unknown]
    if model is StylizationConfig:
        found += _unknown_in_style(document)
    if model is DeploymentConfig:
        found += _unused_in_block(document)
    return found


def _model_or_default(document: Document | None, model: type[ModelT]) -> ModelT:
    return model() if document is None else model_of(document, model)


def _character(style: StylizationConfig, document: Document | None) -> str:
    """Whose defaults hold: those of the network in use, else of the file's name."""
    by_model = character_of(style.a2f.regression_model.inference_model_id)
    identity = style.a2f.diffusion_model.identity
    chosen = (identity, by_model) if style.a2f.inference_type == "diffusion" else (by_model, identity)
    named = character_of(document.name) if document else None
    return next((character for character in (*chosen, named) if character), DEFAULT_CHARACTER)


def _refuse_older(document: Document, model: type[Section]) -> None:
    if model is StylizationConfig and document.has(_OLD_KEY):
        fault = "is a key of 1.2 and 1.3; for files of 2.0 run  avatarchatbot a2f migrate"
        raise document.error(fault, _OLD_KEY)


def _faults(document: Document, error: ValidationError) -> ConfigurationError:
    details = error.errors(include_url=False)
    errors = [_fault(document, dict(detail)) for detail in details[:_MOST_FAULTS]]
    if len(details) > _MOST_FAULTS:
        errors.append(ConfigurationError(f"and {len(details) - _MOST_FAULTS} more", file=document.name))
    return ConfigurationError.all_of(errors)


def _fault(document: Document, detail: dict[str, Any]) -> ConfigurationError:
    path = _written(document, tuple(str(part) for part in detail["loc"]))
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, EntryError):
        path = (*path, cause.key)
    if isinstance(cause, ValueError):
        return document.error(str(cause), path)
    if detail["type"] == "model_type":
        return document.error(f"must hold keys and values, but is {brief(detail['input'])}", path)
    said = str(detail["msg"]).removeprefix("Input ")
    return document.error(f"{brief(detail['input'])}: {said}", path)


def _written(document: Document, path: KeyPath) -> KeyPath:
    """The part of a location that the file has: pydantic adds the kinds it tried."""
    known = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in document.pairs), ())
    spelled = path[:1] == (_BLOCK,) and ("faceParams",) in document.pairs
    return ("faceParams",) if spelled else known or path[:1]


def _unknown(document: Document, path: KeyPath, known: Iterable[tuple[KeyPath, Any]]) -> Notice:
    siblings = {key[len(path) - 1] for key, _ in known if len(key) >= len(path) and key[: len(path) - 1] == path[:-1]}
    return _notice(document, path, "is unknown and has no effect", siblings)


def _unknown_in_style(document: Document) -> Iterator[Notice]:
    emotions: KeyPath = ("default_beginning_emotions",)
    for name in document.section(emotions):
        if face_emotion(name) is None:
            yield _notice(document, (*emotions, name), "is no emotion and has no effect", FACE_EMOTIONS)
    face: KeyPath = ("a2f", "face_params")
    for name in document.section(face):
        if name in UNUSED_FACE_KEYS:
            yield _notice(document, (*face, name), "has no effect in a service", ())
        elif name not in FACE_BY_FILE:
            yield _notice(document, (*face, name), "is unknown and has no effect", FACE_BY_FILE)
    for table in SHAPE_TABLES:
        rows: KeyPath = ("a2f", "blendshape_params", table)
        for name in document.section(rows):
            if name not in ALL_SHAPES:
                yield _notice(document, (*rows, name), "is no shape and has no effect", ALL_SHAPES)


def _unused_in_block(document: Document) -> Iterator[Notice]:
    for spelling in (_BLOCK, "faceParams"):
        block = face_block(document.get((spelling,)))
        if block is not None:
            for name in (*block.unused, *block.unknown):
                known = "has no effect in a service" if name in block.unused else "is unknown and has no effect"
                yield _notice(document, (spelling, name), known, FACE_BY_FILE if name in block.unknown else ())


def _notice(document: Document, path: KeyPath, message: str, known: Iterable[str]) -> Notice:
    near = difflib.get_close_matches(path[-1], list(known), n=1, cutoff=0.75)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Notice(document.name, document.line(path), shown(path), message + hint)
