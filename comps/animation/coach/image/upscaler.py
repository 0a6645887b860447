"""Upscale: what enlarges a small picture while it is mended, named by a setting, since nothing of the kind is installed here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from comps.core.errors import EngineUnavailableError

Picture = NDArray[np.uint8]

Upscale = Callable[[Picture, float], Picture]
"""Enlarges RGB uint8 `[h, w, 3]` by a factor above 1, at least, to another such picture; blocks, may be called from any
thread. A super-resolution network, say."""


def load_upscaler(name: str) -> Upscale | None:
    """The function that `name` names, as ``package.module:function``; None for no name.

    Raises:
        EngineUnavailableError: there is no such function.
    """
    if not name:
        return None
    module, _, function = name.partition(":")
    try:
        found: Upscale = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise EngineUnavailableError(f"the upscaler '{name}' cannot be loaded: {error}") from error
    return found
