"""Presets: what each asks for, what overrules it, and how far a name reaches."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import av
import httpx
import pytest

from comps.animation.presets import PRESETS, preset_of
from comps.animation.requests import Look
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.animation.studio import Studio
from comps.core.errors import UnknownChoiceError
from comps.core.serve import running
from gateway.request import PRESETS as OFFERED
from tests.animation.conftest import Running, base64_wav
from tests.animation.stand_in import ENHANCERS, TABLE


@pytest.fixture
def studio(settings: AnimationSettings) -> Studio:
    chosen = settings.model_copy(update={"enhancer": "inverter", "size": 512, "fps": 25})
    return Studio.build(chosen, TABLE, ENHANCERS)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        ({}, ("standard", 512, 25, "superfast", "inverter")),
        ({"preset": "standard"}, ("standard", 512, 25, "superfast", "inverter")),
        ({"preset": "quick"}, ("quick", 384, 20, "ultrafast", "")),
        ({"preset": "quality"}, ("quality", 768, 30, "fast", "inverter")),
        ({"preset": "quality", "size": 256}, ("quality", 256, 30, "fast", "inverter")),
        ({"preset": "quality", "fps": 25}, ("quality", 768, 25, "fast", "inverter")),
        ({"preset": "quick", "enhancer": "inverter"}, ("quick", 384, 20, "ultrafast", "inverter")),
        ({"preset": "quality", "enhancer": "none"}, ("quality", 768, 30, "fast", "")),
    ],
)
def test_what_a_request_says_overrules_its_preset(
    studio: Studio, look: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    options = studio.options(Look(**look))
    assert (options.preset, options.size, options.fps, options.video_preset, options.enhancer) == expected


def test_the_deployment_decides_what_standard_is(settings: AnimationSettings) -> None:
    chosen = settings.model_copy(update={"size": 320, "fps": 30, "video_preset": "veryfast"})
    options = Studio.build(chosen, TABLE, ENHANCERS).options(Look(preset="standard"))
    assert (options.size, options.fps, options.video_preset, options.enhancer) == (320, 30, "veryfast", "")


def test_the_gateway_offers_what_there_is() -> None:
    assert tuple(PRESETS) == OFFERED
    assert preset_of("").name == "standard"
    with pytest.raises(UnknownChoiceError, match="quick, standard, quality"):
        preset_of("draft")


@pytest.fixture
async def service(settings: AnimationSettings) -> AsyncIterator[Running]:
    app = create_app(settings, TABLE, ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        yield Running(app, url, client, settings)


@pytest.mark.parametrize(("preset", "side", "fps"), [("quick", 384, 20), ("quality", 768, 30)])
async def test_a_video_is_as_its_preset_says(service: Running, preset: str, side: int, fps: int) -> None:
    answer = await service.client.post(
        "/v1/animation",
        json={"audio": base64_wav(0.4), "preset": preset},
        headers={"accept": "video/mp4"},
    )
    assert answer.status_code == 200, answer.text
    with av.open(io.BytesIO(answer.content)) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (side, side)
        assert len(list(video.decode(video=0))) == round(0.4 * fps)
    assert service.engine.options[-1].preset == preset


async def test_an_unknown_preset_is_refused_with_the_names(service: Running) -> None:
    answer = await service.client.post("/v1/animation", json={"audio": base64_wav(0.4), "preset": "draft"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "unknown_choice", "preset")
    assert "quick, standard, quality" in error["message"]
