"""Memory really runs out: what each backend then does, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process may take"),
]


@pytest.mark.parametrize("backend", ["eager", "folded", "onnxruntime", "openvino"])
def test_batches_become_smaller_and_every_item_gets_its_own_answer(backend: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.neural.runtime.cramped", backend]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-2000:]
    report = json.loads(finished.stdout.splitlines()[-1])
    assert report["out_of_memory"] >= 1
    assert report["answered"] == 32
    assert 1 <= report["limit"] <= 16
    assert report["error"] < 1e-5
