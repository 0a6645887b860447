"""Fits the network of `comps.core.hearing.acoustic_model` to clips. Needs the extra that brings torch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from comps.core.hearing.front_end import BANDS
from comps.core.hearing.sounds import SOUNDS
from scripts.hearing.clips import Clips

OFFSETS = (-14, -10, -7, -5, -3, -2, -1, 0, 1, 2, 3, 4, 6)
"""Frames around one that the network sees; the last is `ear.FUTURE`."""
HIDDEN = (192, 96)
_BATCH, _RATE = 1024, 1.5e-3
_LIPS = 1.3
"""How much more a frame with closed lips counts: a missed closure is what viewers see."""

_DOUBT_OF_LIPS = 0.2
"""Taken from their likelihood in turn, so that not too many are heard."""


class Trainer:
    """A network and the clips it learns from; `shares` `[clips]` says how often each is drawn."""

    def __init__(self, clips: Clips, shares: NDArray[np.float64], seed: int = 0) -> None:
        torch.manual_seed(seed)
        self._features = torch.from_numpy(clips.features.astype(np.float32))
        self._sounds = torch.from_numpy(clips.sounds.astype(np.int64))
        ends = np.cumsum(clips.lengths)
        self._last = torch.from_numpy(np.repeat(ends - 1, clips.lengths))
        self._first = torch.from_numpy(np.repeat(ends - clips.lengths, clips.lengths))
        self._mean, self._spread = self._features.mean(0), self._features.std(0)
        self._draw = torch.from_numpy(np.repeat(shares, clips.lengths))
        widths = (len(OFFSETS) * BANDS, *HIDDEN, len(SOUNDS))
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        self._network = nn.Sequential(*layers[:-1])

    def fit(self, minutes: float) -> None:
        """Learn for so long; the rate falls to nothing by then."""
        counts = torch.bincount(self._sounds, minlength=len(SOUNDS)).float().clamp(min=1)
        weights = (counts.mean() / counts) ** 0.3
        weights[SOUNDS.index("m")] *= _LIPS
        loss = nn.CrossEntropyLoss(weight=weights, label_smoothing=0.03)
        optimiser = torch.optim.AdamW(self._network.parameters(), lr=_RATE, weight_decay=1e-4)
        began, done = time.monotonic(), 0.0
        while done < 1:
            for group in optimiser.param_groups:
                group["lr"] = _RATE * (0.5 * (1 + np.cos(np.pi * done)) + 0.005)
            frames = torch.multinomial(self._draw, _BATCH * 64, replacement=True)
            for batch in frames.split(_BATCH):
                optimiser.zero_grad()
                loss(self._network(self._seen(batch)), self._sounds[batch]).backward()
                optimiser.step()
            done = (time.monotonic() - began) / (60 * minutes)

    def _seen(self, frames: torch.Tensor) -> torch.Tensor:
        places = frames[:, None] + torch.tensor(OFFSETS)
        places = torch.minimum(torch.maximum(places, self._first[frames][:, None]), self._last[frames][:, None])
        seen = (self._features[places] - self._mean) / self._spread
        # All as loud as each other would be: levels differ by a little.
        return seen.flatten(1) + 0.15 * torch.randn(len(frames), 1)

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """What `acoustic_model()` reads, the features' mean and spread being part of the first layer."""
        linear = [layer for layer in self._network if isinstance(layer, nn.Linear)]
        weights = [layer.weight.detach().numpy().T.astype(np.float64) for layer in linear]
        biases = [layer.bias.detach().numpy().astype(np.float64) for layer in linear]
        mean, spread = (np.tile(values.numpy(), len(OFFSETS)) for values in (self._mean, self._spread))
        weights[0] = weights[0] / spread[:, None]
        biases[0] = biases[0] - mean @ weights[0]
        arrays: dict[str, NDArray[np.generic]] = {"offsets": np.array(OFFSETS)}
        arrays |= {f"w{i}": weight.astype(np.float16) for i, weight in enumerate(weights)}
        arrays |= {f"b{i}": bias.astype(np.float32) for i, bias in enumerate(biases)}
        return arrays | statistics(self._sounds.numpy(), self._last.numpy())


def statistics(sounds: NDArray[np.int64], last: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
    """`prior` `[25]` and `transitions` `[25, 25]` as log probabilities, flattened: languages differ in what follows what."""
    count = len(SOUNDS)
    inside = last[:-1] == last[1:]
    pairs = np.zeros((count, count))
    np.add.at(pairs, (sounds[:-1][inside], sounds[1:][inside]), 1)
    stay = (np.diag(pairs) + 1) / (pairs.sum(1) + 2)
    moves = pairs.copy()
    np.fill_diagonal(moves, 0)
    moves = 0.6 * moves / np.maximum(moves.sum(1, keepdims=True), 1) + 0.4 / (count - 1)
    transitions = np.log((1 - stay)[:, None] * moves)
    np.fill_diagonal(transitions, np.log(stay))
    shares = np.bincount(sounds, minlength=count) / len(sounds)
    prior = 0.5 * np.log(np.maximum(shares, 1e-4))
    prior[SOUNDS.index("m")] += _DOUBT_OF_LIPS
    return {
        "prior": prior.astype(np.float32),
        "transitions": transitions.astype(np.float32),
    }
