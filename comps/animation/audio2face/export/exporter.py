"""Exporters: what turns poses into a file, piece by piece."""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from comps.animation.audio2face.export.take import Poses, Take
from comps.core.errors import UnknownChoiceError


class Exporter(ABC):
    """One file being written; call `begin` once, `write` in order, `end` once, and join what they return.

    Formats that can be streamed return the bytes of every frame as it comes. The others keep a frame as its weights in
    single precision until `end`, which is bounded by the longest clip: 5 MB for five minutes at 60 fps.
    """

    def __init__(self, take: Take) -> None:
        self.take = take

    def begin(self) -> bytes:
        """What comes before the first frame."""
        return b""

    @abstractmethod
    def write(self, poses: Poses) -> bytes:
        """The next frames; may be empty."""

    def end(self) -> bytes:
        """What comes after the last frame."""
        return b""


@dataclass(frozen=True, slots=True)
class Format:
    """A row of `FORMATS`: `streamed` says that frames leave as they come, `factory` names the class."""

    name: str
    suffix: str
    media_type: str
    streamed: bool
    factory: str
    meaning: str

    def open(self, take: Take) -> Exporter:
        """An exporter of this format."""
        factory = cast("Callable[[Take], Exporter]", pkgutil.resolve_name(self.factory))
        return factory(take)


_HERE = "comps.animation.audio2face.export"

FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("ndjson", ".ndjson", "application/x-ndjson", True, f"{_HERE}.json_frames:JsonLines", "a line of JSON per frame, as it is made"),
        Format("json", ".json", "application/json", True, f"{_HERE}.json_frames:JsonDocument", "one JSON document"),
        Format("csv", ".csv", "text/csv", True, f"{_HERE}.client_csv:FramesCsv", "the table that NVIDIA's sample client writes"),
        Format("livelink", ".livelink.csv", "text/csv", True, f"{_HERE}.live_link:LiveLinkCsv", "a take of Epic's Live Link Face"),
        Format("glb", ".glb", "model/gltf-binary", False, f"{_HERE}.gltf:GltfExporter", "glTF 2.0: a face whose morph targets move"),
        Format("usda", ".usda", "model/vnd.usda", False, f"{_HERE}.usd:UsdExporter", "USD: a SkelAnimation of blend shapes"),
    )
}  # fmt: skip
"""Every file format by name; the first is the default of the service."""


def format_named(name: str) -> Format:
    """The format `name`; raises UnknownChoiceError that lists them."""
    if name not in FORMATS:
        raise UnknownChoiceError(f"no format '{name[:40]}'; there are: {', '.join(FORMATS)}", param="format")
    return FORMATS[name]


def format_of_path(path: Path) -> Format | None:
    """The format that a file's name ends in, the longest suffix first; None for another one."""
    rows = sorted(FORMATS.values(), key=lambda row: -len(row.suffix))
    return next((row for row in rows if path.name.lower().endswith(row.suffix)), None)
