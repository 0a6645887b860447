"""AMX by other instructions on a processor that lacks nothing else, so that what ``amx.cpp`` computes is tested there too.

Imported by the tests, and by programs that they start. How quick it is can be told on the real unit only.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
from pathlib import Path

from comps.animation.neural import amx, native

_TILES = Path(__file__).with_name("tiles.h")
_EMULATED = {"amx_tile", "amx_bf16"}


def _emulate() -> None:
    lacking = amx.NEEDED - native.processor_flags()
    if not lacking or not lacking <= _EMULATED or platform.machine() != "x86_64" or not shutil.which("g++"):
        return
    flags = tempfile.NamedTemporaryFile("w", prefix="cpuinfo-")  # noqa: SIM115  # lasts as long as the process
    flags.write(f"flags : {' '.join(sorted(native.processor_flags() | _EMULATED))}\n")
    flags.flush()
    version = hashlib.sha256(_TILES.read_bytes()).hexdigest()[:8]
    options = (*amx._OPTIONS, f"-DVERSION_OF_TILES=0x{version}", "-include", str(_TILES))
    vars(native).update(CPU_INFO=Path(flags.name))
    vars(amx).update(_OPTIONS=options, _emulated_flags=flags)


_emulate()
