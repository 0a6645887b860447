"""The binary container of glTF 2.0: one JSON document and one buffer (Khronos glTF 2.0, section 4.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from comps.core.errors import UnprocessableError

Json = dict[str, Any]

MAGIC, VERSION = b"glTF", 2
_JSON, _BIN = 0x4E4F534A, 0x004E4942
_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<II")

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
"""Component types of accessors."""
_COMPONENTS: dict[str, int] = {"<f4": FLOAT, "<u2": UNSIGNED_SHORT, "<u4": UNSIGNED_INT}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}

Target = Literal[34962, 34963]
VERTICES: Target = 34962
INDICES: Target = 34963
"""What a buffer view is for."""


@dataclass(slots=True)
class Glb:
    """A file in memory: `document`, and `binary`, its buffer number 0."""

    document: Json
    binary: bytearray = field(default_factory=bytearray)

    @classmethod
    def read(cls, data: bytes) -> Glb:
        """A file's contents; raises UnprocessableError that says what is wrong with it."""
        if len(data) < _HEADER.size or data[:4] != MAGIC:
            raise UnprocessableError("the mesh is no .glb file (binary glTF)", param="mesh")
        _, version, length = _HEADER.unpack_from(data)
        if version != VERSION or length > len(data):
            fault = f"is glTF {version}, not 2" if version != VERSION else "is cut short"
            raise UnprocessableError(f"the mesh {fault}", param="mesh")
        chunks = dict(_chunks(data[:length]))
        try:
            document = orjson.loads(chunks[_JSON])
        except (KeyError, orjson.JSONDecodeError) as error:
            raise UnprocessableError("the mesh has no JSON that can be read", param="mesh") from error
        if not isinstance(document, dict):
            raise UnprocessableError("the mesh has no JSON object", param="mesh")
        return cls(document, bytearray(chunks.get(_BIN, b"")))

    def to_bytes(self) -> bytes:
        """The file."""
        _pad(self.binary, 0)
        if self.binary:
            buffers = self.document.setdefault("buffers", [{}])
            buffers[0]["byteLength"] = len(self.binary)
        text = bytearray(orjson.dumps(self.document))
        _pad(text, 0x20)
        parts = [_CHUNK.pack(len(text), _JSON), bytes(text)]
        if self.binary:
            parts += [_CHUNK.pack(len(self.binary), _BIN), bytes(self.binary)]
        return b"".join([_HEADER.pack(MAGIC, VERSION, _HEADER.size + sum(map(len, parts))), *parts])

    def add(self, kind: str, item: Json) -> int:
        """Append to a list of the document, such as ``accessors``; the item's number."""
        items: list[Json] = self.document.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def view(self, values: NDArray[Any], target: Target | None = None) -> int:
        """Append values to the buffer; the number of their view."""
        _pad(self.binary, 0)
        data = np.ascontiguousarray(values).tobytes()
        place: Json = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)}
        self.binary += data
        return self.add("bufferViews", place | ({"target": target} if target else {}))

    def accessor(self, values: NDArray[Any], target: Target | None = None, *, bounds: bool = False) -> int:
        """Append an array `[n]` or `[n, 2 to 4]` of ``<f4``, ``<u2`` or ``<u4``; the number of its accessor."""
        about = _about(values, len(values))
        return self.add(
            "accessors", about | {"bufferView": self.view(values, target)} | (_bounds(values) if bounds else {})
        )

    def sparse(self, values: NDArray[Any]) -> int:
        """Append an array `[n, 3]` of which only the rows that are not 0 are stored; the number of its accessor."""
        rows = np.flatnonzero(values.any(axis=1))
        about = _about(values, len(values)) | _bounds(values)
        if len(rows):
            indices = rows.astype("<u2" if len(values) < 65536 else "<u4")
            about["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self.view(indices), "componentType": _COMPONENTS[indices.dtype.str]},
                "values": {"bufferView": self.view(values[rows])},
            }
        return self.add("accessors", about)


def _chunks(data: bytes) -> list[tuple[int, bytes]]:
    found, place = [], _HEADER.size
    while place + _CHUNK.size <= len(data):
        length, kind = _CHUNK.unpack_from(data, place)
        place += _CHUNK.size
        if place + length > len(data):
            raise UnprocessableError("the mesh is cut short", param="mesh")
        found.append((kind, data[place : place + length]))
        place += length
    return found


def _pad(data: bytearray, byte: int) -> None:
    """Chunks, and accessors of four-byte numbers, begin at multiples of four."""
    data += bytes([byte]) * (-len(data) % 4)


def _about(values: NDArray[Any], count: int) -> Json:
    width = 1 if values.ndim == 1 else values.shape[1]
    return {"componentType": _COMPONENTS[values.dtype.str], "count": count, "type": _KINDS[width]}


def _bounds(values: NDArray[Any]) -> Json:
    table = values.reshape(len(values), -1)
    return {"min": table.min(axis=0).tolist(), "max": table.max(axis=0).tolist()}
