"""How the C library keeps memory that a network frees between two calls.

By default glibc takes each large block from the kernel anew and gives it back when it is freed, so that every layer's
output costs page faults: about half of Wav2Lip's time at batch 16 on a CPU. Kept blocks cost none, but stay with the
process: about the largest sum of one call's tensors.

Only glibc (Linux) is tuned; elsewhere nothing happens. The same can be had from outside by the environment
``GLIBC_TUNABLES=glibc.malloc.mmap_threshold=2147483647:glibc.malloc.trim_threshold=2147483647``.
"""

from __future__ import annotations

import ctypes
import platform

# Parameters of mallopt, from malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep what it frees, up to 2 GiB; True where that could be set.

    To be called once, when a service that runs networks on the CPU starts; it holds for the whole process from then on.
    """
    library = _glibc()
    if library is None:
        return False
    kept = [library.mallopt(parameter, _LARGEST) for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD)]
    return all(kept)


def give_back_freed_memory() -> bool:
    """Return kept memory to the kernel, as after a network was made ready; True when there was any."""
    library = _glibc()
    return library is not None and bool(library.malloc_trim(0))


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
