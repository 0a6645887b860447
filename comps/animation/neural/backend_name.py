"""BackendName: the ways to run a network (`backend.py` says what each does), by name, for settings too: without torch."""

from __future__ import annotations

from typing import Literal

BackendName = Literal[
    "auto",
    "eager",
    "folded",
    "winograd",
    "int16",
    "bf16x6",
    "bf16x3",
    "bf16",
    "compile",
    "onnxruntime",
    "openvino",
    "openvino-bf16",
    "openvino-int8",
    "cuda-graphs",
]
