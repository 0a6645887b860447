"""Streamed blend-shape weights: solved weight * multiplier + offset, clamped to 0..1 last and only when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.parameters import WEIGHT_MULTIPLIERS, WEIGHT_OFFSETS, check_entries

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WeightLayer:
    """What one source says about the weights: a model file, the deployment or a request.

    A shape without an entry keeps the layer below, as does `clamp` None; false and 0 are values. Names are
    case sensitive, and those that a stream does not carry are ignored. Raises UnprocessableError for a number that is not finite.
    """

    multipliers: Mapping[str, float]
    offsets: Mapping[str, float]
    clamp: bool | None = None

    def __post_init__(self) -> None:
        check_entries(WEIGHT_MULTIPLIERS, self.multipliers)
        check_entries(WEIGHT_OFFSETS, self.offsets)


@dataclass(frozen=True, slots=True)
class WeightTuning:
    """Multipliers and offsets float64 `[n]` of a stream's shapes, which of them are active, and whether to clamp."""

    active: NDArray[np.bool_]
    multipliers: Array
    offsets: Array
    clamp: bool

    @classmethod
    def layered(
        cls, names: Sequence[str], layers: Sequence[WeightLayer], active: Mapping[str, int] | None = None
    ) -> WeightTuning:
        """The tuning of shapes `names` from layers, the strongest last; without any it changes nothing."""
        multipliers: dict[str, float] = {}
        offsets: dict[str, float] = {}
        clamp = False
        for layer in layers:
            multipliers |= layer.multipliers
            offsets |= layer.offsets
            clamp = clamp if layer.clamp is None else layer.clamp
        return cls(
            np.array([bool((active or {}).get(name, 1)) for name in names], bool),
            np.array([multipliers.get(name, 1.0) for name in names], np.float64),
            np.array([offsets.get(name, 0.0) for name in names], np.float64),
            clamp,
        )

    def apply(self, weights: Array) -> Array:
        """Weights to stream `[..., n]` from solved ones; an inactive shape is 0 before its offset."""
        tuned: Array = np.where(self.active, weights, 0.0) * self.multipliers + self.offsets
        return np.minimum(np.maximum(tuned, 0.0), 1.0) if self.clamp else tuned
