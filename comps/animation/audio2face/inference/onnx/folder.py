"""Folders of published models: found by a model's id, and read without trusting what is in them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comps.core.errors import EngineUnavailableError

Array = NDArray[Any]
Size = int | None
"""A length of an axis; None is any."""

_MOST_JSON = 4 << 20
_MOST_ARRAYS = 4 << 30
"""Bytes of an .npz file when unpacked; Mark's components are 0.2 GB."""

MANIFEST = "model.json"
"""Lists the other files of a folder by what they are for."""


def find_folder(models_dir: Path, names: Sequence[str]) -> ModelFolder:
    """The folder in `models_dir` with one of the names, in any case.

    Raises:
        EngineUnavailableError: there is none.
    """
    wanted = [name.lower() for name in names]
    found = {path.name.lower(): path for path in sorted(models_dir.glob("*")) if path.is_dir()}
    for name in wanted:
        if name in found:
            return ModelFolder(found[name])
    raise EngineUnavailableError(
        f"the network is missing: {models_dir} has no folder {names[0]}; read its licence at "
        f"https://huggingface.co/nvidia/{names[0]} and fetch it with  "
        f"hf download nvidia/{names[0]} --local-dir {models_dir / names[0]}"
    )


class ModelFolder:
    """One model's files, by what `model.json` calls them or by their usual names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: Mapping[str, Any] = self.json(MANIFEST) if (path / MANIFEST).is_file() else {}

    def file(self, name: object) -> Path:
        """The path of a file that must be there; EngineUnavailableError when it is not, or not in this folder."""
        if not isinstance(name, str) or not name or Path(name).name != name:
            raise self.fault(MANIFEST, f"{str(name)[:80]!r} is no name of a file in this folder")
        path = self.path / name
        if not path.is_file():
            raise EngineUnavailableError(f"{path} is missing; fetch the model's folder again")
        return path

    def named(self, key: str, usual: str) -> str:
        """The file that `model.json` gives for `key`, else the usual one."""
        return str(self.manifest.get(key, usual))

    def json(self, name: str) -> Mapping[str, Any]:
        """A JSON object of the folder; EngineUnavailableError when it is none."""
        path = self.file(name)
        try:
            if path.stat().st_size > _MOST_JSON:
                raise self.fault(name, f"has more than {_MOST_JSON >> 20} MB")
            found = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise self.fault(name, f"is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise self.fault(name, "is no JSON object")
        return found

    @contextmanager
    def arrays(self, name: str) -> Iterator[ArrayFile]:
        """An .npz file, open for reading single arrays; EngineUnavailableError when it is damaged."""
        path = self.file(name)
        try:
            with zipfile.ZipFile(path) as packed:
                unpacked = sum(member.file_size for member in packed.infolist())
            if unpacked > _MOST_ARRAYS:
                raise self.fault(name, f"holds {unpacked >> 20} MB, more than {_MOST_ARRAYS >> 20} MB")
            with np.load(path, allow_pickle=False) as loaded:
                yield ArrayFile(self, name, loaded)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise self.fault(name, f"cannot be read: {error}") from error

    def fault(self, name: str, what: str) -> EngineUnavailableError:
        """The error for a file that is not what it should be."""
        return EngineUnavailableError(f"{self.path / name}: {what}")


class ArrayFile:
    """Arrays of one .npz file, each checked when it is read."""

    def __init__(self, folder: ModelFolder, name: str, loaded: Mapping[str, Array]) -> None:
        self._folder = folder
        self._name = name
        self._loaded = loaded

    def __contains__(self, key: str) -> bool:
        return key in self._loaded

    def numbers(self, key: str, *shape: Size) -> NDArray[np.float32]:
        """A finite array of float32 with this shape; points may also lie flat, as `[..., 3 v]` for `[..., v, 3]`."""
        found = self._get(key)
        if found.dtype.kind not in "fiu":
            raise self.fault(f"'{key}' holds {found.dtype}, not numbers")
        if len(shape) > 1 and shape[-1] == 3 and found.ndim == len(shape) - 1 and found.shape[-1] % 3 == 0:
            found = found.reshape(*found.shape[:-1], -1, 3)
        self._check(key, found, shape)
        single: NDArray[np.float32] = np.ascontiguousarray(found, np.float32)
        if not np.isfinite(single).all():
            raise self.fault(f"'{key}' has a value that is not finite")
        return single

    def indices(self, key: str) -> NDArray[np.intp]:
        """A list of whole numbers from 0."""
        found = self._get(key)
        if found.dtype.kind not in "iu" or found.ndim != 1 or (found.size and found.min() < 0):
            raise self.fault(f"'{key}' is {found.dtype} {list(found.shape)}, not a list of whole numbers from 0")
        return found.astype(np.intp)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of names."""
        found = self._get(key)
        if found.dtype.kind not in "SU" or found.ndim != 1:
            raise self.fault(f"'{key}' is {found.dtype} {list(found.shape)}, not a list of names")
        return tuple(item.decode() if isinstance(item, bytes) else str(item) for item in found.tolist())

    def fault(self, what: str) -> EngineUnavailableError:
        """The error for what is wrong in this file."""
        return self._folder.fault(self._name, what)

    def _get(self, key: str) -> Array:
        if key not in self._loaded:
            raise self.fault(f"has no '{key}'")
        return self._loaded[key]

    def _check(self, key: str, found: Array, shape: tuple[Size, ...]) -> None:
        fits = found.ndim == len(shape) and all(
            want in (None, have) for have, want in zip(found.shape, shape, strict=True)
        )
        if not fits:
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.fault(f"'{key}' has the shape {list(found.shape)}; expected [{expected}]")
