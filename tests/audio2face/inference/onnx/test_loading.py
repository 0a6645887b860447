"""Which network a configuration means, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comps.animation.audio2face.configuration.advanced import AdvancedConfig
from comps.animation.audio2face.configuration.deployment import DeploymentConfig
from comps.animation.audio2face.configuration.layers import Layers
from comps.animation.audio2face.configuration.reading import Configuration
from comps.animation.audio2face.configuration.stylization import AnimationStyle, RegressionModel, StylizationConfig
from comps.animation.audio2face.inference.onnx import load_face
from comps.animation.audio2face.inference.onnx.regression import RegressionFace
from comps.animation.audio2face.pipeline import Audio2Face
from comps.core.errors import EngineUnavailableError, UnknownChoiceError, UnprocessableError
from tests.audio2face.inference.onnx import published
from tests.audio2face.inference.onnx.streams import (
    configuration,
    face,
    feelings,
    run,
    settings,
    sound,
    tuning,
    weights_of,
)

FIRST_IMPLICIT = 8320


@pytest.fixture
def models(tmp_path: Path) -> Path:
    graph = published.regression_graph(published.regression_weights({0: (FIRST_IMPLICIT, 1.0)}))
    published.write_regression(tmp_path / "Audio2Face-3D-v2.3.1-Claire", graph)
    published.write_regression(
        tmp_path / "Audio2Face-3D-v2.3-Mark", graph, "Mark", source_shot="g2a_neutral", source_frame=33
    )
    return tmp_path


def deployed(**face_params: object) -> Configuration:
    return Configuration(deployment=DeploymentConfig.model_validate({"face_params": face_params}))


def implicit(configuration: Configuration, models: Path) -> float:
    loaded = load_face(configuration, settings(models))
    return float(weights_of("JawOpen", run(loaded.open(tuning()), sound(0.1), feelings(3)))[0])


def test_the_model_of_the_character(models: Path) -> None:
    assert implicit(configuration("claire"), models) == pytest.approx(0.10, abs=1e-6)
    assert implicit(configuration("mark"), models) == pytest.approx(0.45, abs=1e-6)
    chosen = configuration("claire", regression_model={"inference_model_id": "mark_v2.3"})
    assert implicit(chosen, models) == pytest.approx(0.45, abs=1e-6)


def test_the_deployment_chooses_the_recording(models: Path) -> None:
    assert implicit(deployed(source_shot="g2a_neutral", source_frame=0), models) == pytest.approx(0.12, abs=1e-6)
    assert implicit(deployed(source_frame=3), models) == pytest.approx(0.03, abs=1e-6)
    with pytest.raises(
        UnprocessableError, match="source_shot = 'cp7' does not exist; there are: cp1_neutral, g2a_neutral"
    ):
        load_face(deployed(source_shot="cp7"), settings(models))
    with pytest.raises(UnprocessableError, match="source_frame = 99"):
        load_face(deployed(source_frame=99), settings(models))


def test_an_unknown_model_is_refused_and_never_replaced(models: Path) -> None:
    model = RegressionModel.model_construct(inference_model_id="anna_v1.0")
    style = StylizationConfig().model_copy(
        update={"a2f": AnimationStyle().model_copy(update={"regression_model": model})}
    )
    with pytest.raises(
        UnknownChoiceError, match=r"no regression model 'anna_v1.0'; there are: claire_v2.3.1, james_v2.3.1"
    ):
        load_face(Configuration(stylization=style), settings(models))


def test_another_characters_folder_is_refused(models: Path) -> None:
    published.write_json(
        models / "Audio2Face-3D-v2.3.1-Claire" / "network_info.json", published.regression_info("James")
    )
    with pytest.raises(EngineUnavailableError, match="it is the network of 'James', not of 'claire'"):
        face(models)


def test_folders_that_are_missing_are_named(models: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"hf download nvidia/Audio2Face-3D-v2\.3\.1-James --local-dir"):
        load_face(configuration("james"), settings(models))
    with pytest.raises(EngineUnavailableError, match=r"hf download nvidia/Audio2Face-3D-v3\.0 --local-dir"):
        face(models, inference_type="diffusion")


def test_a_network_that_is_missing_is_named(models: Path) -> None:
    (models / "Audio2Face-3D-v2.3.1-Claire" / "network.onnx").unlink()
    with pytest.raises(EngineUnavailableError, match=r"Audio2Face-3D-v2\.3\.1-Claire/network\.onnx is missing"):
        face(models)


def test_a_network_of_other_sizes_is_named(models: Path) -> None:
    info = published.regression_info()
    info["audio_params"]["buffer_len"] = 8000
    published.write_json(models / "Audio2Face-3D-v2.3.1-Claire" / "network_info.json", info)
    with pytest.raises(
        EngineUnavailableError,
        match=r"'input' is tensor\(float\) \[n, 1, 8320\]; expected tensor\(float\) \[any, 1, 8000\]",
    ):
        face(models)


def test_temporal_smoothing_can_be_switched_off(models: Path) -> None:
    still = Configuration(advanced=AdvancedConfig.model_validate({"a2f": {"temporal_smoothing": False}}))
    graph = published.regression_graph(published.regression_weights({0: (4160, 1.0)}))
    published.write_regression(models / "Audio2Face-3D-v2.3.1-Claire", graph)
    audio = np.concatenate([np.zeros(8000), np.full(8000, 0.5)]).astype(np.float32)
    slow = tuning(lower_face_smoothing=0.1, upper_face_smoothing=0.1)
    smooth = weights_of("JawOpen", run(face(models).open(slow), audio, feelings(30)))
    rough = weights_of("JawOpen", run(load_face(still, settings(models)).open(slow), audio, feelings(30)))
    assert smooth[16] < 0.1
    assert rough[16] == pytest.approx(0.5, abs=1e-6)


def test_the_model_is_the_lowest_layer_of_a_clip(models: Path) -> None:
    loaded = face(models)
    assert isinstance(loaded, RegressionFace)
    layers = Layers(configuration("claire"), loaded.defaults)
    assert layers.deployment.weight_multipliers["EyeBlinkLeft"] == 2.0
    assert layers.deployment.weight_offsets["TongueTipUp"] == 0.25
    assert layers.deployment.values["tongue_strength"] == 1.0
    clip = Audio2Face(layers, loaded).open(16000)
    pcm = np.zeros(16000, "<i2").tobytes()
    frames = [*clip.push(pcm), *clip.finish()]
    assert len(frames) == 31
    assert all(frame.weights.shape == (68,) for frame in frames)
    assert frames[0].weights[52] == pytest.approx(0.25)


def test_without_a_card_the_cpu_solves_and_the_log_says_so_once(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        loaded = face(models)
        for _ in range(3):
            run(loaded.open(tuning()), sound(0.1), feelings(3))
    assert caplog.text.count("blend shapes are solved on the CPU, exactly") == 1
    caplog.clear()
    quiet = Configuration(advanced=AdvancedConfig.model_validate({"a2f": {"use_gpu_solver": False}}))
    with caplog.at_level("INFO"):
        load_face(quiet, settings(models))
    assert "solved on the CPU" not in caplog.text
