"""FrameSize: how large a video LiveAvatar makes of a picture, and how many tokens that is."""

from __future__ import annotations

from dataclasses import dataclass

GRAIN = 64
"""Sides are multiples of this many pixels."""
TOKEN_SIDE = 16
"""A token covers a square of this many pixels: 8 by the autoencoder, 2 by the patches of the transformer."""
BUDGETS = {"384*256": 98_304, "688*368": 253_184, "704*384": 270_336, "720*400": 288_000}
"""The offered values of ``--size`` and the pixels they allow: an area, whose shape follows the picture."""
CONDITION_TOKENS_STREAM, CONDITION_TOKENS_SINGLE = 3000, 2800
"""Room for the tokens of the reference on five GPUs and on one; upstream constants that no flag changes."""
_CONDITION_FRAMES_2 = 5
"""The reference takes two and a half times the tokens of a latent; twice that, to stay in whole numbers."""


@dataclass(frozen=True, slots=True)
class FrameSize:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def tokens(self) -> int:
        """Tokens of one latent, which stands for four frames."""
        return (self.width // TOKEN_SIDE) * (self.height // TOKEN_SIDE)

    @property
    def condition_tokens(self) -> int:
        """Tokens of the reference picture in the condition cache."""
        return self.tokens * _CONDITION_FRAMES_2 // 2

    def fits_cache(self, gpus: int) -> bool:
        """Whether the reference fits the condition cache; a larger one ends in "expanded size ... must match"."""
        return self.condition_tokens <= (CONDITION_TOKENS_SINGLE if gpus == 1 else CONDITION_TOKENS_STREAM)


def frame_size(budget: str, width: int, height: int) -> FrameSize:
    """The size of the video of a picture of `width` by `height` pixels under a budget of `BUDGETS`.

    Of all sizes within the area it is the one that shows most: its area times the share of the picture that is left
    after a central cut to its shape. Raises KeyError for another budget.
    """
    area, shape = BUDGETS[budget], width / height

    def shown(size: FrameSize) -> float:
        ratio = size.width / size.height / shape
        return size.width * size.height * min(ratio, 1 / ratio)

    return max(_sizes(area), key=shown)


def largest_size(budget: str) -> FrameSize:
    """The size with most tokens that any picture can get under a budget."""
    return max(_sizes(BUDGETS[budget]), key=lambda size: (size.tokens, size.width))


def _sizes(area: int) -> list[FrameSize]:
    sides = range(2 * GRAIN, area // (2 * GRAIN) + 1, GRAIN)
    return [FrameSize(width, height) for width in sides for height in sides if width * height <= area]
