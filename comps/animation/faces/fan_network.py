"""FAN: heat maps of the 98 points of a face by four hourglasses, each told what the one before saw.

Source: Wang et al., "Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression", 2019; architecture and key
names are those of the checkpoint `alignment_WFLW_4HG.pth`, so that its state dict loads strictly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 256
"""Width and height in pixels of the picture it takes."""
MAP_SIDE = 64
"""Of the heat maps."""
POINTS = 98
WIDTH = 256
STACKS, DEPTH = 4, 4
_BOUNDARY = 0.05
"""Heat of the face's outline above which a place counts as lying on it."""


class FanNetwork(nn.Module):
    """`POINTS` heat maps and that of the outline, after each of the four hourglasses."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _CoordConv(3, 64, 7, 2, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = _Block(64, 128)
        self.conv3 = _Block(128, 128)
        self.conv4 = _Block(128, WIDTH)
        for stack in range(STACKS):
            self.add_module(f"m{stack}", _Hourglass(first=stack == 0))
            self.add_module(f"top_m_{stack}", _Block(WIDTH, WIDTH))
            self.add_module(f"conv_last{stack}", nn.Conv2d(WIDTH, WIDTH, 1))
            self.add_module(f"bn_end{stack}", nn.BatchNorm2d(WIDTH))
            self.add_module(f"l{stack}", nn.Conv2d(WIDTH, POINTS + 1, 1))
            if stack < STACKS - 1:
                self.add_module(f"bl{stack}", nn.Conv2d(WIDTH, WIDTH, 1))
                self.add_module(f"al{stack}", nn.Conv2d(POINTS + 1, WIDTH, 1))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Heat maps `[b, 99, 64, 64]` of each stack, the last of the 99 being the outline's.

        Args:
            pictures: `[b, 3, 256, 256]`, RGB in 0..1.
        """
        x = torch.relu(self.bn1(self.conv1(pictures)))
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        heat: Tensor | None = None
        given: list[Tensor] = []
        for stack in range(STACKS):
            y = self._part("m", stack)(x, heat)
            y = self._part("conv_last", stack)(self._part("top_m_", stack)(y))
            y = torch.relu(self._part("bn_end", stack)(y))
            heat = self._part("l", stack)(y)
            given.append(heat)
            if stack < STACKS - 1:
                x = x + self._part("bl", stack)(y) + self._part("al", stack)(heat)
        return given

    def _part(self, name: str, stack: int) -> nn.Module:
        return self.get_submodule(f"{name}{stack}")


class _Hourglass(nn.Module):
    """Down `DEPTH` halvings and up again, with a block at every size on the way."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.coordconv = _CoordConv(WIDTH, WIDTH, 1, outline=not first)
        down = [f"{name}_{level}" for level in range(DEPTH, 0, -1) for name in ("b1", "b2")]
        up = [f"b3_{level}" for level in range(1, DEPTH + 1)]
        for name in (*down, "b2_plus_1", *up):
            self.add_module(name, _Block(WIDTH, WIDTH))

    def forward(self, x: Tensor, heat: Tensor | None) -> Tensor:
        return self._level(self.coordconv(x, heat), DEPTH)

    def _level(self, x: Tensor, level: int) -> Tensor:
        low = self.get_submodule(f"b2_{level}")(F.avg_pool2d(x, 2))
        low = self._level(low, level - 1) if level > 1 else self.get_submodule("b2_plus_1")(low)
        low = self.get_submodule(f"b3_{level}")(low)
        kept: Tensor = self.get_submodule(f"b1_{level}")(x)
        return kept + F.interpolate(low, scale_factor=2)


class _Block(nn.Module):
    """Three convolutions in a row whose outputs are set side by side, and the input added."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = _conv3(inputs, half)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = _conv3(half, quarter)
        self.bn3 = nn.BatchNorm2d(quarter)
        self.conv3 = _conv3(quarter, quarter)
        self.downsample: nn.Module | None = None
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(torch.relu(self.bn1(x)))
        second = self.conv2(torch.relu(self.bn2(first)))
        third = self.conv3(torch.relu(self.bn3(second)))
        kept = x if self.downsample is None else self.downsample(x)
        return torch.cat([first, second, third], 1) + kept


class _CoordConv(nn.Module):
    """A convolution that also sees where it is: row, column and distance from the middle, as numbers of -1..1.

    With `outline`, row and column once more, only where the heat of the outline is felt.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, *, outline: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs + (5 if outline else 3), outputs, kernel, stride, padding)

    def forward(self, x: Tensor, heat: Tensor | None = None) -> Tensor:
        height, width = x.shape[2:]
        rows = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype).view(1, 1, height, 1)
        columns = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype).view(1, 1, 1, width)
        rows, columns = (axis.expand(x.shape[0], 1, height, width) for axis in (rows, columns))
        distance = torch.sqrt(rows**2 + columns**2)
        seen = [x, rows, columns, distance / distance.max()]
        if heat is not None:
            on_it = heat[:, -1:].clamp(0, 1) > _BOUNDARY
            seen += [rows * on_it, columns * on_it]
        placed: Tensor = self.conv(torch.cat(seen, 1))
        return placed


def _conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
