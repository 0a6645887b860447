"""What is wrong with a request's fields, in plain sentences; pydantic's own words are made for programmers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comps.core.errors import UnprocessableError

MOST_NAMED = 8
"""Fields named in one sentence; more help nobody."""
MOST_LETTERS = 60
"""Of each part of a field's name: unknown ones are the client's."""
_TRIED_TYPE = re.compile(r"str|int|float|bool|[A-Z]\w*|.*\W.*")
"""Parts of pydantic's locations that are no field but the type it tried there."""
_SOURCES = ("body", "query", "path", "header")
_RULES: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
_KINDS: Mapping[str, str] = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
}
Name = Callable[[str], str]


def sentence_of(problems: Sequence[Any], name: Name = str) -> str:
    """Every field at fault with its rule, in one sentence.

    Args:
        problems: as `pydantic.ValidationError.errors` lists them.
        name: what the reader calls a field, such as ``--fps``; its own name without it.
    """
    fields = fields_at_fault(problems)
    said = [said_of(problem, name(field) if field else "") for field, problem in fields.items()]
    more = len(said) - MOST_NAMED
    return "; ".join(said[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def refusal(problems: Sequence[Any]) -> UnprocessableError:
    """422 with `sentence_of`; its `param` is the first field at fault."""
    return UnprocessableError(sentence_of(problems), param=next(iter(fields_at_fault(problems)), "") or None)


def fields_at_fault(problems: Sequence[Any]) -> dict[str, Any]:
    """One problem per field, such as ``messages.0.content``; ``""`` is the body as a whole.

    Of a field that may be one of several types, the one that was followed furthest says most.
    """
    places: dict[tuple[int | str, ...], Any] = {}
    for problem in problems:
        place = _within(tuple(problem["loc"]))[:1]
        if place not in places or len(problem["loc"]) > len(places[place]["loc"]):
            places[place] = problem
    found: dict[str, Any] = {}
    for problem in places.values():
        found.setdefault(_field(problem), problem)
    return found


def said_of(problem: Any, field: str) -> str:
    """One problem of pydantic's, as a sentence about `field`; empty is the body as a whole."""
    rule = _rule(problem)
    if rule is None:
        message = str(problem["msg"]).removeprefix("Value error, ")
        return f"{field}: {message}" if field else message
    return f"{field or 'the body'} {rule}"


def _rule(problem: Any) -> str | None:
    kind, context = str(problem["type"]), problem.get("ctx") or {}
    if kind == "multiple_of" and context.get("multiple_of") == 2:
        return "must be even"
    if kind == "string_too_short" and context.get("min_length") == 1:
        return "must not be empty"
    if kind in _RULES:
        return _RULES[kind].format(**context)
    wanted = _KINDS.get(kind.partition("_")[0])
    return f"must be {wanted}" if wanted and kind.endswith(("_type", "_parsing", "_from_float")) else None


def _field(problem: Any) -> str:
    parts = [str(part) for part in _within(tuple(problem["loc"]))]
    unknown = (
        parts[-1:] if problem["type"] == "extra_forbidden" else []
    )  # the client's own word, whatever it looks like
    known = parts[: len(parts) - len(unknown)]
    named = [part for part in known if not _TRIED_TYPE.fullmatch(part)]
    return ".".join(part[:MOST_LETTERS] for part in (*named, *unknown))


def _within(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place in the body or the query, without naming which of them."""
    sources = _SOURCES[:1] if len(location) < 2 else _SOURCES
    return location[1:] if location[:1] and location[0] in sources else location
