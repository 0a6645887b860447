"""Checkpoints: which of SadTalker's published files hold which network, and the networks filled from them.

Two sets are in use. The new one (version 0.0.2) keeps five networks in one safetensors file per size; the old one keeps
them in four files of torch. Both come with two mapping networks: one for faces that are cut out, one for whole pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from comps.animation.engines.sadtalker.motion import MotionNetworks
from comps.animation.engines.sadtalker.network import (
    ExpressionNet,
    KeypointDetector,
    MappingNet,
    PoseVAE,
    ReconstructionNet,
    SpadeGenerator,
)
from comps.animation.engines.sadtalker.settings import Preprocess
from comps.animation.neural.checkpoint import fill, read_state_dict
from comps.core.errors import EngineUnavailableError

ModuleT = TypeVar("ModuleT", bound=nn.Module)

Place = tuple[str, str]
"""A file's name, and the section of it that holds a network."""

OLD_SIZE = 256
"""Pixels of the faces that the old set draws."""


@dataclass(frozen=True, slots=True)
class CheckpointSet:
    """Where each network lies, and what `avatarchatbot models pull` calls the whole."""

    model: str
    reconstruction: Place
    expression: Place
    pose: Place
    keypoints: Place
    generator: Place
    mapping: Place

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files, each once."""
        places = (self.reconstruction, self.expression, self.pose, self.keypoints, self.generator, self.mapping)
        return tuple(dict.fromkeys(name for name, _ in places))


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """All networks of one set, ready for inference, on one device."""

    reconstruction: ReconstructionNet
    keypoints: KeypointDetector
    generator: SpadeGenerator
    motion: MotionNetworks


def new_set(size: int, mode: Preprocess) -> CheckpointSet:
    """The files of version 0.0.2 for faces of `size` pixels, 256 or 512."""
    flat = f"SadTalker_V0.0.2_{size}.safetensors"
    return CheckpointSet(
        model="sadtalker" if size == OLD_SIZE else f"sadtalker-{size}",
        reconstruction=(flat, "face_3drecon"),
        expression=(flat, "audio2exp"),
        pose=(flat, "audio2pose"),
        keypoints=(flat, "kp_extractor"),
        generator=(flat, "generator"),
        mapping=_mapping(mode),
    )


def old_set(mode: Preprocess) -> CheckpointSet:
    """The files of the first release; the spelling is theirs."""
    return CheckpointSet(
        model="sadtalker-old",
        reconstruction=("epoch_20.pth", "net_recon"),
        expression=("auido2exp_00300-model.pth", "model"),
        pose=("auido2pose_00140-model.pth", "model"),
        keypoints=("facevid2vid_00189-model.pth.tar", "kp_detector"),
        generator=("facevid2vid_00189-model.pth.tar", "generator"),
        mapping=_mapping(mode),
    )


def find_set(folder: Path, size: int, mode: Preprocess) -> CheckpointSet:
    """The set that lies in `folder`: the new one, else, for faces of 256 pixels, the old one.

    Raises:
        EngineUnavailableError: neither is whole; the message names what is missing of the one there is more of.
    """
    sets = [new_set(size, mode), *([old_set(mode)] if size == OLD_SIZE else [])]
    missing = {found.model: [name for name in found.files if not (folder / name).is_file()] for found in sets}
    for found in sets:
        if not missing[found.model]:
            return found
    # The mappings belong to both sets, so they say nothing about which one is meant.
    begun = [found for found in sets if (folder / found.generator[0]).is_file()]
    wanted = (begun or sets)[0].model
    names = ", ".join(missing[wanted])
    verb = "is" if len(missing[wanted]) == 1 else "are"
    raise EngineUnavailableError(f"{names} {verb} not in {folder}; fetch with  avatarchatbot models pull {wanted}")


def load_networks(folder: Path, found: CheckpointSet, device: torch.device) -> Networks:
    """Read and fill every network of a set; blocks for seconds.

    Raises:
        EngineUnavailableError: a file is damaged, holds code, or another network; the message says which.
    """

    def load(make: Callable[[], ModuleT], place: Place) -> ModuleT:
        name, section = place
        state = read_state_dict(folder / name, sections=(section,))
        # Built without memory of its own: the network takes the tensors of the file.
        with torch.device("meta"):
            network = make()
        return fill(network, state, f"{folder / name} ({section})").to(device)

    channels = 73 if found.mapping == _WHOLE else 70
    return Networks(
        reconstruction=load(ReconstructionNet, found.reconstruction),
        keypoints=load(KeypointDetector, found.keypoints),
        generator=load(SpadeGenerator, found.generator),
        motion=MotionNetworks(
            expression=load(ExpressionNet, found.expression),
            pose=load(PoseVAE, found.pose),
            mapping=load(lambda: MappingNet(channels), found.mapping),
        ),
    )


_CUT_OUT: Place = ("mapping_00229-model.pth.tar", "mapping")
_WHOLE: Place = ("mapping_00109-model.pth.tar", "mapping")


def _mapping(mode: Preprocess) -> Place:
    return _WHOLE if mode.endswith("full") else _CUT_OUT
