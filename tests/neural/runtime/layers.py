"""Convolutions with the shapes of their inputs: each a case of its own for code that goes by tiles, vectors and blocks."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

Layers = dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]]

WINOGRAD: Layers = {
    "whole tiles": (lambda: nn.Conv2d(64, 64, 3, padding=1), (2, 64, 8, 12)),
    "parts of tiles, of vectors and of groups": (lambda: nn.Conv2d(17, 37, 3, padding=1), (3, 17, 9, 7)),
    "more outputs than at once": (lambda: nn.Conv2d(20, 150, 3, padding=1), (1, 20, 5, 6)),
    "more tiles than at once": (lambda: nn.Conv2d(8, 16, 3, padding=1), (3, 8, 41, 50)),
    "few channels": (lambda: nn.Conv2d(3, 2, 3, padding=1), (1, 3, 6, 5)),
    "a channel for many": (lambda: nn.Conv2d(1, 130, 3, padding=1), (2, 1, 6, 5)),
    "a channel for a channel in a volume": (lambda: nn.Conv3d(1, 1, 2, padding=1), (1, 1, 2, 4, 7)),
    "no padding, no bias": (lambda: nn.Conv2d(16, 32, 3, bias=False), (2, 16, 10, 11)),
    "much padding": (lambda: nn.Conv2d(16, 32, 3, padding=(4, 0)), (1, 16, 3, 9)),
    "a pixel": (lambda: nn.Conv2d(16, 32, 3, padding=1), (5, 16, 1, 1)),
    "two taps": (lambda: nn.Conv2d(24, 40, 2, padding=1), (2, 24, 7, 8)),
    "volume": (lambda: nn.Conv3d(20, 24, 3, padding=1), (2, 20, 4, 8, 9)),
    "volume, two taps": (lambda: nn.Conv3d(8, 33, (3, 2, 2), padding=1), (2, 8, 4, 7, 8)),
    "deep kernel": (lambda: nn.Conv3d(5, 6, (5, 3, 3), padding=(1, 1, 1)), (1, 5, 6, 8, 8)),
    "flat kernel in a volume": (lambda: nn.Conv3d(18, 33, (1, 3, 3), padding=(0, 1, 1)), (2, 18, 3, 8, 8)),
    "doubling": (lambda: nn.ConvTranspose2d(40, 64, 3, 2, 1, 1), (3, 40, 8, 12)),
    "doubling, parts of tiles": (lambda: nn.ConvTranspose2d(19, 50, 3, 2, 1, 1), (2, 19, 5, 3)),
    "doubling but for a pixel": (lambda: nn.ConvTranspose2d(19, 24, 3, 2, 1), (2, 19, 5, 8)),
    "doubling, no bias": (lambda: nn.ConvTranspose2d(16, 16, 3, 2, 1, 1, bias=False), (1, 16, 1, 1)),
}

WINDOWS: Layers = {
    "plain": (lambda: nn.Conv2d(64, 64, 3, padding=1), (2, 64, 8, 12)),
    "parts of pairs, of vectors and of groups": (lambda: nn.Conv2d(17, 37, 3, padding=1), (3, 17, 9, 7)),
    "a channel for many": (lambda: nn.Conv2d(1, 130, 1), (2, 1, 6, 5)),
    "few channels, no bias": (lambda: nn.Conv2d(3, 2, 3, padding=1, bias=False), (1, 3, 6, 5)),
    "pointwise": (lambda: nn.Conv2d(33, 65, 1), (2, 33, 5, 7)),
    "strides": (lambda: nn.Conv2d(24, 40, 3, (3, 2), padding=1), (2, 24, 10, 9)),
    "oblong": (lambda: nn.Conv2d(12, 30, (1, 7), padding=(0, 2)), (2, 12, 8, 12)),
    "much padding": (lambda: nn.Conv2d(16, 32, 3, padding=(4, 0)), (1, 16, 3, 9)),
    "a pixel": (lambda: nn.Conv2d(16, 32, 3, padding=1), (5, 16, 1, 1)),
    "more places than at once": (lambda: nn.Conv2d(8, 16, 3, padding=1), (3, 8, 21, 20)),
    "more numbers than stay in a cache": (lambda: nn.Conv2d(512, 40, 7), (1, 512, 8, 9)),
    "fewer places than threads": (lambda: nn.Conv2d(40, 200, 3), (1, 40, 3, 3)),
    "transposed": (lambda: nn.ConvTranspose2d(40, 24, 3, 2, 1, 1), (2, 40, 5, 6)),
    "transposed but for a pixel": (lambda: nn.ConvTranspose2d(19, 24, 3, 2, 1), (2, 19, 5, 8)),
    "transposed, four taps": (lambda: nn.ConvTranspose2d(16, 24, 4, 2, 1), (1, 16, 4, 9)),
    "transposed, no taps twice": (lambda: nn.ConvTranspose2d(8, 9, 3, 3), (2, 8, 3, 4)),
    "transposed, a pixel": (lambda: nn.ConvTranspose2d(40, 24, 3), (3, 40, 1, 1)),
    "transposed, a pixel within padding": (lambda: nn.ConvTranspose2d(40, 24, (5, 4), padding=(1, 0)), (3, 40, 1, 1)),
    "transposed, several pixels without stride": (lambda: nn.ConvTranspose2d(40, 24, 3), (3, 40, 2, 1)),
}
