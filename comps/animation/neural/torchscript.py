"""The tensors of a TorchScript archive, read without compiling or running anything in it.

`torch.jit.load` compiles the archive's code and runs its ``__setstate__`` methods. Here the pickle that holds the
attributes is read by an unpickler that knows tensors and containers only; every class of the archive becomes a plain
`_Node` that keeps its attributes. Layout: https://docs.pytorch.org/docs/stable/jit.html and torch's own ``caffe2/serialize``.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MAX_NODES = 100_000
"""Modules and tensors of one archive; a crafted one may refer to the same module without end."""
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_torchscript(names: list[str]) -> bool:
    """Whether the members of a zip file are those of a TorchScript archive."""
    return any(name.endswith("/constants.pkl") or "/code/" in name for name in names)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Attributes that are tensors, by their dotted path in the module tree, each owning its memory's view.

    Raises:
        pickle.UnpicklingError: the archive holds something that is neither module, tensor nor container.
        KeyError, ValueError, RuntimeError, zipfile.BadZipFile: the archive is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        member = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if member is None:
            raise pickle.UnpicklingError("it has no data.pkl; archives of torch 1.0 are not read")
        folder = member[: -len("data.pkl")]
        root = _Unpickler(archive, folder).load()
    if not isinstance(root, _Node):
        raise pickle.UnpicklingError("its root is no module")
    return _collect(root)


class _Node:
    """A module of the archive: its attributes and nothing else."""

    attributes: dict[str, Any]

    def __new__(cls, *_: object) -> _Node:  # an unpickler makes objects without __init__
        node = super().__new__(cls)
        node.attributes = {}
        return node

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.attributes = state


class _Unpickler(pickle.Unpickler):
    """Knows tensors, containers and `_Node`; refuses every other name."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive = archive
        self._folder = folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Node
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":
            return _first
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _location, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"it refers to a '{kind}'")
        if key not in self._storages:
            blob = bytearray(self._archive.read(f"{self._folder}data/{key}"))
            self._storages[key] = torch.frombuffer(blob, dtype=dtype) if blob else torch.empty(0, dtype=dtype)
        storage = self._storages[key]
        if storage.numel() < count:
            raise ValueError(f"storage {key} has {storage.numel()} of {count} values")
        return storage


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _first(value: object, *_: object) -> object:
    """What the typed lists of TorchScript (``build_intlist`` and the like) hold."""
    return value


def _collect(root: _Node) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, Any]] = [("", root)]
    for _ in range(_MAX_NODES):
        if not waiting:
            return found
        path, value = waiting.pop()
        if isinstance(value, Tensor):
            found[path] = value
        elif isinstance(value, _Node):
            waiting += [(f"{path}.{name}" if path else name, child) for name, child in value.attributes.items()]
    raise pickle.UnpicklingError(f"it has more than {_MAX_NODES} modules and tensors")
