"""Layers in C++, each with convolutions that it can do and the shapes of their inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from comps.animation.neural.fused_winograd import FusedWinograd
from comps.animation.neural.int16_windows import Int16Windows
from comps.animation.neural.int16_winograd import Int16Winograd
from tests.neural.runtime.layers import WINDOWS, WINOGRAD

Case = tuple[Any, Callable[[], nn.Module], tuple[int, ...]]

INT16_CASES: list[Case] = [
    *((Int16Winograd, *each) for each in WINOGRAD.values()),
    *((Int16Windows, *each) for each in WINDOWS.values()),
]
INT16_NAMES = [*(f"int16 winograd, {name}" for name in WINOGRAD), *(f"int16 windows, {name}" for name in WINDOWS)]
CASES: list[Case] = [*((FusedWinograd, *each) for each in WINOGRAD.values()), *INT16_CASES]
NAMES = [*(f"winograd, {name}" for name in WINOGRAD), *INT16_NAMES]
