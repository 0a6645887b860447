"""PoseStream: the head's motion as the speech comes, drawn by PoseVAE block by block.

The original draws blocks of 32 frames, each from the embeddings of its own frames and fresh noise, and at the end one
more block whose last frames are what was left. Each block needs no frame beyond its own, so nothing of this needs the
whole clip: the stream gives what the original gives, 32 frames late. A smaller `step` gives the newest `step` frames of
the 32 heard last, as the original does at the end of a clip, and so waits less; its noise still changes every 32 frames.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comps.animation.engines.sadtalker.pose import BLOCK, NOISE, POSE, PoseVAE

Rows = NDArray[np.float32]
Noise = Callable[[], Rows]
"""Gives the next 64 normally distributed numbers."""


def seeded_noise(seed: int) -> Noise:
    """Noise that is the same for the same seed."""
    generator = np.random.default_rng(seed)
    return lambda: generator.standard_normal(NOISE).astype(np.float32)


class PoseStream:
    """How the pose of each frame differs from that of the first, which stays as it is.

    Args:
        network: with its weights.
        pose: of the source, six coefficients `[6]`.
        style: 0..45.
        noise: drawn from once every 32 frames.
        step: frames drawn at once, 1..32; noise changes at the first block of each 32 frames.
    """

    def __init__(self, network: PoseVAE, pose: Rows, style: int, noise: Noise, step: int = BLOCK) -> None:
        self._network = network
        self._pose = torch.from_numpy(pose.astype(np.float32))
        self._style = style
        self._noise = noise
        self._step = step
        self._drawn = torch.zeros(NOISE)
        self._drawn_for = -1
        self._heard: list[Tensor] = []
        """Embeddings of the 32 frames given last, and those after them."""
        self._given = 0

    @torch.inference_mode()
    def feed(self, mels: Rows) -> Rows:
        """The motion `[n, 6]` that the next mel windows `[m, 80, 16]` settle."""
        if not len(mels):
            return np.zeros((0, POSE), np.float32)
        motion = [] if self._given else [np.zeros((1, POSE), np.float32)]
        # The first frame keeps its pose, so what is said in it does not count.
        heard = mels if self._given else mels[1:]
        self._given = max(1, self._given)
        self._hear(heard)
        while self._waiting >= self._step:
            motion.append(self._block(self._step))
        return np.concatenate([np.zeros((0, POSE), np.float32), *motion])

    @torch.inference_mode()
    def finish(self) -> Rows:
        """The motion up to the end."""
        return self._block(self._waiting) if self._waiting else np.zeros((0, POSE), np.float32)

    def _hear(self, mels: Rows) -> None:
        if not len(mels):
            return
        embeddings = self._network.embed(self._tensor(mels[:, None])).unbind(0)
        if not self._heard:  # a block that begins before the clip repeats the first embedding
            self._heard = [embeddings[0]] * BLOCK
        self._heard += embeddings

    @property
    def _waiting(self) -> int:
        """Frames heard and not given."""
        return max(0, len(self._heard) - BLOCK)

    def _block(self, frames: int) -> Rows:
        """The motion of the next `frames`."""
        stretch = (self._given - 1) // BLOCK
        if stretch != self._drawn_for:
            self._drawn, self._drawn_for = self._tensor(self._noise()), stretch
        audio = torch.stack(self._heard[frames : frames + BLOCK])
        pose = self._pose.to(audio.device)
        style = torch.tensor([self._style], device=audio.device)
        motion = self._network(pose[None], self._drawn[None], style, audio[None])[0, -frames:]
        self._heard = self._heard[frames:]
        self._given += frames
        return np.asarray(motion.float().cpu().numpy())

    def _tensor(self, rows: Rows) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows)).to(next(self._network.parameters()).device)
