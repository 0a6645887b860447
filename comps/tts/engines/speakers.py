"""Speakers of SpeechT5: x-vectors, each of which makes the model speak in another voice.

An x-vector is a summary of somebody's voice, 512 numbers, as ``speechbrain/spkrec-xvect-voxceleb``
makes them from a recording.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from comps.core.errors import EngineUnavailableError

SETTING = "AVATAR_TTS_SPEAKERS"
HUB_DATASET = "Matthijs/cmu-arctic-xvectors"
"""Seven English speakers, MIT licence."""

Vector = NDArray[np.float32]

_HUB_FILE = "spkrec-xvect.zip"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_ARCTIC = re.compile(r"cmu_us_([a-z]+)_arctic-wav-")  # one file for each sentence of a speaker
_SUFFIXES = (".npy", ".npz", ".safetensors", ".pt", ".zip")
_MAX_FILES = 20_000
_MAX_BYTES = 64 * 1024 * 1024


def load_speakers(source: str, size: int) -> dict[str, Vector]:
    """Name and x-vector, float32 `[size]` of length 1, of each speaker in `source`, by name.

    A vector is called after its file, or its key in a file of named arrays; row `i` of a matrix
    `[n, size]` gets ``-i`` added. Names of CMU ARCTIC (``cmu_us_slt_arctic-wav-arctic_a0001.npy``)
    stand for recordings of one speaker (``slt``), whose mean is taken.

    Args:
        source: a file (.npy, .npz, .safetensors, .pt, or .zip of .npy), a folder of them, or the
            name of a hub dataset laid out as `HUB_DATASET` is, which is fetched.
        size: of the model's speaker embedding, usually 512.

    Raises:
        EngineUnavailableError: `source` is empty, missing, unreadable or too large, or a vector in
            it has another size, is zero, or is not made of finite numbers.
    """
    if not source:
        raise EngineUnavailableError(
            f"SpeechT5 speaks in the voice of a speaker: set {SETTING} to a file or folder of x-vectors "
            f"({', '.join(_SUFFIXES)}), or to '{HUB_DATASET}', which is then fetched"
        )
    sums: dict[str, NDArray[np.float64]] = {}
    for name, values in _named_vectors(_located(source)):
        unit = _checked(name, values, size)
        sums[name] = sums[name] + unit if name in sums else unit
    if not sums:
        raise EngineUnavailableError(f"{SETTING}: '{source}' holds no x-vector ({', '.join(_SUFFIXES)})")
    return {name: (sums[name] / np.linalg.norm(sums[name])).astype(np.float32) for name in sorted(sums)}


def _located(source: str) -> Path:
    path = Path(source).expanduser()
    if path.exists():
        return path
    if not _HUB_NAME.fullmatch(source):
        raise EngineUnavailableError(f"{SETTING}: there is no file or folder '{source}'")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(source, _HUB_FILE, repo_type="dataset"))
    except (OSError, ValueError) as error:
        raise EngineUnavailableError(
            f"{SETTING}: '{source}' is no file or folder here and cannot be fetched from the hub: {error}"
        ) from error


def _named_vectors(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Names and vectors of a file, or of every file of a folder."""
    for file in _files(path):
        try:
            arrays = list(_arrays(file))
        # Readers raise whatever their format's parser does.
        except Exception as error:
            raise EngineUnavailableError(f"{SETTING}: '{file}' cannot be read: {str(error)[:200]}") from error
        for stem, array in arrays:
            arctic = _ARCTIC.search(stem)
            name = arctic[1] if arctic else stem
            rows = array if array.ndim == 2 else array[None]
            for index, row in enumerate(rows):
                yield (name if arctic or len(rows) == 1 else f"{name}-{index}"), row


def _files(path: Path) -> list[Path]:
    found = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES) if path.is_dir() else [path]
    if len(found) > _MAX_FILES or any(file.stat().st_size > _MAX_BYTES for file in found):
        raise EngineUnavailableError(
            f"{SETTING}: '{path}' is too large; at most {_MAX_FILES} files of {_MAX_BYTES} bytes are read"
        )
    return found


def _arrays(file: Path) -> Iterable[tuple[str, NDArray[Any]]]:
    """The arrays in one file, none of whose formats can run code."""
    if file.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return cast("dict[str, NDArray[Any]]", load_file(file)).items()
    if file.suffix == ".pt":
        import torch

        return _of_torch(file.stem, torch.load(file, map_location="cpu", weights_only=True))
    if file.suffix == ".zip":
        return _zipped(file)
    if file.suffix in (".npy", ".npz"):
        loaded = np.load(file, allow_pickle=False)
        return [(file.stem, loaded)] if isinstance(loaded, np.ndarray) else [(key, loaded[key]) for key in loaded]
    raise ValueError(f"its name must end in one of {', '.join(_SUFFIXES)}")


def _of_torch(stem: str, loaded: Any) -> list[tuple[str, NDArray[Any]]]:
    named = loaded if isinstance(loaded, dict) else {stem: loaded}
    return [(str(name), tensor.float().numpy()) for name, tensor in named.items()]


def _zipped(file: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if len(members) > _MAX_FILES or sum(info.file_size for info in members) > _MAX_BYTES:
            raise ValueError("it unpacks to too much")
        for info in members:
            with archive.open(info) as member:
                yield Path(info.filename).stem, np.load(cast("BinaryIO", member), allow_pickle=False)


def _checked(name: str, values: NDArray[Any], size: int) -> NDArray[np.float64]:
    """`values` at length 1, which is all that SpeechT5 looks at."""
    if values.shape != (size,) or values.dtype.kind not in "fiu":
        raise EngineUnavailableError(
            f"{SETTING}: '{name}' has shape {list(values.shape)} of {values.dtype}; an x-vector here has {size} numbers"
        )
    exact = values.astype(np.float64)
    length = np.linalg.norm(exact)
    if not np.isfinite(length) or length == 0:
        raise EngineUnavailableError(f"{SETTING}: '{name}' is zero or holds what is not a finite number")
    return cast("NDArray[np.float64]", exact / length)
