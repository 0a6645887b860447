"""The settings of the animation service and the names OPEA gave them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from comps.animation.settings import AnimationSettings


def test_defaults() -> None:
    settings = AnimationSettings()
    assert (settings.port, settings.engine, settings.fps, settings.size) == (9066, "portrait", 25, 512)
    assert settings.data_dir.name == "avatarchatbot"
    assert settings.output_dir.parent == settings.data_dir


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("AVATAR_ANIMATION_SIZE", "256", "size", 256),
        ("AVATAR_ANIMATION_PORT", "1234", "port", 1234),
        ("WAV2LIP_PORT", "7860", "port", 7860),
        ("FPS", "10", "fps", 10),
        ("FACE", "assets/img/my.avatar.png", "face", Path("assets/img/my.avatar.png")),
        ("OUTFILE", "/outputs/result.mp4", "output_dir", Path("/outputs")),
        ("AVATAR_OUTPUT_DIR", "/videos", "output_dir", Path("/videos")),
        ("AVATAR_DATA_DIR", "/data", "data_dir", Path("/data")),
        ("AVATAR_FACE_LANDMARKER", "/m/face.task", "face_landmarker", Path("/m/face.task")),
        ("INFERENCE_MODE", "wav2lip_only", "engine", "wav2lip"),
        ("INFERENCE_MODE", "wav2lip+gfpgan", "engine", "wav2lip"),
        ("INFERENCE_MODE", "wav2lip+gfpgan", "enhancer", "gfpgan"),
        ("INFERENCE_MODE", "wav2lip_only", "enhancer", ""),
        ("AVATAR_ANIMATION_ENHANCER", "gfpgan", "enhancer", "gfpgan"),
        ("GFPGAN_MODEL_VERSION", "1.3", "gfpgan_version", "1.3"),
        ("UPSCALE_FACTOR", "2", "gfpgan_upscale", 2),
        ("AVATAR_ANIMATION_ENGINE", "portrait", "engine", "portrait"),
    ],
)
def test_variables(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(AnimationSettings(), field) == expected


def test_an_enhancer_that_is_named_goes_before_that_of_opeas_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_MODE", "wav2lip+gfpgan")
    monkeypatch.setenv("AVATAR_ANIMATION_ENHANCER", "other")
    assert AnimationSettings().enhancer == "other"
    assert AnimationSettings(enhancer="").enhancer == ""


def test_the_constructor_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPS", "10")
    monkeypatch.setenv("OUTFILE", "/outputs/result.mp4")
    settings = AnimationSettings(fps=30, output_dir=Path("/x"))
    assert (settings.fps, settings.output_dir) == (30, Path("/x"))


def test_a_data_home_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/home/me/data")
    assert AnimationSettings().data_dir == Path("/home/me/data/avatarchatbot")


@pytest.mark.parametrize("field", ["fps", "size", "max_sessions"])
def test_senseless_numbers_are_refused(field: str) -> None:
    with pytest.raises(ValidationError):
        AnimationSettings(**{field: 0})


@pytest.mark.parametrize("typed", ["0 20 -5", "0,20,-5", "[0, 20, -5]", " 0, 20 ,-5 "])
def test_degrees_may_be_typed_in_any_usual_way(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ANIMATION_SADTALKER_YAW", typed)
    assert AnimationSettings().sadtalker_yaw == (0, 20, -5)
    assert AnimationSettings(sadtalker_yaw=(1.0, 2.0)).sadtalker_yaw == (1, 2)
