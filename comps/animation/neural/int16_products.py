"""Products of whole numbers of 16 bits, by the C++ of ``int16.cpp``: with VNNI twice as fast as those of float32.

Rows of numbers are scaled by their length, the root of the sum of their squares, so that no sum of their products leaves
32 bits (Cauchy-Schwarz). What is lost is the rounding of the numbers, to some 12 bits, where bfloat16 has 8.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from comps.animation.neural.fused_winograd import Geometry
from comps.animation.neural.native import NativeCode, TriedOnce, check_processor, processor_flags

_FOLDER = Path(__file__).parent
_HEADERS = tuple(_FOLDER / name for name in ("vectors.h", "winograd.h", "int16_products.h", "windows.h"))
_WIDE, _NARROW = ("-mavx512f", "-mavx512bw"), ("-mavx2", "-mf16c")
_OPTIONS = (
    ({"avx512f", "avx512bw", "avx512_vnni"}, (*_WIDE, "-mavx512vnni")),
    ({"avx512f", "avx512bw"}, _WIDE),
    ({"avx2", "avx_vnni"}, (*_NARROW, "-mavxvnni")),
    ({"avx2"}, _NARROW),
)
"""Of the compiler, by what the processor has; the first that fits is taken."""
_LENGTH, _LARGEST = 65535, 32767
"""Of a kernel as the root of its squares' sum, and of each of its numbers."""
_SHORTEST = 1e-30

_Number = ctypes.c_int64
_Numbers = ctypes.POINTER(_Number)


class Phase(ctypes.Structure):
    """As in ``windows.h``."""

    _fields_ = (
        ("taps", _Number),
        ("down", _Numbers),
        ("across", _Numbers),
        ("weights", ctypes.c_void_p),
        ("units", ctypes.c_void_p),
        ("top", _Number),
        ("left", _Number),
    )


class WindowGeometry(ctypes.Structure):
    """As in ``windows.h``."""

    _fields_ = (
        *((name, _Number) for name in ("samples", "height", "width", "channels")),
        *(("beside", ctypes.c_void_p), ("beside_channels", _Number)),
        *((name, _Number) for name in ("halves", "beside_halves", "out_halves")),
        *((name, _Number) for name in ("out_height", "out_width", "out_channels")),
        *((name, _Number) for name in ("places_down", "places_across", "step_down", "step_across", "stride")),
        ("phases", _Number),
        ("phase", ctypes.POINTER(Phase)),
        ("rectified", _Number),
        ("threads", _Number),
    )


def packed(kernels: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Kernels as the code takes them.

    Args:
        kernels: `[points, n, o]` for each group of outputs, n numbers for each output at each point; groups have
            `int16_columns` outputs, the last one may have fewer.

    Returns:
        int16 `[points, groups, n / 2, columns, 2]`, filled up with zeros, and float32
        `[points, groups * columns]`, likewise filled up: what 1 stands for in a kernel.
    """
    groups, units = zip(*(_packed_group(part) for part in kernels), strict=True)
    # Torch's memory begins at lines of the caches; a stack of few channels may be in another order than its indices.
    return torch.stack(groups, 1).contiguous(), torch.cat(units, 1).contiguous()


def _packed_group(kernels: Tensor) -> tuple[Tensor, Tensor]:
    """`[points, n, o]` as int16 `[points, n / 2, columns, 2]` and float32 `[points, columns]`."""
    columns = int(int16_code().int16_columns())
    points, depth, outputs = kernels.shape
    # Rounding makes a kernel longer by half of the root of its depth at most.
    length = (_LENGTH - 1 - 0.5 * math.sqrt(depth)) / kernels.norm(dim=1).clamp_min(_SHORTEST)
    scale = torch.minimum(length, _LARGEST / kernels.abs().amax(1).clamp_min(_SHORTEST))
    whole = torch.zeros(points, 2 * -(-depth // 2), columns, dtype=torch.int16)
    whole[:, :depth, :outputs] = (kernels * scale[:, None]).round().to(torch.int16)
    units = torch.zeros(points, columns, dtype=torch.float32)
    units[:, :outputs] = (1 / scale).float()
    return whole.unflatten(1, (-1, 2)).transpose(2, 3), units


def _loaded() -> ctypes.CDLL:
    check_processor("backend 'int16' needs Linux on a processor with AVX2", {"avx2", "fma", "f16c"}, ": choose another")
    options = next(options for needed, options in _OPTIONS if needed <= processor_flags())
    options = ("-ffp-contract=fast", "-mfma", *options)
    library = NativeCode(_FOLDER / "int16.cpp", options, "backend 'int16'", _HEADERS).library()
    library.int16_columns.restype = _Number
    library.int16_winograd.argtypes = [_Number, *[ctypes.c_void_p] * 5, ctypes.POINTER(Geometry)]
    library.int16_windows.argtypes = [*[ctypes.c_void_p] * 3, ctypes.POINTER(WindowGeometry)]
    return library


int16_code = TriedOnce(_loaded)
"""The compiled code; raises EngineUnavailableError on other machines than Linux on a processor with AVX2, and as
`NativeCode.library` does."""
