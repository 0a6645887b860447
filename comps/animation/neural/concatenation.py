"""Channels of two pictures one after the other, for one layer to read: as one tensor, or left apart for a layer that can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

Parts: TypeAlias = "Tensor | tuple[Tensor, Tensor]"
"""`[n, i, h, w]`, or `[n, i1, h, w]` and `[n, i2, h, w]` with `i1 + i2` channels in all."""


class Concatenation(nn.Module):
    """Part of a network whose output is read by one layer and by nothing else.

    Attributes:
        apart: whether that layer is `Joining`, so that nothing has to be copied.
    """

    def __init__(self) -> None:
        super().__init__()
        self.apart = False

    def forward(self, first: Tensor, second: Tensor) -> Parts:
        """`[n, i1, ...]` and `[n, i2, ...]` to `[n, i1 + i2, ...]`."""
        return (first, second) if self.apart else torch.cat((first, second), dim=1)


@runtime_checkable
class Joining(Protocol):
    """A layer that can read `Parts` as if they were one tensor.

    Attributes:
        reads_parts: says so.
    """

    reads_parts: bool


def checked_parts(
    x: Parts, channels: int, dimensions: int, wanted: str, types: Sequence[torch.dtype] = (torch.float32,)
) -> tuple[Tensor, ...]:
    """The tensors of a layer's input, one or two.

    Args:
        x: what the layer is given.
        channels: of all together.
        dimensions: of each.
        wanted: the shape, for the message.
        types: that each may have.

    Raises:
        RuntimeError: it is not of these types, on the CPU, of that shape and, where there are two, of the same size.
    """
    parts = (x,) if isinstance(x, Tensor) else x
    kinds = {(part.device.type, part.dim(), *part.shape[:1], *part.shape[2:]) for part in parts}
    known = len(kinds) == 1 and next(iter(kinds))[:2] == ("cpu", dimensions)
    known = known and all(part.dtype in types for part in parts)
    if not known or len(parts) > 2 or sum(part.shape[1] for part in parts) != channels:
        found = " and ".join(f"{part.dtype} {list(part.shape)} on {part.device}" for part in parts)
        names = " or ".join(str(each).removeprefix("torch.") for each in types)
        raise RuntimeError(f"the input is {found} instead of {names} [{wanted}] on cpu")
    return parts


def native_parts(parts: Sequence[Tensor], out: Tensor) -> tuple[int | None, int, bool, bool, bool]:
    """Of a layer's input and output for compiled code.

    Returns:
        Where the second part lies, how many channels it has, and whether the first part, the second and the output are
        float16.
    """
    halves = [each.dtype == torch.float16 for each in parts]
    made = out.dtype == torch.float16
    if len(parts) == 1:
        return None, 0, halves[0], False, made
    return parts[1].data_ptr(), parts[1].shape[1], halves[0], halves[1], made
