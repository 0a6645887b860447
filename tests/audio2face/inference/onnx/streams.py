"""Running the streams of models in tests."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.configuration.reading import Configuration
from comps.animation.audio2face.configuration.stylization import StylizationConfig
from comps.animation.audio2face.inference.choice import InferenceSettings
from comps.animation.audio2face.inference.model import Array, Audio, EmotionStream, FaceModel, FaceStream, FaceTuning
from comps.animation.audio2face.inference.onnx import load_face
from comps.animation.audio2face.names import ALL_SHAPES, CANCEL_POSES, FACE_EMOTIONS, SYMMETRY_POSES
from comps.animation.audio2face.parameters import Value

PLAIN: dict[str, Value] = {
    "lower_face_smoothing": 0.0, "upper_face_smoothing": 0.0, "lower_face_strength": 1.0, "upper_face_strength": 1.0,
    "tongue_strength": 1.0, "tongue_height_offset": 0.0, "tongue_depth_offset": 0.0,
}  # fmt: skip
"""Values with which a face does what its network says."""
ALL_ACTIVE = dict.fromkeys(ALL_SHAPES, 1)


def settings(models_dir: Path, **values: object) -> InferenceSettings:
    return InferenceSettings(**{"face": "onnx", "models_dir": models_dir, "provider": "cpu", "threads": 1, **values})  # type: ignore[arg-type]


def configuration(character: str = "claire", **a2f: object) -> Configuration:
    return Configuration(character, StylizationConfig.model_validate({"a2f": a2f}))


def face(models_dir: Path, **a2f: object) -> FaceModel:
    return load_face(configuration(**a2f), settings(models_dir))


def tuning(fps: int = 30, **values: Value) -> FaceTuning:
    """All shapes take part, none is paired."""
    return FaceTuning(fps, {**PLAIN, **values}, ALL_ACTIVE, CANCEL_POSES, dict.fromkeys(SYMMETRY_POSES, -1))


def sound(seconds: float, seed: int = 0) -> Audio:
    """Samples from 0 to 1, so that each may be a weight."""
    return np.random.default_rng(seed).uniform(0, 1, round(seconds * 16000)).astype(np.float32)


def feelings(frames: int, **courses: Iterable[float]) -> Array:
    """Emotions `[frames, 10]`; those that are not given are 0."""
    rows = np.zeros((frames, 10))
    for name, course in courses.items():
        rows[:, FACE_EMOTIONS.index(name)] = list(course)
    return rows


def run(stream: FaceStream, audio: Audio, emotions: Array, cuts: Iterable[int] = ()) -> Array:
    """All weights of a clip that is pushed in pieces cut at these samples, each frame's emotions with its sample."""
    edges = sorted({0, *(cut for cut in cuts if 0 < cut < len(audio)), len(audio)})
    told, parts, fps = 0, [], len(emotions) * 16000 / max(len(audio), 1)
    for first, last in pairwise(edges):
        upto = min(len(emotions), int(last * fps / 16000))
        parts.append(stream.push(audio[first:last], emotions[told:upto]))
        told = upto
    return np.concatenate([*parts, stream.finish(emotions[told:])])


def listen(stream: EmotionStream, audio: Audio, cuts: Iterable[int] = ()) -> Array:
    """All logits of a clip that is pushed in pieces cut at these samples."""
    edges = sorted({0, *(cut for cut in cuts if 0 < cut < len(audio)), len(audio)})
    parts = [stream.push(audio[first:last]) for first, last in pairwise(edges)]
    return np.concatenate([*parts, stream.finish()])


def weights_of(shape: str, weights: Array) -> Array:
    return np.asarray(weights[:, ALL_SHAPES.index(shape)])


def samples(frames: int, fps: int = 30) -> NDArray[np.intp]:
    """The sample of every frame."""
    return np.arange(frames) * 16000 // fps
