"""The blend-shape solver on a card: `use_gpu_solver`.

As in the original, a card solves with a fixed number of steps that end near the optimum (`bounded.Relaxation`), where the
CPU solves exactly. CuPy or PyTorch finds the card, whichever is installed; neither is needed otherwise.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.bounded import Matrix, Relaxation, Rows
from comps.animation.audio2face.solver import SKIN, BlendshapeSolver, Points, Poses, SolverSettings

log = logging.getLogger(__name__)

_AT_ONCE = 64
"""Frames whose points lie on the card at a time."""


class Arrays(Protocol):
    """A library's arrays on one device; they have NumPy's operators."""

    def put(self, array: NDArray[Any]) -> Any:
        """A NumPy array as one of the library's, of the same type of numbers."""

    def get(self, array: Any) -> Matrix:
        """An array of the library as float64 of NumPy."""

    def clip(self, x: Any, upper: Any) -> Any:
        """`x` taken to 0..`upper`."""

    def double(self, x: Any) -> Any:
        """`x` in double precision."""


def find_arrays(device_id: int = 0) -> Arrays | None:
    """The arrays of a card that can be used here, None where there is none."""
    for make in (_cupy, _torch):
        found = make(device_id)
        if found is not None:
            return found
    return None


class CardSolver(BlendshapeSolver):
    """A `BlendshapeSolver` that projects and solves on the card of `arrays`; the other arguments are the same."""

    def __init__(
        self,
        neutral: Points,
        shapes: Points,
        poses: Poses,
        settings: SolverSettings = SKIN,
        *,
        vertices: Sequence[int] | Rows | None = None,
        arrays: Arrays,
    ) -> None:
        super().__init__(neutral, shapes, poses, settings, vertices=vertices, exact=False)
        self._arrays = arrays
        self._card_columns = arrays.put(self.columns)
        host = self.problem.relaxation
        self._relaxation = Relaxation(
            *(arrays.put(part) for part in (host.matrix, host.inverse, host.weights, host.relaxed))
        )

    def project_motions(self, motions: Points) -> Matrix:
        """See `BlendshapeSolver`."""
        self._check(motions)
        projected: Matrix = np.empty((len(motions), len(self.active)))
        for first in range(0, len(motions), _AT_ONCE):
            part = motions[first : first + _AT_ONCE].reshape(-1, self.points[0] * 3)
            moved = self._arrays.put(part.take(self.moving, axis=1) if self.gathers else part)
            projected[first : first + _AT_ONCE] = self._arrays.get(self._arrays.double(moved) @ self._card_columns)
        return projected

    def approximate(self, rhs: Matrix, upper: Matrix) -> Matrix:
        """See `BlendshapeSolver`."""
        arrays = self._arrays
        return arrays.get(self._relaxation.solve(arrays.put(rhs), arrays.put(upper), arrays.clip))


class TorchArrays:
    """PyTorch's tensors on a device, such as ``cuda:0``."""

    def __init__(self, device: str) -> None:
        self._torch = importlib.import_module("torch")
        self._device = device

    def put(self, array: NDArray[Any]) -> Any:
        """See `Arrays`."""
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def get(self, array: Any) -> Matrix:
        """See `Arrays`."""
        return np.asarray(array.cpu().numpy(), np.float64)

    def clip(self, x: Any, upper: Any) -> Any:
        """See `Arrays`."""
        return self._torch.minimum(x.clamp(min=0), upper)

    def double(self, x: Any) -> Any:
        """See `Arrays`."""
        return x.double()


class CupyArrays:
    """CuPy's arrays on a card, or what has the same functions."""

    def __init__(self, library: Any, device_id: int = 0) -> None:
        self._library = library
        self._device_id = device_id

    def put(self, array: NDArray[Any]) -> Any:
        """See `Arrays`."""
        self._library.cuda.Device(self._device_id).use()
        return self._library.asarray(array)

    def get(self, array: Any) -> Matrix:
        """See `Arrays`."""
        return np.asarray(self._library.asnumpy(array), np.float64)

    def clip(self, x: Any, upper: Any) -> Any:
        """See `Arrays`."""
        return self._library.minimum(self._library.maximum(x, 0), upper)

    def double(self, x: Any) -> Any:
        """See `Arrays`."""
        return x.astype(np.float64)


def _torch(device_id: int) -> Arrays | None:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    there = torch.cuda.is_available() and device_id < torch.cuda.device_count()
    return TorchArrays(f"cuda:{device_id}") if there else None


def _cupy(device_id: int) -> Arrays | None:
    try:
        cupy = importlib.import_module("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
    except (ImportError, RuntimeError) as error:  # without a driver CuPy counts no cards but raises
        log.debug("CuPy finds no card: %s", error)
        return None
    return CupyArrays(cupy, device_id) if device_id < count else None
