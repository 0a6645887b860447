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
import shutil
import subprocess
import tempfile
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
        EngineUnavailableError: this is no Linux on such a processor, the kernel does not grant the unit, or there is no
            compiler; the message says which.
    """

    def __init__(self) -> None:
        _check_processor()
        self._library = ctypes.CDLL(str(_built()))
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


@lru_cache(maxsize=1)
def matrix_unit() -> MatrixUnit:
    """The one of this process, built at the first call; raises as `MatrixUnit` does."""
    return MatrixUnit()


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


def _built() -> Path:
    """The library, from an earlier run or compiled anew."""
    compiler = _compiler()
    recipe = [compiler, *_OPTIONS]
    digest = hashlib.sha256("\0".join([*recipe, _SOURCE.read_text()]).encode()).hexdigest()[:32]
    library = cache_folder() / "native" / f"amx-{digest}.so"
    if not library.is_file():
        _compile(recipe, library)
    return library


def _compiler() -> str:
    names: Sequence[str] = (os.environ.get("CXX", ""), "g++", "c++")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise EngineUnavailableError(
            "backends 'bf16x3' and 'bf16x6' need a C++ compiler: install GCC 11 or later (Debian: apt install g++), "
            "or name one in the environment's CXX"
        )
    return found


def _compile(recipe: Sequence[str], library: Path) -> None:
    """Write the library in one step, so that no other process loads half of it."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        part = Path(folder) / library.name
        try:
            subprocess.run(
                [*recipe, str(_SOURCE), "-o", str(part)],
                check=True,
                capture_output=True,
                text=True,
                timeout=_LONGEST_BUILD_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[0][:200]
            raise EngineUnavailableError(
                f"{recipe[0]} cannot build {_SOURCE.name} (GCC 11 or later can): {reason}"
            ) from error
        part.replace(library)
    logger.info("built %s", library)
