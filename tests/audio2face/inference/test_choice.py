"""Which inference a service runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from comps.animation.audio2face.configuration.reading import Configuration
from comps.animation.audio2face.configuration.stylization import StylizationConfig
from comps.animation.audio2face.inference.choice import InferenceSettings, load_inference
from comps.animation.audio2face.inference.embedded import EmbeddedEmotions, EmbeddedFace
from comps.animation.audio2face.inference.onnx.detector import OnnxEmotions
from comps.animation.audio2face.inference.onnx.diffusion import DiffusionFace
from comps.animation.audio2face.inference.onnx.regression import RegressionFace
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES
from comps.core.errors import EngineUnavailableError, UnknownChoiceError
from tests.audio2face.inference.onnx import published


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    graph = published.regression_graph(published.regression_weights({}))
    published.write_regression(folder / "claire_v2.3.1", graph)
    published.write_diffusion(folder / "multi_v3.2")
    published.write_detector(folder / "Audio2Emotion-v2.2", published.detector_graph())
    return folder


def styled(**sections: object) -> Configuration:
    return Configuration(stylization=StylizationConfig.model_validate(sections))


def test_the_networks_of_a_configuration(models: Path) -> None:
    settings = InferenceSettings(face="onnx", models_dir=models)
    face, detector = load_inference(styled(), settings)
    assert isinstance(face, RegressionFace)
    assert isinstance(detector, OnnxEmotions)
    face, _ = load_inference(styled(a2f={"inference_type": "diffusion"}), settings)
    assert isinstance(face, DiffusionFace)


def test_the_projects_own_means_need_no_folder(tmp_path: Path) -> None:
    face, detector = load_inference(styled(), InferenceSettings(models_dir=tmp_path))
    assert isinstance(face, EmbeddedFace)
    assert face.names == ALL_SHAPES
    assert isinstance(detector, EmbeddedEmotions)
    face, detector = load_inference(styled(a2f={"enable_tongue_blendshapes": False}, a2e={"enabled": False}))
    assert face.names == ARKIT_SHAPES
    assert detector is None


def test_face_and_emotions_are_chosen_apart(models: Path) -> None:
    face, detector = load_inference(styled(), InferenceSettings("onnx", "embedded", models))
    assert isinstance(face, RegressionFace)
    assert isinstance(detector, EmbeddedEmotions)


def test_no_detector_is_loaded_when_emotions_are_switched_off(models: Path, tmp_path: Path) -> None:
    (tmp_path / "claire_v2.3.1").symlink_to(models / "claire_v2.3.1")
    _, detector = load_inference(styled(a2e={"enabled": False}), InferenceSettings(face="onnx", models_dir=tmp_path))
    assert detector is None


@pytest.mark.parametrize("settings", [InferenceSettings(face="magic"), InferenceSettings("onnx", "magic")])  # type: ignore[arg-type]
def test_an_unknown_inference_is_refused(settings: InferenceSettings, models: Path) -> None:
    chosen = InferenceSettings(settings.face, settings.emotions, models)
    with pytest.raises(UnknownChoiceError, match="no inference 'magic'; there are: embedded, onnx"):
        load_inference(styled(), chosen)


def test_without_onnx_runtime_the_command_that_installs_it_is_named(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("comps.animation.audio2face.inference.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineUnavailableError, match=r"pip install 'avatarchatbot\[audio2face-onnx\]'"):
        load_inference(styled(), InferenceSettings(face="onnx", models_dir=models))
