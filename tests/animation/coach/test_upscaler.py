"""The upscaler that a setting names: loaded when the service starts, used when a small picture is mended."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from comps.animation.coach.coach import Inputs
from comps.animation.coach.image.repair import repair_image
from comps.animation.coach.image.upscaler import Picture, Upscale, load_upscaler
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.errors import EngineUnavailableError
from tests.animation.coach import plants
from tests.animation.coach.plants import png, presenter

SMALL = png(plants.scaled(presenter("ada")[0], 400))


def enlarge(picture: Picture, factor: float) -> Picture:
    """What the setting names below."""
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_LANCZOS4), np.uint8)


def fail(picture: Picture, factor: float) -> Picture:
    raise RuntimeError("no weights")


def shrink(picture: Picture, factor: float) -> Picture:
    return picture[::2, ::2]


def test_no_name_is_no_upscaler() -> None:
    assert load_upscaler("") is None


def test_a_function_is_loaded_by_its_name() -> None:
    assert load_upscaler(f"{__name__}:enlarge") is enlarge


@pytest.mark.parametrize("name", ["no_such_package:enlarge", f"{__name__}:no_such_function"])
def test_one_that_is_not_there_is_said_when_the_service_starts(name: str, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"upscaler 'no_such|upscaler 'tests.*no_such"):
        create_app(AnimationSettings(data_dir=tmp_path, upscaler=name))


@pytest.mark.parametrize("name", ["enlarge", "a:b:c", "a b:c", "package/module:enlarge"])
def test_a_name_has_a_module_and_a_function(name: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        AnimationSettings(upscaler=name)


@pytest.mark.parametrize(("broken", "said"), [(fail, "no weights"), (shrink, "the upscaler returned")])
def test_one_that_fails_leaves_the_picture_and_is_logged(
    broken: Upscale, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    mended = repair_image(SMALL, upscale=broken)
    assert (mended.data, mended.steps) == (SMALL, ())
    assert said in caplog.text


@pytest.mark.parametrize(("name", "enlarged"), [("", False), (f"{__name__}:enlarge", True)])
def test_a_small_picture_is_enlarged_where_the_settings_name_an_upscaler(
    name: str, enlarged: bool, tmp_path: Path
) -> None:
    app = create_app(AnimationSettings(data_dir=tmp_path, upscaler=name))
    mended = app.state.coach_desk.coach.mend(Inputs(image=SMALL))
    assert ("image_small" in mended.advice.image.codes()) is not enlarged
    assert ("enlarged from 400 x 400 to 512 x 512 pixels" in mended.steps["image"]) is enlarged
