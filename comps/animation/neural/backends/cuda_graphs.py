"""Backend ``cuda-graphs``: the whole network recorded once per batch size and replayed as one launch.

A network of many small layers spends most of a small batch in launching kernels; a replayed graph launches all of them
at once. float16 rather than bfloat16: as fast on NVIDIA cards, with three bits more.

The recording itself has not been run on a card yet; what is around it (filling up, splitting, copying) is tested with a
stand-in that replays on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from comps.animation.neural.backend import Program, Task
from comps.animation.neural.backends.pytorch import TorchProgram, as_float32, folded_module

Capture = Callable[[Callable[[], Any]], tuple[Any, Callable[[], None]]]
"""From a call on fixed input tensors to its outputs, and what computes them anew when the inputs were overwritten."""


def build(task: Task) -> GraphedProgram:
    """Record the network for batches of 1, 2, 4 ... up to the examples'."""
    module = folded_module(task).to(torch.float16)
    program = TorchProgram("cuda-graphs", module, task.device, dtype=torch.float16, channels_last=True)
    return GraphedProgram(program, task.examples, _CudaCapture(task.device))


class GraphedProgram(Program):
    """Recorded for a few batch sizes: a batch is filled up to the next of them, a larger one is split.

    Args:
        program: what is recorded.
        examples: inputs of the largest batch.
        capture: records a call.
    """

    def __init__(self, program: TorchProgram, examples: tuple[Tensor, ...], capture: Capture) -> None:
        super().__init__("cuda-graphs", program.device)
        self._program = program
        largest = len(examples[0])
        sizes = [1 << power for power in range(largest.bit_length()) if 1 << power < largest] + [largest]
        # The largest first: smaller graphs then reuse its memory.
        self._graphs = {size: _Graph(program, examples, size, capture) for size in reversed(sizes)}
        self._sizes = sizes

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Any:
        """See `Program`."""
        largest, count = self._sizes[-1], len(inputs[0])
        if count > largest:
            parts = [self(*part) for part in zip(*(each.split(largest) for each in inputs), strict=True)]
            if isinstance(parts[0], Tensor):
                return torch.cat(parts)
            return tuple(torch.cat(pieces) for pieces in zip(*parts, strict=True))
        size = next(size for size in self._sizes if size >= count)
        return self._graphs[size](inputs, count)

    def close(self) -> None:
        """Free the recordings and their memory."""
        self._graphs.clear()


class _Graph:
    """One recording, its inputs and its outputs at fixed places in memory."""

    def __init__(self, program: TorchProgram, examples: tuple[Tensor, ...], size: int, capture: Capture) -> None:
        with torch.inference_mode():
            # Clones: an input that needs no conversion would otherwise be the caller's own tensor.
            self._inputs = [program.prepared(example[:size]).clone() for example in examples]
            self._outputs, self._replay = capture(lambda: program.module(*self._inputs))

    def __call__(self, inputs: tuple[Tensor, ...], count: int) -> Any:
        for place, each in zip(self._inputs, inputs, strict=True):
            if each.shape[1:] != place.shape[1:]:
                raise RuntimeError(f"an input is {list(each.shape[1:])} instead of {list(place.shape[1:])}")
            place[:count].copy_(each)
        self._replay()
        return _first(self._outputs, count)


def _first(outputs: Any, count: int) -> Any:
    """Copies of the first `count` results: the next replay overwrites the outputs."""
    if isinstance(outputs, Tensor):
        return as_float32(outputs[:count]).clone()
    return tuple(_first(each, count) for each in outputs)


class _CudaCapture:
    """Records on a CUDA (or ROCm) device; all graphs share one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, call: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        # With `benchmark` the warm-up times cuDNN's kernels and the capture takes the fastest.
        fastest = torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True)
        with torch.cuda.device(self._device), fastest:
            self._warm_up(call)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                outputs = call()
        return outputs, graph.replay

    def _warm_up(self, call: Callable[[], Any]) -> None:
        """Let the libraries allocate and choose, which a capture must not do; on a stream of its own, as torch asks."""
        stream: Any = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.current_stream(self._device).wait_stream(stream)
