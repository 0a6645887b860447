"""Drawer: the network at work for all sessions at once, with what belongs to a face computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comps.animation.engines.wav2lip.network import MEL_BANDS, MEL_COLUMNS, Wav2Lip
from comps.animation.engines.wav2lip.picture import Face, Picture, network_input

Speak = Callable[..., Tensor]
"""`Speaker` made ready to run by a backend."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A face and the window of speech, float32 `[80, 16]`, that it shall say."""

    mel: NDArray[np.float32]
    face: Face


class Speaker(nn.Module):
    """The part of the network that runs for every frame."""

    def __init__(self, network: Wav2Lip) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor, *skips: Tensor) -> Tensor:
        """(B, 1, 80, 16) and the seven levels of `Wav2Lip.encode_face` to (B, 3, 96, 96)."""
        return self.network.decode(self.network.encode_audio(mel), skips)


def examples(network: Wav2Lip, faces: NDArray[np.uint8], batch: int, first: int = 0) -> tuple[Tensor, ...]:
    """Inputs of `Speaker` for a `batch`, from `faces` uint8 `[n, 96, 96, 3]` RGB and sound like that of speech.

    Another `first` gives other sound.
    """
    parameter = next(network.parameters())
    chosen = torch.from_numpy(network_input(faces[np.arange(batch) % len(faces)]))
    with torch.inference_mode():
        skips = network.encode_face(chosen.to(parameter.device, parameter.dtype))
    sound = speech_like(batch, first).to(parameter.device)
    # Copies, because tensors of inference mode can be neither exported nor compiled.
    return sound, *(skip.clone() for skip in skips)


def speech_like(count: int, first: int = 0) -> Tensor:
    """Windows of a mel (count, 1, 80, 16) with the levels of speech: harmonics that come and go, and pauses."""
    band, column = torch.arange(MEL_BANDS)[:, None], torch.arange(MEL_COLUMNS)[None]
    windows = []
    for index in range(first, first + count):
        loudness = torch.sin(0.5 * column + index).clamp(-0.3, 1)
        windows.append((2.5 * loudness * torch.cos(band * (0.4 + 0.02 * index)) - 0.02 * band - 1).clamp(-4, 4))
    return torch.stack(windows)[:, None].float()


class Drawer:
    """Draws faces that speak. `draw` blocks and is not to be called from two threads at once.

    Args:
        network: with its weights, in eval mode, on its device; it encodes faces.
        speak: `Speaker` made ready to run; None runs it as it is.
    """

    def __init__(self, network: Wav2Lip, speak: Speak | None = None) -> None:
        self._network = network
        self._speak = speak or Speaker(network).eval()
        parameter = next(network.parameters())
        self._device, self._dtype = parameter.device, parameter.dtype

    def draw(self, spoken: Sequence[Spoken]) -> list[Picture]:
        """Each face saying what it shall, RGB uint8 `[96, 96, 3]`; faces are encoded only when they are new."""
        with torch.inference_mode():
            self._encode([item.face for item in spoken])
            mel = torch.from_numpy(np.stack([item.mel for item in spoken])[:, None]).to(self._device)
            return list(_pictures(self._speak(mel, *_joined([item.face for item in spoken]))))

    def _encode(self, faces: Sequence[Face]) -> None:
        new = list({id(face): face for face in faces if face.encoded is None}.values())
        if not new:
            return
        pictures = torch.from_numpy(network_input(np.stack([face.picture for face in new])))
        levels = self._network.encode_face(pictures.to(self._device, self._dtype))
        for index, face in enumerate(new):
            # A copy, because a view would keep the whole batch in memory.
            face.encoded = [level[index : index + 1].float().clone() for level in levels]


def _pictures(drawn: Tensor) -> NDArray[np.uint8]:
    """Faces (B, 3, 96, 96) BGR in 0..1 as uint8 `[B, 96, 96, 3]` RGB; levels are cut off, not rounded, as the original."""
    levels = (drawn.float() * 255).to(torch.uint8)
    return np.asarray(levels.flip(1).permute(0, 2, 3, 1).contiguous().cpu().numpy(), np.uint8)


def _joined(faces: Sequence[Face]) -> list[Tensor]:
    """The levels of all faces, each `[B, ...]`; of one face alone they are not copied."""
    levels = [face.encoded or [] for face in faces]
    if all(face is faces[0] for face in faces):
        return [skip.expand(len(faces), -1, -1, -1) for skip in levels[0]]
    return [torch.cat(same) for same in zip(*levels, strict=True)]
