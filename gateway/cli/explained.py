"""What a failure means at a command line: options in place of fields, and the file's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comps.core.errors import AvatarError
from gateway.cli.failure import UsageFailureError

if TYPE_CHECKING:
    from pydantic import BaseModel

_OPTIONS = (
    "alignment", "avatar", "backdrop", "emotion", "engine", "fps", "language", "name", "preset", "prompt", "rig", "size",
    "voice",
)  # fmt: skip
_SOUND, _PICTURE = ("audio", "byte_str", "file"), ("image", "file")


def named(field: str) -> str:
    """What the user of a command calls a field of a request."""
    first, _, rest = field.partition(".")
    return f"--{first}" + (f" ({rest})" if rest else "") if first in _OPTIONS else f"'{field}'"


def check_body(model: type[BaseModel], body: Mapping[str, Any]) -> None:
    """Refuse what the gateway would refuse, before anything is loaded or sent.

    Args:
        model: what the route takes.
        body: its fields.

    Raises:
        UsageFailureError: names every option at fault.
    """
    from pydantic import ValidationError

    from comps.core.web.problems import sentence_of

    try:
        model.model_validate(dict(body))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise UsageFailureError(sentence_of(problems, named)) from error


@contextmanager
def about_files(*, sound: Path | None = None, picture: Path | None = None) -> Iterator[None]:
    """Errors of the block that are about one of these files begin with it."""
    try:
        yield
    except AvatarError as error:
        places = ((sound, _SOUND), (picture, _PICTURE))
        file = next((path for path, params in places if path is not None and error.param in params), None)
        if file is not None:
            error.message = f"{file}: {error.message}"
            error.service = ""  # the file is at fault, whichever service read it
        raise
