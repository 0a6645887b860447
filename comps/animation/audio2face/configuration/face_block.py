"""The `faceParams` block of 1.0: JSON text or a mapping, whole or in part, with or without its outer key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, InstanceOf

from comps.animation.audio2face.configuration.document import brief, number
from comps.animation.audio2face.configuration.section import EntryError, table_value
from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.animation.audio2face.parameters import BEGINNING_EMOTION, FACE_BY_FILE, UNUSED_FACE_KEYS

OUTER = "face_params"
EMOTION = "emotion"


@dataclass(frozen=True, slots=True)
class Block:
    """A checked block.

    Attributes:
        values: face parameters by name, only those that were given.
        emotion: the ten weights of the beginning emotion, None when not given.
        source_shot: recording that the regression network's implicit emotion is taken from.
        source_frame: frame of that recording.
        unused: keys that are known and do nothing in a service.
        unknown: keys that nobody knows.
    """

    values: Mapping[str, float]
    emotion: Mapping[str, float] | None = None
    source_shot: str | None = None
    source_frame: int | None = None
    unused: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def raw_block(value: object) -> dict[str, Any]:
    """The block's keys and values, unchecked.

    Raises:
        ValueError: it is neither a mapping nor JSON of one.
    """
    found = _json(value) if isinstance(value, str) else value
    if isinstance(found, dict) and isinstance(found.get(OUTER), dict):
        beside = {name: item for name, item in found.items() if name != OUTER}
        found = {**beside, **found[OUTER]}
    if not isinstance(found, dict):
        raise ValueError(f"must be a mapping or JSON text of one, but is {brief(found)}")
    return {str(name): item for name, item in found.items()}


def emotion_weights(value: object) -> list[float]:
    """Ten numbers in the order of the face emotions.

    Raises:
        ValueError: it is no list of ten numbers.
    """
    if not isinstance(value, list) or len(value) != len(FACE_EMOTIONS):
        raise ValueError(f"must be a list of {len(FACE_EMOTIONS)} numbers: {', '.join(FACE_EMOTIONS)}")
    return [number(item) for item in value]


def face_block(value: object) -> Block | None:
    """A checked block; None for nothing.

    Raises:
        ValueError: it is no block; as EntryError when one of its keys is at fault.
    """
    if value is None or isinstance(value, Block):
        return value
    raw = raw_block(value)
    values = {FACE_BY_FILE[name].name: _checked(name, item) for name, item in raw.items() if name in FACE_BY_FILE}
    known = {*FACE_BY_FILE, *UNUSED_FACE_KEYS, EMOTION, "source_shot", "source_frame"}
    return Block(
        values=values,
        emotion=_emotion(raw[EMOTION]) if EMOTION in raw else None,
        source_shot=_shot(raw.get("source_shot")),
        source_frame=_frame(raw.get("source_frame")),
        unused=tuple(name for name in raw if name in UNUSED_FACE_KEYS),
        unknown=tuple(name for name in raw if name not in known),
    )


FaceBlock = Annotated[InstanceOf[Block], BeforeValidator(face_block)]


def _json(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise EntryError(name, "is there twice")
        found[name] = value
    return found


def _checked(name: str, value: object) -> float:
    try:
        return float(table_value(FACE_BY_FILE[name], value))
    except ValueError as error:
        raise EntryError(name, str(error)) from error


def _emotion(value: object) -> dict[str, float]:
    try:
        weights = emotion_weights(value)
        return {
            name: float(table_value(BEGINNING_EMOTION, weight))
            for name, weight in zip(FACE_EMOTIONS, weights, strict=True)
        }
    except ValueError as error:
        raise EntryError(EMOTION, str(error)) from error


def _shot(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise EntryError("source_shot", f"{brief(value)} is no name of a recording")


def _frame(value: object) -> int | None:
    if value is None:
        return None
    try:
        found = number(value)
    except ValueError as error:
        raise EntryError("source_frame", str(error)) from error
    if found < 0 or found != int(found):
        raise EntryError("source_frame", f"{brief(value)} is no frame number")
    return int(found)
