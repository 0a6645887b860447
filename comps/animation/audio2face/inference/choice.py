"""Which inference a service runs: the project's own, or NVIDIA's published networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from comps.animation.audio2face.configuration.reading import Configuration
from comps.animation.audio2face.inference.model import EmotionDetector, FaceModel
from comps.animation.audio2face.names import shape_names
from comps.core.engine import missing_extra
from comps.core.errors import UnknownChoiceError
from comps.core.user_data import models_folder

Inference = Literal["embedded", "onnx"]
Provider = Literal["auto", "cpu", "cuda", "tensorrt"]

EXTRA = "audio2face-onnx"
"""The pip extra of the inference `onnx`."""


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """What computes, and where its files are.

    Attributes:
        face: ``embedded`` moves the face by the project's own means, ``onnx`` by the network that the stylization names.
        emotions: the same for the detector of emotions; None is as `face`.
        models_dir: folder that holds the folders of the networks.
        provider: what ONNX Runtime computes with; ``auto`` is TensorRT, CUDA or the CPU, the first that is there.
        threads: threads of one network on the CPU; 0 leaves it to ONNX Runtime.
        max_batch: most frames of one call of a network. 1 makes results independent of what other streams do, to the last bit.
        emotion_window: samples that the network of emotions hears, where its file leaves that open; 0 is 30000.
    """

    face: Inference = "embedded"
    emotions: Inference | None = None
    models_dir: Path = field(default_factory=models_folder)
    provider: Provider = "auto"
    threads: int = 0
    max_batch: int = 16
    emotion_window: int = 0


def load_inference(
    configuration: Configuration, settings: InferenceSettings | None = None
) -> tuple[FaceModel, EmotionDetector | None]:
    """The face and the detector of a service, loaded; no detector where the stylization switches it off. Blocks for seconds.

    Raises:
        UnknownChoiceError: there is no such inference.
        EngineUnavailableError: a library or a model's file is missing or broken; the message names it.
        UnprocessableError: the configuration asks for what the model does not have.
    """
    settings = settings or InferenceSettings()
    hears = configuration.stylization.a2e.enabled
    face = _face(settings.face, configuration, settings)
    return face, _emotions(settings.emotions or settings.face, configuration, settings) if hears else None


def _face(inference: Inference, configuration: Configuration, settings: InferenceSettings) -> FaceModel:
    if inference == "embedded":
        from comps.animation.audio2face.inference.embedded import EmbeddedFace

        return EmbeddedFace(shape_names(tongue=configuration.stylization.a2f.enable_tongue_blendshapes))
    _check(inference)
    try:
        from comps.animation.audio2face.inference.onnx import load_face
    except ImportError as error:
        raise missing_extra("inference 'onnx'", EXTRA, error) from error
    return load_face(configuration, settings)


def _emotions(inference: Inference, configuration: Configuration, settings: InferenceSettings) -> EmotionDetector:
    if inference == "embedded":
        from comps.animation.audio2face.inference.embedded import EmbeddedEmotions

        return EmbeddedEmotions()
    _check(inference)
    try:
        from comps.animation.audio2face.inference.onnx import load_emotions
    except ImportError as error:
        raise missing_extra("inference 'onnx'", EXTRA, error) from error
    return load_emotions(configuration, settings)


def _check(inference: str) -> None:
    if inference not in get_args(Inference):
        known = ", ".join(get_args(Inference))
        raise UnknownChoiceError(f"there is no inference '{inference[:40]}'; there are: {known}", param="inference")
