"""From a user's files to networks that are ready to draw."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.sadtalker.checkpoints import Networks, find_set, load_networks
from comps.animation.engines.sadtalker.dense_motion import deformation, seen_motions, sparse_motions
from comps.animation.engines.sadtalker.drawing import Drawer
from comps.animation.engines.sadtalker.generator import SpadeGenerator, warped
from comps.animation.engines.sadtalker.motion import Reference
from comps.animation.engines.sadtalker.points import FacePoints
from comps.animation.engines.sadtalker.quick import QuickPainter, QuickWeigher
from comps.animation.engines.sadtalker.reference import reference_of
from comps.animation.engines.sadtalker.settings import SadTalkerSettings
from comps.animation.engines.sadtalker.source import cut_out
from comps.animation.engines.sadtalker.subject import picture_tensor
from comps.animation.engines.sadtalker.transformation import rotation
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.backend import Plan, build
from comps.animation.neural.backend_name import BackendName
from comps.animation.neural.device import resolve
from comps.core.media.image import decode_image

logger = logging.getLogger(__name__)

LICENCE = (
    "SadTalker's weights are under the Apache licence 2.0, except that its face renderer derives from a work under "
    "CC BY-NC 4.0, not for commercial use; see https://github.com/OpenTalker/SadTalker/blob/main/LICENSE"
)
MOST_PIXELS = 50_000_000
_TURN = 10.0
"""Degrees by which the head of the examples turns each way."""
# A motion's weight rounded to bfloat16 puts parts of a face where they do not belong; rounded colours are not seen.
_EXACT = {
    "int16": "winograd",
    "bf16": "folded",
    "bf16x3": "bf16x6",
    "openvino-bf16": "openvino",
    "openvino-int8": "openvino",
}
"""For each backend that rounds, the one that runs the first part of the generator beside it."""


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
    _forget_drawing(networks.generator)
    logger.info("SadTalker (%s) runs on %s; landmarks by %s", found.model, device, points.source)
    return Loaded(networks, points, reference, drawer)


def make_drawer(networks: Networks, settings: SadTalkerSettings, device: torch.device) -> Drawer:
    """The two parts of the generator, run as the settings say; raises EngineUnavailableError when they cannot be."""
    seen, features, occlusion = examples(networks, settings.sadtalker_size, settings.sadtalker_batch)
    plan = Plan(settings.sadtalker_backend, str(device))
    painter, weigher = QuickPainter(networks.generator), QuickWeigher(networks.generator.dense_motion_network)
    paint = build(painter, (features, occlusion), plan)
    exact = cast("BackendName", _EXACT.get(paint.backend, paint.backend))
    weigh = build(weigher, (seen,), replace(plan, backend=exact))
    logger.info("the generator's parts run by %s and %s", weigh.backend, paint.backend)
    return Drawer(weigh, paint)


@torch.inference_mode()
def examples(networks: Networks, size: int, batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """What `QuickWeigher` and `QuickPainter` are given when a shipped presenter turns the head, for a `batch` of frames.

    Motions as seen `[n, 80, 16, h, w]`, moved features `[n, 512, h, w]` and occlusion `[n, 1, h, w]`.
    """
    folder = min(path.parent for path in PRESENTERS.glob("*/rig.json"))
    picture = decode_image((folder / "portrait.png").read_bytes(), max_pixels=MOST_PIXELS)
    face = picture_tensor(cut_out(picture, Rig.load(folder / "rig.json").points, "crop", size).face)
    generator = networks.generator
    face = face.to(next(generator.parameters()).device)
    source = generator.encode_source(face).repeated(batch)
    points = networks.keypoints(face).expand(batch, -1, -1)
    turns = torch.linspace(-_TURN, _TURN, 3 * batch, device=face.device).view(batch, 3)
    turned = torch.einsum("nij,nkj->nki", rotation(turns), points)
    motions = sparse_motions(source.compressed.shape[2:], points, turned)
    seen = seen_motions(source.compressed, motions, points, turned)
    mask, occlusion = generator.dense_motion_network.weigh(seen)
    made = seen, warped(source, deformation(mask, motions)), occlusion
    # Copies, because tensors of inference mode can be neither exported nor compiled.
    with torch.inference_mode(False):
        return made[0].clone(), made[1].clone(), made[2].clone()


def _forget_drawing(generator: SpadeGenerator) -> None:
    """Drop the layers that the drawer has in its own form, 400 MB; those that encode a source stay."""
    del generator.third, generator.fourth, generator.decoder
    motion = generator.dense_motion_network
    del motion.hourglass, motion.mask, motion.occlusion
