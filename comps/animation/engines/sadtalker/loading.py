"""From a user's files to networks that are ready to draw."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import cast

import torch

from comps.animation.engines.sadtalker.checkpoints import Networks, find_set, load_networks
from comps.animation.engines.sadtalker.drawing import Drawer, Painter, Weigher
from comps.animation.engines.sadtalker.motion import Reference
from comps.animation.engines.sadtalker.points import FacePoints
from comps.animation.engines.sadtalker.reference import reference_of
from comps.animation.engines.sadtalker.settings import SadTalkerSettings
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.backend import BackendName, Plan, build
from comps.animation.neural.device import resolve

logger = logging.getLogger(__name__)

LICENCE = (
    "SadTalker's weights are under the Apache licence 2.0, except that its face renderer derives from a work under "
    "CC BY-NC 4.0, not for commercial use; see https://github.com/OpenTalker/SadTalker/blob/main/LICENSE"
)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What the engine works with once it is loaded."""

    networks: Networks
    points: FacePoints
    reference: Reference
    drawer: Drawer


def load(settings: SadTalkerSettings) -> Loaded:
    """Networks, face detector and reference videos that `settings` name; blocks for seconds, with ``auto`` a minute.

    Raises:
        EngineUnavailableError: a file is missing or cannot be used, or the device is not here; the message says which.
    """
    found = find_set(settings.models_dir, settings.sadtalker_size, settings.sadtalker_preprocess)
    device = resolve(settings.sadtalker_device)
    logger.warning("%s", LICENCE)
    networks = load_networks(settings.models_dir, found, device)
    points = FacePoints.load(settings.models_dir, device)
    if device.type == "cpu":
        keep_freed_memory()
    eyes, pose = settings.sadtalker_eye_video, settings.sadtalker_pose_video
    reference = reference_of(networks.reconstruction, points, eyes, pose)
    drawer = make_drawer(networks, settings, device)
    logger.info("SadTalker (%s) runs on %s; landmarks by %s", found.model, device, points.source)
    return Loaded(networks, points, reference, drawer)


def make_drawer(networks: Networks, settings: SadTalkerSettings, device: torch.device) -> Drawer:
    """The two parts of the generator, each run as the settings say."""
    side, batch = settings.sadtalker_size // 4, settings.sadtalker_batch
    plan = Plan(cast("BackendName", settings.sadtalker_backend), str(device))
    generator = torch.Generator().manual_seed(0)
    seen = torch.rand(batch, 80, 16, side, side, generator=generator) * 0.3
    features = torch.randn(batch, 512, side, side, generator=generator) * 0.5
    occlusion = torch.rand(batch, 1, side, side, generator=generator)
    weigh = build(Weigher(networks.generator), (seen.to(device),), plan)
    paint = build(Painter(networks.generator), (features.to(device), occlusion.to(device)), plan)
    logger.info("the generator's parts run by %s and %s", weigh.backend, paint.backend)
    return Drawer(weigh, paint)
