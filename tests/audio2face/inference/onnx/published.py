"""Folders of tiny models laid out as NVIDIA publishes hers, with graphs whose outputs are known functions of the inputs.

Points and shapes are random and tell each other apart, and the solver's own terms are 0: the weights that come out of a
stream are the numbers that a graph put on a shape, exact to single precision while they are in 0..1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from comps.animation.audio2face.names import ARKIT_SHAPES, DETECTOR_EMOTIONS, FACE_EMOTIONS, TONGUE_SHAPES

VERTICES, TONGUE_VERTICES = 30, 12
WINDOW, CENTRE = 8320, 4160
IMPLICIT = 16
SKIN = ("JawOpen", "MouthPucker", "MouthFunnel", "CheekPuff", "EyeBlinkLeft", "EyeBlinkRight", "BrowInnerUp")
"""Shapes that the components of the regression network are the displacements of."""
TONGUE = ("TongueUp", "TongueWide")
JAW, EYES = 15, 4
SHOTS = {"cp1_neutral": 12, "g2a_neutral": 40}
IDENTITIES = ("Claire", "James", "Mark")

Single = NDArray[np.float32]


def displacements(kind: str) -> Single:
    """Displacements `[n, v, 3]` of the shapes of the skin or the tongue, centimetres."""
    count, vertices, seed = (52, VERTICES, 1) if kind == "skin" else (16, TONGUE_VERTICES, 2)
    return np.random.default_rng(seed).normal(0, 1, (count, vertices, 3)).astype(np.float32)


def neutral(kind: str) -> Single:
    """Resting points `[v, 3]`."""
    vertices, seed = (VERTICES, 3) if kind == "skin" else (TONGUE_VERTICES, 4)
    return np.random.default_rng(seed).normal(0, 9, (vertices, 3)).astype(np.float32)


def moved(shape: str) -> Single:
    """Displacement `[v, 3]` of one shape."""
    names = ARKIT_SHAPES if shape in ARKIT_SHAPES else TONGUE_SHAPES
    return displacements("skin" if names is ARKIT_SHAPES else "tongue")[names.index(shape)]


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def write_shapes(folder: Path, tag: str = "", **params: Any) -> None:
    """The blend shapes and their solver's parameters; the file's order of the shapes is not that of the wire."""
    for kind, names in (("skin", ARKIT_SHAPES), ("tongue", TONGUE_SHAPES)):
        spelled = [name[0].lower() + name[1:] for name in names]
        arrays = dict(zip(spelled, displacements(kind), strict=True))
        poses = ["neutral", *reversed(spelled)]
        extra = {"frontalMask": np.arange(VERTICES, dtype=np.int32)} if kind == "skin" else {}
        np.savez(
            folder / f"bs_{kind}{tag}.npz", poseNames=np.array(poses, "S"), neutral=neutral(kind), **arrays, **extra
        )
        solver = {
            "strengthL1regularization": 0.0, "strengthL2regularization": 0.0, "strengthSymmetry": 0.0,
            "strengthTemporalSmoothing": 0.0, "templateBBSize": 50.0, "numPoses": len(names),
            "bsSolveActivePoses": [1] * len(names), "bsSolveCancelPoses": [-1] * len(names),
            "bsSolveSymmetryPoses": [-1] * len(names),
            "bsWeightMultipliers": [1.0] * (len(names) - 1) + [2.0], "bsWeightOffsets": [0.0] * (len(names) - 1) + [0.25],
        }  # fmt: skip
        write_json(folder / f"bs_{kind}_config{tag}.json", {"blendshape_params": {**solver, **params}})


def regression_graph(weights: Single, *, window: int = WINDOW, batch: int | str = "n") -> onnx.ModelProto:
    """`result` = (window, emotion) times `weights` `[window + 26, numbers]`."""
    nodes = [
        helper.make_node("Concat", ["input", "emotion"], ["heard"], axis=2),
        helper.make_node("MatMul", ["heard", "weights"], ["result"]),
    ]
    inputs = {"input": [batch, 1, window], "emotion": [batch, 1, IMPLICIT + 10]}
    return _model(nodes, inputs, {"result": [batch, 1, weights.shape[1]]}, {"weights": weights})


def regression_weights(marks: Mapping[int, tuple[int, float]]) -> Single:
    """Weights of `regression_graph`: number -> the place in window and emotion that it is, and times what."""
    weights = np.zeros((WINDOW + IMPLICIT + 10, len(SKIN) + len(TONGUE) + JAW + EYES), np.float32)
    for number, (place, gain) in marks.items():
        weights[place, number] = gain
    return weights


def write_regression(folder: Path, graph: onnx.ModelProto, actor: str = "claire", **config: Any) -> Path:
    """A regression model's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, folder / "network.onnx")
    write_json(folder / "network_info.json", regression_info(actor))
    write_json(
        folder / "model.json",
        {
            "networkInfoPath": "network_info.json", "networkPath": "network.trt", "modelConfigPath": "model_config.json",
            "modelDataPath": "model_data.npz", "emotionDatabasePath": "implicit_emo_db.npz",
            "blendshapePaths": {
                kind: {"config": f"bs_{kind}_config.json", "data": f"bs_{kind}.npz"} for kind in ("skin", "tongue")
            },
        },
    )  # fmt: skip
    shown = {"source_shot": "cp1_neutral", "source_frame": 10, "input_strength": 1.0, "tongue_strength": 1.0, **config}
    write_json(folder / "model_config.json", {"config": shown})
    np.savez(
        folder / "model_data.npz",
        shapes_matrix_skin=np.stack([moved(name) for name in SKIN]), shapes_mean_skin=neutral("skin"),
        shapes_matrix_tongue=np.stack([moved(name) for name in TONGUE]), shapes_mean_tongue=neutral("tongue"),
        eye_close_pose_delta=moved("EyeBlinkLeft"), lip_open_pose_delta=moved("MouthLowerDownLeft"),
        neutral_jaw=np.eye(5, 3, dtype=np.float32), saccade_rot_matrix=np.zeros((50, 2), np.float32),
    )  # fmt: skip
    np.savez(folder / "implicit_emo_db.npz", **emotion_database())
    write_shapes(folder)
    return folder


def regression_info(actor: str = "claire") -> dict[str, Any]:
    """`network_info.json` of a regression network."""
    return {
        "id": {"type": "regression", "actor": actor, "version": "2.3", "output": "geometry"},
        "params": {
            "implicit_emotion_len": IMPLICIT, "explicit_emotions": list(FACE_EMOTIONS), "default_emotion": [0.0] * 10,
            "num_shapes_skin": len(SKIN), "num_shapes_tongue": len(TONGUE), "num_verts_skin": VERTICES,
            "num_verts_tongue": TONGUE_VERTICES, "result_jaw_size": JAW, "result_eyes_size": EYES,
        },
        "audio_params": {"buffer_len": WINDOW, "buffer_ofs": CENTRE, "samplerate": 16000},
    }  # fmt: skip


def emotion_database() -> dict[str, Any]:
    """Recordings whose frame number f of all has the implicit emotion f / 100 in its first place."""
    rows = np.zeros((sum(SHOTS.values()), IMPLICIT), np.float32)
    rows[:, 0] = np.arange(len(rows)) / 100
    starts = np.cumsum([0, *SHOTS.values()])[:-1]
    return {
        "emo_db": rows,
        "emo_spec_names": np.array(list(SHOTS), "S"),
        "emo_spec_start": starts.astype(np.int32),
        "emo_spec_size": np.array(list(SHOTS.values()), np.int32),
    }


def diffusion_graph() -> onnx.ModelProto:
    """Each frame of `prediction` moves

    JawOpen by the sample at the frame's time, MouthPucker by 0.1 (1 + number of the identity), MouthFunnel by 0.01 for
    every window so far, CheekPuff by the size of the window's first noise, EyeBlinkLeft by the frame's joy (only where
    there are emotions, 0 elsewhere), BrowInnerUp by a hundredth of the frame's place, TongueUp by half the sample.
    """
    size = 3 * VERTICES + 3 * TONGUE_VERTICES + JAW + EYES
    nodes, constants = [], {"places": np.arange(60) * 16000 // 60, "last": np.array([-1]), "one": np.float32(1)}
    nodes += [helper.make_node("Gather", ["window", "places"], ["samples"], axis=1)]
    nodes += [helper.make_node("Unsqueeze", ["samples", "last"], ["heard"])]
    constants["who"] = np.array([[[0.1]], [[0.2]], [[0.3]]], np.float32).reshape(3, 1)
    nodes += [
        helper.make_node("MatMul", ["identity", "who"], ["id2"]),
        helper.make_node("Unsqueeze", ["id2", "last"], ["known"]),
    ]
    nodes += [helper.make_node("Add", ["input_latents", "one"], ["output_latents"])]
    constants |= {"zero": np.array(0), "hundredth": np.float32(0.01), "state": np.array([-1, 1, 1])}
    nodes += [helper.make_node("Gather", ["output_latents", "zero"], ["l1"], axis=0)]
    nodes += [
        helper.make_node("Gather", ["l1", "zero"], ["l2"], axis=0),
        helper.make_node("Gather", ["l2", "zero"], ["l3"], axis=1),
    ]
    nodes += [
        helper.make_node("Reshape", ["l3", "state"], ["l4"]),
        helper.make_node("Mul", ["l4", "hundredth"], ["runs"]),
    ]
    nodes += [
        helper.make_node("Gather", ["noise", "zero"], ["n1"], axis=1),
        helper.make_node("Gather", ["n1", "zero"], ["n2"], axis=1),
    ]
    nodes += [
        helper.make_node("Gather", ["n2", "zero"], ["n3"], axis=1),
        helper.make_node("Reshape", ["n3", "state"], ["n4"]),
    ]
    nodes += [helper.make_node("Abs", ["n4"], ["n5"]), helper.make_node("Mul", ["n5", "hundredth"], ["noisy"])]
    constants |= {"joy": np.array([FACE_EMOTIONS.index("joy")]), "around": np.array([0, 15, 0, 0, 15, 0])}
    nodes += [
        helper.make_node("Gather", ["emotion", "joy"], ["e1"], axis=2),
        helper.make_node("Pad", ["e1", "around"], ["felt"]),
    ]
    constants["counted"] = (np.arange(60, dtype=np.float32) / 100).reshape(1, 60, 1)
    terms = []
    for name, scale, shape in (
        ("heard", 1.0, "JawOpen"), ("known", 1.0, "MouthPucker"), ("runs", 1.0, "MouthFunnel"), ("noisy", 1.0, "CheekPuff"),
        ("felt", 1.0, "EyeBlinkLeft"), ("counted", 1.0, "BrowInnerUp"), ("heard", 0.5, "TongueUp"),
    ):  # fmt: skip
        constants[f"moves_{shape}"] = np.float32(scale) * _row(shape, size).reshape(1, 1, size)
        nodes += [helper.make_node("Mul", [name, f"moves_{shape}"], [f"term_{shape}"])]
        terms.append(f"term_{shape}")
    nodes += [helper.make_node("Sum", terms, ["prediction"])]
    inputs = {
        "window": ["n", 16000], "identity": ["n", 3], "emotion": ["n", 30, 10],
        "input_latents": [2, 2, "n", 4], "noise": ["n", 3, 60, size],
    }  # fmt: skip
    return _model(nodes, inputs, {"prediction": ["n", 60, size], "output_latents": [2, 2, "n", 4]}, constants)


def _row(shape: str, size: int) -> Single:
    row = np.zeros(size, np.float32)
    start = 0 if shape in ARKIT_SHAPES else 3 * VERTICES
    points = moved(shape).reshape(-1)
    row[start : start + len(points)] = points
    return row


def write_diffusion(folder: Path) -> Path:
    """The diffusion model's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(diffusion_graph(), folder / "network.onnx")
    write_json(folder / "network_info.json", diffusion_info())
    tags = [f"_{name}" for name in IDENTITIES]
    write_json(
        folder / "model.json",
        {
            "networkInfoPath": "network_info.json", "networkPath": "network.trt",
            "modelConfigPaths": [f"model_config{tag}.json" for tag in tags],
            "modelDataPaths": [f"model_data{tag}.npz" for tag in tags],
            "blendshapePaths": [
                {kind: {"config": f"bs_{kind}_config{tag}.json", "data": f"bs_{kind}{tag}.npz"} for kind in ("skin", "tongue")}
                for tag in tags
            ],
        },
    )  # fmt: skip
    for tag in tags:
        write_json(folder / f"model_config{tag}.json", {"config": {"input_strength": 1.0}})
        np.savez(
            folder / f"model_data{tag}.npz", neutral_skin=neutral("skin"), neutral_tongue=neutral("tongue"),
            eye_close_pose_delta=moved("EyeBlinkLeft"), lip_open_pose_delta=moved("MouthLowerDownLeft"),
        )  # fmt: skip
        write_shapes(folder, tag)
    return folder


def diffusion_info() -> dict[str, Any]:
    """`network_info.json` of the diffusion network."""
    return {
        "id": {"type": "diffusion", "actor": "multi", "version": "3.2", "output": "geometry"},
        "params": {
            "emotions": list(FACE_EMOTIONS), "default_emotion": [0.0] * 10, "identities": list(IDENTITIES),
            "skin_size": 3 * VERTICES, "tongue_size": 3 * TONGUE_VERTICES, "jaw_size": JAW, "eyes_size": EYES,
            "num_diffusion_steps": 2, "num_gru_layers": 2, "gru_latent_dim": 4,
            "num_frames_left_truncate": 15, "num_frames_right_truncate": 15, "num_frames_center": 30,
        },
        "audio_params": {"buffer_len": 16000, "padding_left": 16000, "padding_right": 16000, "samplerate": 16000},
    }  # fmt: skip


def detector_graph(window: int | str = "length", places: tuple[int, int, int] = (0, 15000, -1)) -> onnx.ModelProto:
    """`output` = three samples of the window at `places`, its mean, 0.5 and -0.5."""
    constants = {"places": np.array(places), "fixed": np.array([[0.5, -0.5]], np.float32), "nothing": np.float32(0)}
    nodes = [
        helper.make_node("Gather", ["input_values", "places"], ["picked"], axis=1),
        helper.make_node("ReduceMean", ["input_values"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "fixed"], ["constant"]),
        helper.make_node("Concat", ["picked", "mean", "constant"], ["output"], axis=1),
    ]
    return _model(nodes, {"input_values": ["n", window]}, {"output": ["n", 6]}, constants)


def write_detector(folder: Path, graph: onnx.ModelProto, emotions: tuple[str, ...] = DETECTOR_EMOTIONS) -> Path:
    """The folder of a detector of emotions."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, folder / "network.onnx")
    write_json(folder / "network_info.json", {"audio_params": {"samplerate": 16000}, "emotions": list(emotions)})
    return folder


def _model(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, list[int | str]],
    outputs: Mapping[str, list[int | str]],
    constants: Mapping[str, Any],
) -> onnx.ModelProto:
    def values(shapes: Mapping[str, list[int | str]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", values(inputs), values(outputs), held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
