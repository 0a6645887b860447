"""What the sections of the typed configuration share: kinds of values, and what is known about a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from comps.animation.audio2face import parameters
from comps.animation.audio2face.configuration.document import KeyPath, number, switch
from comps.core.errors import UnprocessableError

Version = Literal["1.2", "1.3", "2.0"]


class EntryError(ValueError):
    """A fault at one entry of a mapping; `key` says which."""

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(fault)
        self.key = key


class Section(BaseModel):
    """A group of keys. Keys that nobody knows are kept apart for a warning; a key without a value is an error."""

    model_config = ConfigDict(frozen=True, extra="allow", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:
        return {} if data is None else data

    def tree(self) -> dict[str, Any]:
        """The section as plain data, with the defaults of keys that no file gave and without unknown keys."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}


Whole = Annotated[int, BeforeValidator(number)]
Number = Annotated[float, BeforeValidator(number)]
Switch = Annotated[bool, BeforeValidator(switch)]


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isdigit() and int(port) <= 65535):
        raise ValueError("must be HOST:PORT, with a port up to 65535")
    return value


Address = Annotated[str, AfterValidator(_address)]


def key(
    default: Any, meaning: str, *, since: Version = "1.2", before: Any = None, note: str = "", **bounds: Any
) -> Any:
    """A key of a configuration file.

    Args:
        default: its value in the files of 2.0.
        meaning: what it does, for tables.
        since: the version that introduced it.
        before: its default in 1.2 and 1.3, where that was another one.
        note: what a reader must know besides, such as that 2.0 ignores it.
        bounds: `ge`, `gt`, `le` as pydantic has them.
    """
    known = {"since": since, "note": note} | ({} if before is None else {"before": before})
    return Field(default, description=meaning, json_schema_extra=known, **bounds)


def section(of: Callable[[], Section]) -> Any:
    """A group of keys that has defaults of its own."""
    return Field(default_factory=of)


def checked(name: str) -> BeforeValidator:
    """Validates a value with a row of the table of parameters."""
    row = parameters.BY_NAME[name]

    def value_of(value: object) -> parameters.Value:
        return table_value(row, value)

    return BeforeValidator(value_of)


def table_value(row: parameters.Parameter, value: object) -> parameters.Value:
    """A value of a file, checked against its row in the table of parameters.

    Raises:
        ValueError: it is of the wrong kind or out of range; the message names the range.
    """
    native = switch(value) if row.kind == "switch" else number(value)
    try:
        return parameters.check(row, native, called=row.file or row.name)
    except UnprocessableError as error:
        raise ValueError(error.message) from error


def table_key(name: str) -> Any:
    """A key that is a row of the table of parameters, with the default of the stylization files."""
    row = parameters.BY_NAME[name]
    return key(row.characters[0], row.meaning)


def keys_of(model: type[Section], path: KeyPath = ()) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Every single key of a section and of the sections in it, in order."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from keys_of(inner, (*path, name))
        else:
            yield (*path, name), field


def facts(field: FieldInfo) -> Mapping[str, Any]:
    """What `key` was told besides default and meaning."""
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def unknown_keys(part: Section, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Keys that a file has and no version knows."""
    yield from ((*path, name) for name in part.model_extra or ())
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Section):
            yield from unknown_keys(value, (*path, name))


def _plain(value: Any) -> Any:
    return value.tree() if isinstance(value, Section) else value
