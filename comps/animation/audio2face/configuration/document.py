"""A YAML file as text, as data and as positions, so that every complaint names file, line and key.

YAML 1.2: `off` and `22:30` are text, `1e-3` is a number. Files are bounded in bytes, depth and
number of values, aliases counted as often as they are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comps.core.errors import EngineUnavailableError, UnprocessableError

MAX_BYTES = 1 << 20
"""Largest file that is read; the fullest file of 2.0 has 12 kB."""
MAX_VALUES = 20_000
MAX_DEPTH = 40
_MERGE = "tag:yaml.org,2002:merge"

KeyPath = tuple[str, ...]


class ConfigurationError(UnprocessableError):
    """A configuration file that cannot be used: the sentence begins with file, line and key.

    `line` counts from 1 and is None where the whole file is at fault.
    """

    code = "configuration"

    def __init__(self, fault: str, *, file: str, line: int | None = None, key: str = "") -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {key}: {fault}" if key else f"{place}: {fault}", param=key or None)
        self.file, self.line, self.key, self.fault = file, line, key, fault

    @classmethod
    def all_of(cls, errors: Sequence[ConfigurationError]) -> ConfigurationError:
        """One error for several: its message has a line for each, the rest is that of the first."""
        first = errors[0]
        joined = cls(first.fault, file=first.file, line=first.line, key=first.key)
        joined.message = "\n".join(error.message for error in errors)
        joined.args = (joined.message,)
        return joined


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value, as nodes of ruamel.yaml with their places in the text."""

    key: Any
    value: Any

    @property
    def line(self) -> int:
        """Line of the key, from 1."""
        return int(self.key.start_mark.line) + 1

    @property
    def aliased(self) -> bool:
        """Whether the value is an alias, so that its node lies elsewhere."""
        return bool(self.value.start_mark.index < self.key.start_mark.index)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file whose top level is a mapping.

    Attributes:
        name: the file's name, as errors give it.
        text: the content with single line feeds and no byte order mark.
        data: plain dictionaries, lists and scalars; merges are resolved.
        root: the composed node of the top level.
        pairs: every key that is written in the file, by its path.
    """

    name: str
    text: str
    data: dict[str, Any]
    root: Any
    pairs: Mapping[KeyPath, Pair]

    def line(self, path: KeyPath) -> int | None:
        """The line of a key or, where it is not in the file, of the nearest section around it."""
        for length in range(len(path), 0, -1):
            pair = self.pairs.get(path[:length])
            if pair is not None:
                return pair.line
        return None

    def error(self, fault: str, path: KeyPath = ()) -> ConfigurationError:
        """An error at a key of this file."""
        return ConfigurationError(fault, file=self.name, line=self.line(path), key=shown(path))

    def section(self, path: KeyPath) -> dict[str, Any]:
        """The mapping at `path`, empty when it is absent or holds nothing.

        Raises:
            ConfigurationError: something else than a mapping is there.
        """
        found: dict[str, Any] = self.data
        for length, key in enumerate(path, 1):
            inner = found.get(key)
            if inner is None:
                return {}
            if not isinstance(inner, dict):
                raise self.error(f"must hold keys and values, but is {brief(inner)}", path[:length])
            found = inner
        return found

    def get(self, path: KeyPath) -> Any:
        """The value at `path`, None when it is absent."""
        return self.section(path[:-1]).get(path[-1])

    def part(self, prefix: KeyPath) -> Document:
        """A section as a document of its own; the places stay those in the file."""
        if not prefix:
            return self
        inner = {path[len(prefix) :]: pair for path, pair in self.pairs.items() if path[: len(prefix)] == prefix}
        inner.pop((), None)
        return Document(self.name, self.text, self.section(prefix), self.root, inner)

    def has(self, path: KeyPath) -> bool:
        """Whether the key is there, with or without a value."""
        return path[-1] in self.section(path[:-1])


def shown(path: KeyPath) -> str:
    """A path as reports and messages write it."""
    return "/".join(path)


def brief(value: object) -> str:
    """A value in a message: short, and on one line."""
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def leaves(data: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value below `data` that is no mapping, with its path; an empty mapping counts as a value."""
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def read_document(path: Path) -> Document:
    """Read and parse a file.

    Raises:
        ConfigurationError: it is absent, too large, not UTF-8, broken, or no mapping.
        EngineUnavailableError: ruamel.yaml is not installed.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationError(f"has more than {MAX_BYTES} bytes", file=path.name)
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigurationError("is not UTF-8 text", file=path.name, line=line) from error
    return parse_document(text, path.name)


def parse_document(text: str, name: str) -> Document:
    """Parse the text of a file called `name`; see `read_document` for the errors."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        root = _composed(text)
    except RecursionError as error:
        raise ConfigurationError(f"is nested deeper than {MAX_DEPTH} levels", file=name) from error
    except _yaml_error() as error:
        raise _syntax_error(error, name, text) from error
    if root is None or root.id != "mapping":
        line = None if root is None else int(root.start_mark.line) + 1
        raise ConfigurationError("must hold keys and values", file=name, line=line)
    build = _Build(name)
    return Document(name, text, build.mapping(root, ()), root, build.pairs)


def _composed(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).compose(text)


def _yaml_error() -> type[Exception]:
    try:
        from ruamel.yaml.error import YAMLError
    except ImportError as error:
        raise missing_library(error) from error
    found: type[Exception] = YAMLError
    return found


def missing_library(error: ImportError) -> EngineUnavailableError:
    """The error for an absent library of the extra, with the command that installs it."""
    return EngineUnavailableError(
        f"Audio2Face configuration needs '{error.name or error}': install it with  "
        "pip install 'avatarchatbot[audio2face]'"
    )


def _syntax_error(error: Exception, name: str, text: str) -> ConfigurationError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "is no YAML"
    context = getattr(error, "context", None)
    fault = f"{context}: {problem}" if context else str(problem)
    if mark is None:
        place = getattr(error, "position", None)
        line = text[:place].count("\n") + 1 if isinstance(place, int) else None
        return ConfigurationError(fault, file=name, line=line)
    return ConfigurationError(fault, file=name, line=int(mark.line) + 1, key=_key_on(text, int(mark.line)))


def _key_on(text: str, line: int) -> str:
    """The key that a broken line begins with, or the last one above it."""
    for candidate in reversed(text.splitlines()[: line + 1]):
        key, colon, _ = candidate.partition(":")
        if colon and key.strip() and not key.lstrip().startswith(("#", "-", "{", "[")):
            return key.strip().strip("\"'")[:60]
    return ""


class _Build:
    """Turns the nodes of a document into plain data, and notes where every key is."""

    def __init__(self, name: str) -> None:
        from ruamel.yaml import YAML

        self.pairs: dict[KeyPath, Pair] = {}
        self._name = name
        self._left = MAX_VALUES
        self._scalars = YAML(typ="safe", pure=True).constructor

    def mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        """The data of a mapping; its own keys go before those it merges."""
        lines: dict[str, int] = {}
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            line = int(key.start_mark.line) + 1
            if key.id != "scalar":
                raise ConfigurationError("a key must be a word", file=self._name, line=line, key=shown(path))
            name = str(key.value)
            if name in lines:
                fault = f"is there twice; the first is in line {lines[name]}"
                raise ConfigurationError(fault, file=self._name, line=line, key=shown((*path, name)))
            lines[name] = line
            if str(key.tag) == _MERGE:
                merged = self._merged(value, (*path, name), line)
            else:
                self.pairs[(*path, name)] = Pair(key, value)
                own[name] = self._value(value, (*path, name))
        return merged | own

    def _merged(self, node: Any, path: KeyPath, line: int) -> dict[str, Any]:
        found = self._value(node, path)
        parts = found if isinstance(found, list) else [found]
        if not all(isinstance(part, dict) for part in parts):
            raise ConfigurationError("merges something without keys", file=self._name, line=line, key=shown(path))
        return {key: value for part in reversed(parts) for key, value in part.items()}

    def _value(self, node: Any, path: KeyPath) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ConfigurationError(f"holds more than {MAX_VALUES} values", file=self._name)
        line = int(node.start_mark.line) + 1
        if len(path) > MAX_DEPTH:
            raise ConfigurationError(f"is nested deeper than {MAX_DEPTH} levels", file=self._name, line=line)
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if kind not in _KINDS:
            fault = f"has the tag {brief(str(node.tag))}, which no configuration needs"
            raise ConfigurationError(fault, file=self._name, line=line, key=shown(path))
        if node.id == "mapping":
            return self.mapping(node, path)
        if node.id == "sequence":
            return [self._value(item, (*path, str(index))) for index, item in enumerate(node.value)]
        if kind not in _NATIVE:
            return str(node.value)
        try:
            return self._scalars.construct_object(node)
        except (ValueError, KeyError) as error:  # a tag in the file claims a kind that the text is not
            fault = f"{brief(str(node.value))} is no {kind}"
            raise ConfigurationError(fault, file=self._name, line=line, key=shown(path)) from error


_NATIVE = frozenset(("int", "float", "bool", "null"))
_KINDS = _NATIVE | {"str", "map", "seq", "merge", "timestamp"}
"""Kinds of values; dates stay text."""


def number(value: object) -> int | float:
    """A number that may be written as text, as Kubernetes files do; whole numbers stay whole.

    Raises:
        ValueError: it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{brief(value)} is no number")
    if isinstance(value, str):
        text = value.strip()
        # Python also takes 1_000 and infinity
        if not text or set(text) - set("0123456789+-.eE"):
            raise ValueError(f"{brief(value)} is no number")
        try:
            value = int(text) if not set(text) & set(".eE") else float(text)
        except ValueError:
            raise ValueError(f"{brief(value)} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return value


def switch(value: object) -> bool:
    """True or false that may be written as text, in any case.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"{brief(value)} is neither true nor false")
