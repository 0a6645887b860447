"""Parameters of one clip on the command line: NAME=VALUE, with the names that requests have."""

from __future__ import annotations

from collections.abc import Sequence

from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.names import ALL_SHAPES, FACE_EMOTIONS
from comps.animation.audio2face.parameters import (
    BEGINNING_EMOTION,
    EMOTION,
    FACE_BY_REQUEST,
    SHAPES,
    WEIGHT_MULTIPLIERS,
    WEIGHT_OFFSETS,
    Parameter,
    Value,
    check,
)
from comps.core.errors import UnprocessableError
from gateway.cli.failure import UsageFailureError

_SINGLE: dict[str, Parameter] = FACE_BY_REQUEST | {row.name: row for row in (*EMOTION, *SHAPES)}
_MAPS: dict[str, Parameter] = {
    row.request or row.name: row for row in (WEIGHT_MULTIPLIERS, WEIGHT_OFFSETS, BEGINNING_EMOTION)
}
_SWITCHES = {"true": True, "false": False}


def asked(texts: Sequence[str]) -> StreamRequest:
    """What ``lowerFaceStrength=1.4`` or ``bs_weight_multipliers.JawOpen=1.2`` ask for; UsageFailureError for what cannot be."""
    single: dict[str, Value] = {}
    maps: dict[str, dict[str, float]] = {name: {} for name in _MAPS}
    for text in texts:
        name, _, value = text.partition("=")
        table, _, entry = name.partition(".")
        if name in _SINGLE:
            single[name] = _checked(_SINGLE[name], name, value)
        elif table in _MAPS and entry in (FACE_EMOTIONS if _MAPS[table].each == "emotion" else ALL_SHAPES):
            maps[table][entry] = float(_checked(_MAPS[table], name, value))
        else:
            raise UsageFailureError(
                f"--set {text}: no parameter is called {name}; `avatarchatbot a2f params` lists them"
            )
    clamp = single.pop(SHAPES[0].name, None)
    return StreamRequest(
        face={name: value for name, value in single.items() if name in FACE_BY_REQUEST},
        emotion={name: value for name, value in single.items() if name not in FACE_BY_REQUEST},
        beginning_emotion=maps[BEGINNING_EMOTION.name],
        weight_multipliers=maps[WEIGHT_MULTIPLIERS.request or ""],
        weight_offsets=maps[WEIGHT_OFFSETS.request or ""],
        clamp=None if clamp is None else bool(clamp),
    )


def _checked(parameter: Parameter, name: str, text: str) -> Value:
    try:
        value: object = _SWITCHES.get(text.lower(), text) if parameter.kind == "switch" else float(text)
        return check(parameter, value, called=name)
    except UnprocessableError as error:
        raise UsageFailureError(f"--set {error.message}") from error
    except ValueError as error:
        raise UsageFailureError(f"--set {name}={text} is not NAME=NUMBER, such as lowerFaceStrength=1.4") from error
