"""Where a network runs: names of devices, and what they mean to torch.

| name | is | needs |
|---|---|---|
| ``auto`` | the first of cuda, xpu, hpu that is here, else cpu | – |
| ``cpu`` | the processor | – |
| ``cuda``, ``cuda:1`` | an NVIDIA GPU | torch built for CUDA |
| ``rocm``, ``rocm:1`` | an AMD GPU, which torch calls cuda | torch built for ROCm |
| ``xpu``, ``xpu:1`` | an Intel GPU | torch built for XPU |
| ``hpu`` | an Intel Gaudi card | habana_frameworks, imported only when asked for |

Importing this file imports neither torch nor a vendor's stack.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comps.core.errors import EngineUnavailableError, UnknownChoiceError

if TYPE_CHECKING:
    import torch

KINDS = ("cpu", "cuda", "rocm", "xpu", "hpu")
_NAME = re.compile(rf"({'|'.join(KINDS)})(?::(\d+))?")


def resolve(name: str) -> torch.device:
    """The torch device that `name` means here.

    Raises:
        UnknownChoiceError: no such name.
        EngineUnavailableError: torch, the vendor's stack or the card is missing; the message says which.
    """
    torch = _torch()
    if name == "auto":
        name = _best()
    match = _NAME.fullmatch(name)
    if match is None or (match[1] == "cpu" and match[2]):
        raise UnknownChoiceError(f"there is no device '{name}'; there are: auto, {', '.join(KINDS)}", param="device")
    kind, index = match[1], int(match[2] or 0)
    count = _count(kind)
    if index >= count:
        raise EngineUnavailableError(f"device '{name}' is not here: {_why(kind, count)}")
    return torch.device("cuda" if kind == "rocm" else kind, None if kind == "cpu" else index)


def describe(device: torch.device) -> str:
    """The model of the processor or card, as its maker calls it."""
    torch = _torch()
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "xpu":
        return str(torch.xpu.get_device_name(device))
    return _processor() if device.type == "cpu" else device.type


def _best() -> str:
    for kind in ("cuda", "xpu", "hpu"):
        if _torch_count(kind):
            return kind
    return "cpu"


def _count(kind: str) -> int:
    """Devices of one kind that torch can use here."""
    if kind == "cpu":
        return 1
    hip = bool(getattr(_torch().version, "hip", None))
    if kind == "rocm":
        return _torch_count("cuda") if hip else 0
    return _torch_count(kind)


def _torch_count(kind: str) -> int:
    if kind == "hpu":
        return _gaudi_cards()
    module = getattr(_torch(), kind, None)
    return int(module.device_count()) if module is not None and module.is_available() else 0


def _gaudi_cards() -> int:
    if importlib.util.find_spec("habana_frameworks") is None:
        return 0
    # Importing it registers the device with torch.
    stack = importlib.import_module("habana_frameworks.torch.hpu")
    return int(stack.device_count()) if stack.is_available() else 0


def _why(kind: str, count: int) -> str:
    if count:
        return f"there are {count}, counted from 0"
    needs = {
        "cuda": "it needs an NVIDIA GPU with its driver, and torch built for CUDA",
        "rocm": "it needs an AMD GPU with its driver, and torch built for ROCm",
        "xpu": "it needs an Intel GPU with its driver, and torch built for XPU",
        "hpu": "it needs a Gaudi card and Intel's habana_frameworks",
    }
    return needs[kind]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    named = {key.strip(): value.strip() for key, value in found.items()}
    return " ".join(named.get(key, "") for key in ("model name", "cpu family", "model", "stepping")).strip()


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise EngineUnavailableError(
            "neural engines need 'torch': install it with  pip install 'avatarchatbot[neural]'"
        ) from error
