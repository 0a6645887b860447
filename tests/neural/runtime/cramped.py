"""A network in a process that may take little memory more than it has: `python -m tests.neural.runtime.cramped BACKEND`.

Writes as JSON how often memory ran out, the largest batch that is tried since, how many of `ITEMS` items were answered,
and the largest difference from what the module gives.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from comps.animation.neural.backend import Plan, build, together
from comps.animation.neural.backend_name import BackendName
from comps.animation.neural.batching import SharedBatch

ITEMS = 32
SIDE = 256
ROOM = 700 << 20
"""Bytes that may be taken: less than the 1.1 GB that two layers of all items need, enough for eight of them."""


class Wide(nn.Module):
    """Layers that are quick and small in weights, and large in what they give: 17 MB an item."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 64, 1), nn.ReLU(), nn.Conv2d(64, 64, 1))
        self.last = nn.Conv2d(64, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, 3, SIDE, SIDE]` to `[n, 1, SIDE, SIDE]`."""
        out: Tensor = self.last(torch.relu(self.layers(x)))
        return out


def leave(room: int) -> None:
    """From here on the process gets at most `room` bytes more."""
    status = Path("/proc/self/status").read_text()
    size = int(re.findall(r"VmSize:\s+(\d+) kB", status)[0]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (size + room, resource.RLIM_INFINITY))


async def answers(shared: SharedBatch[tuple[Tensor, ...], Tensor], items: Tensor) -> list[Tensor]:
    try:
        return list(await asyncio.gather(*(shared.submit((item,)) for item in items)))
    finally:
        await shared.close()


def main(backend: BackendName) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    module = Wide().eval().requires_grad_(False)
    items = torch.rand(ITEMS, 3, SIDE, SIDE)
    expected = torch.cat([module(item[None]) for item in items])
    program = build(module, (items[:2].clone(),), Plan(backend, "cpu", threads=1))
    shared = SharedBatch(together(program), ITEMS, 0.2)
    # Warmed up, so that what is taken once and kept does not count.
    program(items[:2])
    leave(ROOM)
    found = asyncio.run(answers(shared, items))
    error = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    report = {
        "out_of_memory": shared.counts.out_of_memory,
        "limit": shared.limit,
        "answered": shared.counts.items,
        "error": error,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])  # type: ignore[arg-type]
