"""Model weights: fetched once into a folder, checked by sha256, never loaded unchecked.

Run as ``python -m comps.core.weights FOLDER NAME...`` by the containers at start.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import httpx

from comps.core.errors import EngineUnavailableError

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Weight:
    """One file of weights: `file` is its name in the folder, `licence` is shown before it is fetched."""

    name: str
    file: str
    url: str
    sha256: str
    licence: str


def manifest() -> dict[str, Weight]:
    """Every weight that can be fetched, by name (``weights.json`` beside this module)."""
    rows = json.loads(files("comps.core").joinpath("weights.json").read_text(encoding="utf-8"))
    return {row["name"]: Weight(**row) for row in rows}


def fetch(weight: Weight, folder: Path, client: httpx.Client) -> Path:
    """The path of `weight` in `folder`, downloading it when it is not there or does not match its hash.

    The file appears under its name only after its hash was right, so a reader never sees a part of it.

    Raises:
        EngineUnavailableError: the download failed, its hash is wrong, or the folder cannot be written.
    """
    target = folder / weight.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not target.exists() or _sha256(target) != weight.sha256:
            _fetch(weight, target, client)
    except httpx.HTTPError as error:
        raise EngineUnavailableError(f"{weight.file} could not be fetched: {error}") from error
    except OSError as error:
        message = f"{weight.file} could not be kept in {folder}: {error.strerror or error}"
        raise EngineUnavailableError(message) from error
    return target


def _fetch(weight: Weight, target: Path, client: httpx.Client) -> None:
    # A folder of its own: two processes that share the volume must not write one file.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as own:
        partial = Path(own, target.name)
        _download(weight.url, partial, client)
        found = _sha256(partial)
        if found != weight.sha256:
            raise EngineUnavailableError(f"{weight.file} has sha256 {found}, not {weight.sha256}: it was not kept")
        partial.replace(target)


def _download(url: str, path: Path, client: httpx.Client) -> None:
    with client.stream("GET", url, follow_redirects=True) as response, path.open("wb") as out:
        response.raise_for_status()
        for block in response.iter_bytes(_BLOCK):
            out.write(block)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    """Fetch the named weights into a folder; 0 when all are there, 2 on wrong use, 1 on failure."""
    known = manifest()
    if not arguments or any(name not in known for name in arguments[1:]):
        sys.stderr.write(f"usage: python -m comps.core.weights FOLDER NAME...   names: {', '.join(known)}\n")
        return 2
    with httpx.Client(timeout=60) as client:
        for name in arguments[1:]:
            weight = known[name]
            sys.stderr.write(f"{weight.file}: licence {weight.licence}\n")
            try:
                fetch(weight, Path(arguments[0]), client)
            except EngineUnavailableError as error:
                sys.stderr.write(f"{error.message}\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
