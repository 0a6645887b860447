"""Which network a configuration means, where its folder is, and loading it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from comps.animation.audio2face.card_solver import Arrays, find_arrays
from comps.animation.audio2face.configuration.layers import Layers
from comps.animation.audio2face.configuration.reading import Configuration
from comps.animation.audio2face.configuration.stylization import DIFFUSION_MODEL, REGRESSION_MODELS, character_of
from comps.animation.audio2face.inference.choice import InferenceSettings
from comps.animation.audio2face.inference.model import EmotionDetector, FaceModel, FaceTuning
from comps.animation.audio2face.inference.onnx.detector import INPUT, OnnxEmotions, detector_signature
from comps.animation.audio2face.inference.onnx.diffusion import (
    MOST_WINDOWS,
    DiffusionFace,
    Manner,
    diffusion_signature,
)
from comps.animation.audio2face.inference.onnx.folder import find_folder
from comps.animation.audio2face.inference.onnx.implicit import implicit_emotion
from comps.animation.audio2face.inference.onnx.network import CPU, FILE, Device, Network, window_length
from comps.animation.audio2face.inference.onnx.network_info import (
    detector_order,
    diffusion_info,
    regression_info,
)
from comps.animation.audio2face.inference.onnx.projection import Face
from comps.animation.audio2face.inference.onnx.regression import RegressionFace, regression_signature
from comps.animation.audio2face.inference.onnx.rig import (
    Character,
    diffusion_character,
    diffusion_files,
    regression_character,
    regression_files,
)
from comps.core.errors import UnknownChoiceError, UnprocessableError

FOLDERS: Mapping[str, str] = {
    "claire_v2.3.1": "Audio2Face-3D-v2.3.1-Claire",
    "james_v2.3.1": "Audio2Face-3D-v2.3.1-James",
    "mark_v2.3": "Audio2Face-3D-v2.3-Mark",
    DIFFUSION_MODEL: "Audio2Face-3D-v3.0",
}
"""Folder of every model, as it is called where NVIDIA publishes it; the id will do too."""
DETECTOR_FOLDERS = ("Audio2Emotion-v2.2", "Audio2Emotion-v3.0")

DETECTOR_WINDOW = 30_000
"""Samples a detector hears when its file leaves that open."""
_WINDOWS = range(5_000, 60_001)
"""Lengths that the published detectors are made for."""

log = logging.getLogger(__name__)


def load_face(configuration: Configuration, settings: InferenceSettings) -> FaceModel:
    """The network of the face that the stylization names; blocks for seconds.

    Raises:
        UnknownChoiceError: there is no such model or identity.
        UnprocessableError: the recording of the implicit emotion does not exist.
        EngineUnavailableError: a file is missing or broken; the message names it.
    """
    if configuration.stylization.a2f.inference_type == "diffusion":
        return _diffusion(configuration, settings)
    return _regression(configuration, settings)


def load_emotions(configuration: Configuration, settings: InferenceSettings) -> EmotionDetector:
    """The detector of emotions; blocks for seconds.

    Raises:
        EngineUnavailableError: a file is missing or broken; the message names it.
        UnprocessableError: its network does not hear windows of the length asked for.
    """
    folder = find_folder(settings.models_dir, DETECTOR_FOLDERS)
    file = folder.file(FILE)
    window = window_length(file, INPUT) or settings.emotion_window or DETECTOR_WINDOW
    if settings.emotion_window and (window != settings.emotion_window or window not in _WINDOWS):
        raise UnprocessableError(
            f"emotion_window = {settings.emotion_window} is not possible with {file}", param="emotion_window"
        )
    advanced = configuration.advanced
    device = Device(
        settings,
        advanced.a2e.device_id,
        half=advanced.trt_model_generation.a2e.precision == "fp16",
        most=settings.max_batch,
    )
    return OnnxEmotions(Network(file, detector_signature(window), device), window, detector_order(folder))


def _regression(configuration: Configuration, settings: InferenceSettings) -> FaceModel:
    style = configuration.stylization.a2f
    model = style.regression_model.inference_model_id or REGRESSION_MODELS[configuration.character]
    character = character_of(model)
    if model not in REGRESSION_MODELS.values() or character is None:
        known = ", ".join(REGRESSION_MODELS.values())
        raise UnknownChoiceError(
            f"there is no regression model '{model[:40]}'; there are: {known}", param="inference_model_id"
        )
    folder = find_folder(settings.models_dir, (FOLDERS[model], model))
    info = regression_info(folder, character)
    sizes = {"skin": (info.skin, info.skin_vertices), "tongue": (info.tongue, info.tongue_vertices)}
    files = regression_character(folder, regression_files(folder), sizes)
    block = configuration.deployment.face_params
    shot, frame = (block.source_shot, block.source_frame) if block else (None, None)
    implicit = implicit_emotion(
        folder, info.implicit, files.shot if shot is None else shot, files.frame if frame is None else frame
    )
    network = Network(folder.file(FILE), regression_signature(info), _device(configuration, settings))
    return RegressionFace(network, info, _face(configuration, files, network), implicit)


def _diffusion(configuration: Configuration, settings: InferenceSettings) -> FaceModel:
    model = configuration.stylization.a2f.diffusion_model
    folder = find_folder(settings.models_dir, (FOLDERS[model.inference_model_id], model.inference_model_id))
    info = diffusion_info(folder)
    wanted = model.identity or configuration.character
    known = [identity.lower() for identity in info.identities]
    if wanted not in known:
        raise UnknownChoiceError(
            f"{folder.path} has no identity '{wanted}'; it has: {', '.join(known)}", param="identity"
        )
    index = known.index(wanted)
    files = diffusion_character(
        folder, diffusion_files(folder, info.identities[index], index), info.skin // 3, info.tongue // 3
    )
    device = _device(configuration, settings)
    device = replace(device, most=min(device.most, MOST_WINDOWS))
    network = Network(folder.file(FILE), diffusion_signature(info), device)
    return DiffusionFace(network, info, _face(configuration, files, network), Manner(index, model.constant_noise))


def _device(configuration: Configuration, settings: InferenceSettings) -> Device:
    advanced = configuration.advanced
    half = advanced.trt_model_generation.a2f.precision == "fp16"
    return Device(settings, advanced.a2f.device_id, half=half, most=settings.max_batch)


def _face(configuration: Configuration, character: Character, network: Network) -> Face:
    tongue = configuration.stylization.a2f.enable_tongue_blendshapes
    smooth, arrays = configuration.advanced.a2f.temporal_smoothing, _card(configuration, network)
    face = Face(character, tongue=tongue, smooth=smooth, arrays=arrays)
    layers = Layers(configuration, character.defaults)
    poses = layers.active_poses, layers.cancel_poses, layers.symmetry_poses
    face.open(FaceTuning(30, layers.deployment.values, *poses), 30)  # what streams share is made now
    return face


def _card(configuration: Configuration, network: Network) -> Arrays | None:
    """The card that solves blend shapes, if that is wanted and there is one."""
    advanced = configuration.advanced.a2f
    if not advanced.use_gpu_solver:
        return None
    arrays = find_arrays(advanced.device_id) if network.provider != CPU else None
    if arrays is None:
        log.info("use_gpu_solver: there is no card to solve on; blend shapes are solved on the CPU, exactly")
    return arrays
