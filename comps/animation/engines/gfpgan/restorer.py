"""Restorer: the networks on pictures, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comps.animation.faces.face import Picture
from comps.core.errors import EngineUnavailableError

Labels = NDArray[np.uint8]
Program = Callable[[Tensor], Tensor]
"""A network made ready to run: faces `[n, 3, 512, 512]` in -1..1 to its output."""


class Restorer:
    """Aligned faces in, better ones out. Each method blocks and is called by one thread at a time.

    Args:
        restore: GFPGAN.
        parse: ParseNet, or None when no mask needs it.
        device: where pictures become numbers and numbers pictures again.
    """

    def __init__(self, restore: Program, parse: Program | None = None, device: torch.device | None = None) -> None:
        self._restore = restore
        self._parse = parse
        self._device = device or torch.device("cpu")

    def restore(self, faces: Sequence[Picture]) -> list[Picture]:
        """RGB uint8 `[512, 512, 3]` each, aligned; raises EngineUnavailableError when the output is no picture."""
        with torch.inference_mode():
            restored = self._restore(self._input(faces)).float()
            if not torch.isfinite(restored).all():
                raise EngineUnavailableError("GFPGAN gave numbers that are no picture: choose another backend")
            levels = restored.clamp_(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)
            return list(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())

    def parse(self, faces: Sequence[Picture]) -> list[Labels]:
        """The kind of each pixel, uint8 `[512, 512]`, of restored faces."""
        if self._parse is None:
            raise EngineUnavailableError("no mask was to follow the outline of the face, so ParseNet is not loaded")
        with torch.inference_mode():
            return list(self._parse(self._input(faces)).argmax(1).to(torch.uint8).cpu().numpy())

    def _input(self, faces: Sequence[Picture]) -> Tensor:
        levels = torch.from_numpy(np.stack(faces)).to(self._device)
        return (levels.permute(0, 3, 1, 2).to(torch.float32) / 255 - 0.5) / 0.5
