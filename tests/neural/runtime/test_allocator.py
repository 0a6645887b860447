from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from comps.animation.neural import allocator

_FAULTS = """
import resource, sys
import numpy as np
from comps.animation.neural.allocator import give_back_freed_memory, keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(64 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
kept = keep_freed_memory()
faults()
print(kept, before, faults(), give_back_freed_memory())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is tuned")
def test_kept_memory_is_not_faulted_in_again() -> None:
    out = subprocess.run([sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True).stdout.split()
    kept, before, after, gave_back = out
    assert kept == gave_back == "True"
    assert int(after) < int(before) / 10


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
    assert not allocator.give_back_freed_memory()
