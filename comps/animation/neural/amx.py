"""The matrix unit of Intel processors (AMX), by the C++ of ``amx.cpp``, which the machine's own compiler builds once.

No package can bring it ready: torch and OpenVINO use the unit for bfloat16 and int8 only, not for what is between them
and float32.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from comps.animation.neural.cache import cache_folder
from comps.core.errors import EngineUnavailableError

logger = logging.getLogger(__name__)

NEEDED = frozenset({"amx_tile", "amx_bf16", "avx512f", "avx512bw", "avx512vl", "avx512_bf16"})
"""Of the processor, as Linux names it."""
PARTS = {torch.float32: 3, torch.float16: 2}
"""Numbers of bfloat16 that are taken for each of a picture, and for each weight."""
_SOURCE = Path(__file__).with_name("amx.cpp")
_CPU_INFO = Path("/proc/cpuinfo")
_OPTIONS = (
    *("-std=c++17", "-O3", "-shared", "-fPIC", "-fopenmp"),
    *("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16", "-mamx-tile", "-mamx-bf16"),
)
_LONGEST_BUILD_S = 120.0
_MOST_LIBRARIES = 8
"""On file, of other versions too."""
_SCRATCH_BYTES = 1 << 20
"""Of each thread: half of a second-level cache, whose other half the weights pass through."""

_Number = ctypes.c_int64
_Numbers = ctypes.POINTER(ctypes.c_int64)


class Phase(ctypes.Structure):
    """As in ``amx.cpp``."""

    _fields_ = (
        ("taps", _Number),
        ("down", _Numbers),
        ("across", _Numbers),
        ("weights", ctypes.c_void_p),
        ("top", _Number),
        ("left", _Number),
    )


class Geometry(ctypes.Structure):
    """As in ``amx.cpp``."""

    _fields_ = (
        *((name, _Number) for name in ("pictures", "height", "width", "channels")),
        *((name, _Number) for name in ("out_height", "out_width", "out_channels")),
        *((name, _Number) for name in ("stride", "grid_height", "grid_width", "phases")),
        ("phase", ctypes.POINTER(Phase)),
        *((name, _Number) for name in ("rectified", "threads", "scratch_bytes")),
    )


class MatrixUnit:
    """The compiled code, ready to be called.

    Raises:
        EngineUnavailableError: this is no Linux on such a processor, the kernel does not grant the unit, there is no
            compiler, or others could change the library; the message says which.
    """

    def __init__(self) -> None:
        _check_processor()
        self._library = library()
        if self._library.amx_permit():
            raise EngineUnavailableError(
                "the kernel does not let this process use AMX: choose another backend than 'bf16x3' and 'bf16x6'"
            )
        self._library.amx_convolve.argtypes = [ctypes.c_void_p] * 3 + [_Number, ctypes.POINTER(Geometry)]

    def convolve(self, pictures: Tensor, bias: Tensor, out: Tensor, geometry: Geometry) -> None:
        """Fill `out` from `pictures`.

        Args:
            pictures: `[n, i, h, w]`, float32 or float16, with channels innermost in memory.
            bias: float32 `[o]`.
            out: `[n, o, h', w']`, otherwise the same.
            geometry: all sizes but `scratch_bytes`, and weights in `PARTS` of the pictures' type.

        Raises:
            MemoryError: there is no memory for the scratch.
        """
        geometry.scratch_bytes = _SCRATCH_BYTES
        places = (pictures.data_ptr(), bias.data_ptr(), out.data_ptr())
        if self._library.amx_convolve(*places, pictures.dtype == torch.float16, ctypes.byref(geometry)):
            raise MemoryError("there is no memory for a convolution's scratch")


def matrix_unit() -> MatrixUnit:
    """The one of this process, built at the first call; raises as `MatrixUnit` does, at later calls without a new try."""
    found = _unit_or_reason()
    if isinstance(found, str):
        raise EngineUnavailableError(found)
    return found


@lru_cache(maxsize=1)
def _unit_or_reason() -> MatrixUnit | str:
    try:
        return MatrixUnit()
    except EngineUnavailableError as error:
        return error.message


def _check_processor() -> None:
    missing = ", ".join(sorted(NEEDED - processor_flags()))
    if platform.system() != "Linux" or platform.machine() != "x86_64" or missing:
        raise EngineUnavailableError(
            "backends 'bf16x3' and 'bf16x6' need Linux on an Intel processor with AMX; "
            f"here is {platform.system()} on {platform.machine()} without {missing or 'that'}: choose another"
        )


def processor_flags() -> set[str]:
    """What Linux says the processor has; nothing where there is no Linux."""
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split(":", 1)[1].split()}


def library() -> ctypes.CDLL:
    """The code of ``amx.cpp`` as a library, from an earlier run or compiled anew; to load it takes no matrix unit.

    Raises:
        EngineUnavailableError: it cannot be built, kept or loaded, or others could change it.
    """
    folder = cache_folder() / "native"
    # Not of the compiler: a library that is there is of use where none is, or no longer.
    recipe = (*_OPTIONS, *platform.libc_ver(), _SOURCE.read_text(encoding="utf-8"))
    file = folder / f"amx-{hashlib.sha256(chr(0).join(recipe).encode()).hexdigest()[:32]}.so"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder)
        found = _from_earlier(file)
        if found is None:
            _compile(_compiler(), file)
            found = ctypes.CDLL(str(file))
    except OSError as error:
        raise EngineUnavailableError(
            f"the code for AMX cannot be kept in {folder} or loaded from there: {error}"
        ) from error
    return found


def _from_earlier(file: Path) -> ctypes.CDLL | None:
    """The library of an earlier run; None when there is none, or none that loads."""
    if not file.is_file():
        return None
    _check_private(file)
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:
        logger.warning("%s does not load and is built again: %s", file, error)
        file.unlink(missing_ok=True)
        return None


def _check_private(path: Path) -> None:
    """What may be changed by others is not run."""
    found = path.stat()
    if found.st_uid != os.getuid():
        reason = f"belongs to another user ({found.st_uid})"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = f"can be written by others (mode {stat.S_IMODE(found.st_mode):o}; chmod go-w would do)"
    else:
        return
    raise EngineUnavailableError(f"backends 'bf16x3' and 'bf16x6' do not run code from {path}: it {reason}")


def _compiler() -> list[str]:
    """What the environment's CXX says, which may have arguments, or else the first of the usual ones."""
    named = os.environ.get("CXX", "").strip()
    try:
        command = shlex.split(named)
    except ValueError as error:
        raise EngineUnavailableError(f"the environment's CXX, {named}, is no command: {error}") from error
    for name, *arguments in [command] if command else [["g++"], ["c++"]]:
        path = shutil.which(name)
        if path is not None:
            return [path, *arguments]
    if command:
        raise EngineUnavailableError(f"the environment's CXX names {command[0]!r} as C++ compiler, which is not found")
    raise EngineUnavailableError(
        "backends 'bf16x3' and 'bf16x6' need a C++ compiler: install GCC 11 or later (Debian: apt install g++), "
        "or name one in the environment's CXX"
    )


def _compile(compiler: Sequence[str], file: Path) -> None:
    """Write the library in one step, so that no other process loads half of it."""
    _clear(file.parent)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        part = Path(folder) / file.name
        try:
            subprocess.run(
                [*compiler, *_OPTIONS, str(_SOURCE), "-o", str(part)],
                check=True,
                capture_output=True,
                timeout=_LONGEST_BUILD_S,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineUnavailableError(
                f"{shlex.join(compiler)} cannot build {_SOURCE.name} (GCC 11 or later can): {_reason(error)}"
            ) from error
        part.chmod(0o700)
        with part.open("rb+") as written:
            os.fsync(written)  # else a loss of power may leave the name without the content
        part.replace(file)
    logger.info("built %s", file)


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    """In one line, why a compiler did not do it."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {error.timeout:.0f} s"
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    lines = [line.strip() for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
    first = next(iter(lines), f"it ended with status {error.returncode} without a word")
    return next((line for line in lines if "error" in line.lower()), first)[:200]


def _clear(folder: Path) -> None:
    """Remove what builds that were killed have left, and libraries that were built long ago."""

    def age_s(path: Path) -> float:
        try:
            return time.time() - path.stat().st_mtime
        except FileNotFoundError:  # another process was done with it
            return 0.0

    for part in folder.iterdir():
        if part.is_dir() and age_s(part) > 2 * _LONGEST_BUILD_S:
            shutil.rmtree(part, ignore_errors=True)
    for old in sorted(folder.glob("amx-*.so"), key=age_s)[_MOST_LIBRARIES - 1 :]:
        old.unlink(missing_ok=True)
