"""Drawing: key points of many answers in, pictures out, in one call of the generator.

The generator is run in two parts of nothing but convolutions, which any backend can take; the geometry between them
stays in float32, as a key point rounded to bfloat16 would make the face tremble.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from comps.animation.engines.sadtalker.dense_motion import deformation, seen_motions, sparse_motions
from comps.animation.engines.sadtalker.generator import Source, warped
from comps.animation.engines.sadtalker.source import Picture

Weigh = Callable[[Tensor], Sequence[Tensor]]
"""`DenseMotion.weigh`, or what gives the same."""
Paint = Callable[[Tensor, Tensor], Tensor]
"""`SpadeGenerator.paint`, or what gives the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawable:
    """One frame to draw: a `source`, where its key points are, and where they shall be, both `[15, 3]`."""

    source: Source
    kp_source: Tensor
    kp_driving: Tensor


class Drawer:
    """Draws faces. Blocks; one call at a time."""

    def __init__(self, weigh: Weigh, paint: Paint) -> None:
        self._weigh = weigh
        self._paint = paint

    def draw(self, frames: Sequence[Drawable]) -> list[Picture]:
        """The pictures of `frames`, RGB uint8 `[s, s, 3]` each."""
        drawn = self.pictures(*batched(frames))
        pixels = (drawn * 255).round_().to(torch.uint8).permute(0, 2, 3, 1)
        return [np.ascontiguousarray(picture) for picture in pixels.cpu().numpy()]

    @torch.inference_mode()
    def pictures(self, source: Source, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        """As `SpadeGenerator.draw`."""
        device = source.features.device
        motions = sparse_motions(source.compressed.shape[2:], kp_source, kp_driving)
        mask, occlusion = self._weigh(seen_motions(source.compressed, motions, kp_source, kp_driving))
        return self._paint(warped(source, deformation(mask.to(device), motions)), occlusion.to(device))


def batched(frames: Sequence[Drawable]) -> tuple[Source, Tensor, Tensor]:
    """Source, source's and driving key points of `frames` as one batch; of one source alone nothing is copied."""
    sources = [frame.source for frame in frames]
    if all(source is sources[0] for source in sources):
        source = sources[0].repeated(len(frames))
    else:
        source = Source(*(torch.cat(parts) for parts in zip(*sources, strict=True)))
    return source, torch.stack([f.kp_source for f in frames]), torch.stack([f.kp_driving for f in frames])
