"""Plain data as YAML text that loaders of YAML 1.1 and 1.2 read alike, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import yaml

from comps.animation.audio2face.configuration.document import ConfigurationError, parse_document

INDENT = 2


def yaml_text(data: Mapping[str, Any]) -> str:
    """A mapping as block-style YAML."""
    return "".join(f"{line}\n" for line in yaml_lines(data))


def json_text(data: Mapping[str, Any]) -> str:
    """A mapping as indented JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def yaml_lines(data: Mapping[str, Any], column: int = 0, indent: int = INDENT, quote: str = "") -> Iterator[str]:
    """The lines of a mapping whose keys begin at `column`; `quote` is what keys and text are put in, if anything."""
    for key, value in data.items():
        name = " " * column + scalar(str(key), quote)
        if isinstance(value, Mapping) and value:
            yield f"{name}:"
            yield from yaml_lines(value, column + indent, indent, quote)
        else:
            yield f"{name}: {flow(value, quote)}"


def flow(value: Any, quote: str = "") -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key), quote)}: {flow(item, quote)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item, quote) for item in value) + "]"
    return scalar(value, quote)


def scalar(value: Any, quote: str = "") -> str:
    """A number, switch or text; text is quoted with `quote`, or where it would be read as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # YAML 1.1 takes an exponent without a dot for text
        return str(np.format_float_positional(value, trim="0"))
    text = str(value)
    if quote == "'" and "'" not in text and text.isprintable():
        return f"'{text}'"
    return text if not quote and _plain(text) else _quoted(text)


def _quoted(text: str) -> str:
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    # JSON writes a far character as two halves, which YAML does not put together
    return (
        '"'
        + "".join(char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text)
        + '"'
    )


def _plain(text: str) -> bool:
    if not text or not text.isascii() or not text.isprintable() or set(text) & set("#,[]{}&*!|><='\"%@`"):
        return False
    try:
        return bool(parse_document(f"a: {text}\n", "").data == {"a": text} == yaml.safe_load(f"a: {text}\n"))
    except (ConfigurationError, yaml.YAMLError):
        return False
