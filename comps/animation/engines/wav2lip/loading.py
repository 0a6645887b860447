"""From a user's files to a network that is ready to draw."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.wav2lip.boxes import Pads, padded
from comps.animation.engines.wav2lip.drawer import Drawer, Speaker, examples
from comps.animation.engines.wav2lip.network import Wav2Lip
from comps.animation.engines.wav2lip.picture import cropped
from comps.animation.engines.wav2lip.scene import MOST_PIXELS, rig_box
from comps.animation.engines.wav2lip.settings import Wav2LipSettings
from comps.animation.faces.face import FaceDetector
from comps.animation.faces.haar import HaarDetector
from comps.animation.neural.allocator import keep_freed_memory
from comps.animation.neural.backend import Plan, build
from comps.animation.neural.checkpoint import fill, read_state_dict
from comps.animation.neural.device import resolve
from comps.core.errors import EngineUnavailableError
from comps.core.media.image import decode_image

logger = logging.getLogger(__name__)

FILES = ("wav2lip_gan.pth", "wav2lip.pth", "Wav2Lip-SD-GAN.pt", "Wav2Lip-SD-NOGAN.pt", "wav2lip.safetensors")
"""The names the weights are published under, and the one they are converted to; the first that is there counts."""
KNOWN_SHA256 = ("180cfd49d31d47f195d5bfc62830ffe2c40724b7bbbce6faadc73ac6ab1a3b8e",)
"""TorchScript archives of the makers, whose weights are read without asking: Wav2Lip-SD-GAN.pt."""
CALIBRATION_CALLS = 4
"""Batches from which int8 takes the ranges of its values."""
LICENCE = (
    "Wav2Lip's weights are for personal, research and other non-commercial use only: their makers trained them on the "
    "data set LRS2 and forbid commercial use. Who loads them agrees to that; see https://github.com/Rudrabha/Wav2Lip"
)


def load_drawer(settings: Wav2LipSettings) -> Drawer:
    """The network with the weights that `settings` name, on its device; blocks for seconds.

    Raises:
        EngineUnavailableError: the file is missing or cannot be used, or the device is not here; the message says why.
    """
    path = checkpoint(settings)
    device = resolve(settings.wav2lip_device)
    logger.warning("%s", LICENCE)
    state = read_state_dict(path, consent=settings.wav2lip_allow_torchscript, known_sha256=KNOWN_SHA256)
    with torch.device("meta"):
        network = Wav2Lip()
    fill(network, state, str(path)).to(device)
    if device.type == "cpu":
        keep_freed_memory()
    plan = Plan(settings.wav2lip_backend, str(device))
    faces, batch = sample_faces(), settings.wav2lip_batch
    # Only when int8 is asked for by name: how far it may be trusted with faces unlike these nobody has measured.
    calls = range(1, CALIBRATION_CALLS + 1) if plan.backend == "openvino-int8" else range(0)
    calibration = [examples(network, faces, batch, call * batch) for call in calls]
    program = build(Speaker(network), examples(network, faces, batch), plan, calibration=calibration)
    logger.info("Wav2Lip runs by %s on %s", program.backend, program.device)
    return Drawer(network, program)


def sample_faces() -> NDArray[np.uint8]:
    """The faces of the avatars that come with the package, uint8 `[n, 96, 96, 3]` RGB."""
    faces = []
    for folder in sorted(path.parent for path in PRESENTERS.glob("*/rig.json")):
        picture = decode_image((folder / "portrait.png").read_bytes(), max_pixels=MOST_PIXELS)
        size = (picture.shape[1], picture.shape[0])
        faces.append(cropped(picture, padded(rig_box(Rig.load(folder / "rig.json"))[None], Pads(), size)[0]))
    return np.stack(faces)


def checkpoint(settings: Wav2LipSettings) -> Path:
    """The file of the weights; raises EngineUnavailableError that names it and how to get it when there is none."""
    if settings.wav2lip_checkpoint is not None:
        return settings.wav2lip_checkpoint
    for name in FILES:
        if (settings.models_dir / name).is_file():
            return settings.models_dir / name
    raise EngineUnavailableError(
        f"the weights of Wav2Lip are missing: none of {', '.join(FILES)} is in {settings.models_dir}; "
        "fetch them with  avatarchatbot models pull wav2lip"
    )


def load_detector(settings: Wav2LipSettings) -> FaceDetector:
    """What finds faces in films: S3FD where its file is given, else OpenCV's cascades; raises EngineUnavailableError."""
    if settings.wav2lip_s3fd is None:
        return HaarDetector()
    from comps.animation.faces.s3fd import S3fdDetector

    return S3fdDetector.load(settings.wav2lip_s3fd, str(resolve(settings.wav2lip_device)))
