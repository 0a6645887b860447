"""What the speed of an engine depends on, as a key for files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from comps.animation.engine import AnimationOptions

_LIBRARIES = ("avatarchatbot", "av", "numpy", "opencv-python-headless", "torch", "openvino", "onnxruntime")


def key_of(engine: str, options: AnimationOptions, settings: BaseModel) -> str:
    """Digest of all that the speed depends on: what is drawn, by which versions, on which machine."""
    names = tuple(name for name in (engine, options.enhancer) if name)
    chosen = {name: str(value) for name, value in settings if name.startswith(names)}
    facts: dict[str, Any] = {
        "engine": engine,
        "preset": options.preset,
        "picture": [options.size, options.fps, options.video_preset],
        "enhancer": options.enhancer,
        "settings": chosen,
        "versions": _versions(),
        "machine": machine(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {}
    for library in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found


@lru_cache(maxsize=1)
def machine() -> str:
    """Processor, cores this process may use, and GPUs, for people to read."""
    return ", ".join((f"{_cores()} x {_processor()}", *_gpus()))


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """NVIDIA's, as their driver names them."""
    found = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with suppress(OSError):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return found
