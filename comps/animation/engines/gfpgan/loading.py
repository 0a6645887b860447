"""From a user's files to networks that are ready to restore faces."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.gfpgan import weights
from comps.animation.engines.gfpgan.align import cut, fit
from comps.animation.engines.gfpgan.quick import quick
from comps.animation.engines.gfpgan.restorer import Restorer
from comps.animation.engines.gfpgan.settings import GfpganSettings
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.faces.face import DetectedFace, FaceDetector, Picture
from comps.animation.faces.haar import HaarDetector
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.backend import Plan, Program, build
from comps.animation.neural.device import resolve
from comps.core.media.image import decode_image

logger = logging.getLogger(__name__)

MAX_ERROR = 4e-2
"""Largest difference in any value of a restored face, -1..1, that a quicker backend may make: five grey levels in the
worst of 786,432 values."""


def load_restorer(settings: GfpganSettings) -> Restorer:
    """GFPGAN, and ParseNet where masks need it, with the weights in `models_dir`; blocks for seconds.

    Raises:
        EngineUnavailableError: a file is missing or cannot be used, or the device is not here; the message says why.
    """
    device = resolve(settings.gfpgan_device)
    network = quick(weights.load_gfpgan(weights.find(settings.gfpgan_version, settings.models_dir)))
    parser = weights.load_parsenet(settings.models_dir) if settings.gfpgan_mask == "parse" else None
    if device.type == "cpu":
        keep_freed_memory()
    faces = sample_faces()
    # A processor gains nothing from batches here, and measuring with them would take minutes.
    examples = (
        faces[:1] if device.type == "cpu" else faces.repeat(settings.gfpgan_batch, 1, 1, 1)[: settings.gfpgan_batch]
    )
    restore = _ready(network, examples, settings, device)
    parse = _ready(parser, examples, settings, device) if parser is not None else None
    return Restorer(restore, parse, device)


def load_detector(settings: GfpganSettings) -> FaceDetector:
    """RetinaFace where its file lies in `models_dir`, else OpenCV's cascades with the portrait engine's points."""
    from comps.animation.faces.retinaface import FILE, RetinaFaceDetector

    path: Path = settings.models_dir / FILE
    if path.is_file():
        return RetinaFaceDetector.load(path, str(resolve(settings.gfpgan_device)))
    logger.info("%s is not in %s: faces are found by OpenCV's cascades", FILE, settings.models_dir)
    return HaarDetector(landmarks=True)


def sample_faces() -> Tensor:
    """The aligned faces of the avatars that come with the package, `[n, 3, 512, 512]` in -1..1."""
    faces = []
    for path in sorted(PRESENTERS.glob("*/rig.json")):
        picture = decode_image((path.parent / "portrait.png").read_bytes(), max_pixels=50_000_000)
        faces.append(_aligned(picture, Rig.load(path)))
    levels = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2)
    return levels.float() / 127.5 - 1


def _aligned(picture: Picture, rig: Rig) -> Picture:
    matrix = fit(DetectedFace(np.zeros(4, np.float32), 1.0, rig.points).five_points())
    if matrix is None:
        raise ValueError("a shipped avatar's points coincide")
    return cut(picture, matrix)


def _ready(network: nn.Module, examples: Tensor, settings: GfpganSettings, device: torch.device) -> Program:
    plan = Plan(settings.gfpgan_backend, str(device), max_error=MAX_ERROR)
    program = build(network, (examples,), plan)
    logger.info("%s runs by %s on %s", type(network).__name__, program.backend, program.device)
    return program
