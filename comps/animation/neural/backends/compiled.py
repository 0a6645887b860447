"""Backend ``compile``: torch.compile with frozen weights, made in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from comps.animation.neural.backend import Program, Task
from comps.animation.neural.backends.pytorch import TorchProgram, as_float32, folded

logger = logging.getLogger(__name__)

_LONGEST_COMPILE_S = 600.0


def build(task: Task) -> CompiledProgram:
    """Answers at once, by the folded network until the compiled one is ready."""
    return CompiledProgram(folded(task), task.examples)


class CompiledProgram(Program):
    """Compiled for the shapes of the examples; calls of other shapes, and those before it is ready, run folded.

    Compiling takes a C++ compiler and 5 to 40 seconds. Where it fails the folded network stays, and `failure` says why.
    """

    def __init__(self, plain: TorchProgram, examples: tuple[Tensor, ...]) -> None:
        super().__init__("compile", plain.device)
        self._plain = plain
        self._shapes = [example.shape for example in examples]
        self._compiled: Callable[..., Any] | None = None
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._compile, args=(examples,), name="torch-compile", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether calls of the examples' shapes run compiled."""
        return self._compiled is not None

    def wait(self, timeout_s: float = _LONGEST_COMPILE_S) -> bool:
        """Wait until it is compiled or has failed; returns `ready`."""
        self._thread.join(timeout_s)
        return self.ready

    def __call__(self, *inputs: Tensor) -> Any:
        """See `Program`."""
        compiled = self._compiled
        if compiled is None or [each.shape for each in inputs] != self._shapes:
            return self._plain(*inputs)
        with torch.no_grad():
            return as_float32(compiled(*(self._plain.prepared(each) for each in inputs)))

    def close(self) -> None:
        """Wait for the compiler, which cannot be stopped, then forget both networks."""
        self.wait()
        self._compiled = None

    def _compile(self, examples: tuple[Tensor, ...]) -> None:
        try:
            compiled = torch.compile(self._plain.module, dynamic=False, options={"freezing": True})
            with torch.no_grad():
                compiled(*(self._plain.prepared(example) for example in examples))
        except Exception as error:  # noqa: BLE001 - thread boundary: the network goes on without being compiled
            self.failure = error
            logger.warning("torch.compile failed, the network runs uncompiled: %s", str(error).strip()[:300])
        else:
            self._compiled = compiled
