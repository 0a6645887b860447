"""The matrix unit of Intel processors (AMX), by the C++ of ``amx.cpp``.

torch and OpenVINO use the unit for bfloat16 and int8 only, not for what is between them and float32.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from comps.animation.neural.native import NativeCode, TriedOnce, check_processor
from comps.core.errors import EngineUnavailableError

NEEDED = frozenset({"amx_tile", "amx_bf16", "avx512f", "avx512bw", "avx512vl", "avx512_bf16"})
"""Of the processor, as Linux names it."""
PARTS = {torch.float32: 3, torch.float16: 2}
"""Numbers of bfloat16 that are taken for each of a picture, and for each weight."""
_SOURCE = Path(__file__).with_name("amx.cpp")
_OPTIONS = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16", "-mamx-tile", "-mamx-bf16")
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
        needed = "backends 'bf16x3' and 'bf16x6' need Linux on an Intel processor with AMX"
        check_processor(needed, NEEDED, ": choose another")
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


def library() -> ctypes.CDLL:
    """The code of ``amx.cpp``, see `NativeCode.library`; to load it takes no matrix unit."""
    return NativeCode(_SOURCE, _OPTIONS, "backends 'bf16x3' and 'bf16x6'").library()


matrix_unit = TriedOnce(MatrixUnit)
"""The one of this process; raises as `MatrixUnit` does."""
