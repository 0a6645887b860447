"""The table of model weights: what exists, where it comes from, what its licence allows (``manifest.json``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from comps.core.errors import UnknownChoiceError


@dataclass(frozen=True, slots=True)
class Licence:
    """What its owners allow: `label` for tables, `terms` in a sentence or two, `url` of the full text.

    `use` is ``any``, ``non-commercial``, or ``check`` where parts of a work have narrower terms than the whole.
    """

    label: str
    use: Literal["any", "non-commercial", "check"]
    terms: str
    url: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of weights.

    Args:
        name: its name in the folder of models, the one its makers gave it.
        urls: addresses to try in order; none when it can only be fetched by hand.
        sha256: None where no two independent sources state it: then the first copy is trusted.
        size: bytes; exact where `sha256` is known, else a guide, None when unknown.
        page: where a person can fetch it with a browser.
        also: other names it is published under.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
    page: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """The files that `name` stands for, the engines that read them, and the models they are used with."""

    name: str
    summary: str
    files: tuple[WeightFile, ...]
    licence: Licence
    engines: tuple[str, ...]
    goes_with: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of all files together, or None when that of one is unknown."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


@cache
def manifest() -> dict[str, Model]:
    """Every model there is, by name, in the order of the table."""
    table = json.loads(files("comps.core.weights").joinpath("manifest.json").read_text(encoding="utf-8"))
    return parse(table)


def parse(table: dict[str, Any]) -> dict[str, Model]:
    """The models of a table in the form of ``manifest.json``; files and licences are shared by name."""
    licences = {key: Licence(**row) for key, row in table["licences"].items()}
    known = {row["name"]: _file(row) for row in table["files"]}
    models = (
        Model(
            name=row["name"],
            summary=row["summary"],
            files=tuple(known[name] for name in row["files"]),
            licence=licences[row["licence"]],
            engines=tuple(row["engines"]),
            goes_with=tuple(row.get("goes_with", ())),
        )
        for row in table["models"]
    )
    return {model.name: model for model in models}


def _file(row: dict[str, Any]) -> WeightFile:
    return WeightFile(**{**row, "urls": tuple(row["urls"]), "also": tuple(row.get("also", ()))})


def find(name: str) -> Model:
    """The model of that name; raises UnknownChoiceError with the names there are."""
    try:
        return manifest()[name]
    except KeyError:
        raise UnknownChoiceError(f"there is no model '{name}'; there are {', '.join(manifest())}") from None


def documented(sha256: str) -> WeightFile | None:
    """The file of the table that has this hash, if one has: its content is then known."""
    every = (file for model in manifest().values() for file in model.files)
    return next((file for file in every if file.sha256 == sha256.lower()), None)
