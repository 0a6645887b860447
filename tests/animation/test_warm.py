"""Asking for an engine before an answer needs it."""

from __future__ import annotations

import sys

import pytest

from comps.animation.table import ENGINES, ENHANCERS
from comps.core.errors import EngineUnavailableError
from comps.core.weights import manifest
from tests.animation.conftest import Running


@pytest.mark.parametrize(
    ("wanted", "status", "words"),
    [
        ({}, 204, ""),
        ({"engine": "stand-in", "enhancer": "none"}, 204, ""),
        ({"engine": "absent"}, 503, "pip install 'avatarchatbot[wav2lip]'"),
        ({"engine": "nobody"}, 422, "it has: stand-in, absent"),
        ({"enhancer": "nobody"}, 422, "there is no enhancer 'nobody'"),
        ({"engine": "x" * 41}, 422, "engine must have at most 40 characters"),
    ],
)
async def test_what_cannot_be_used_is_said_before_an_answer(
    service: Running, wanted: dict[str, str], status: int, words: str
) -> None:
    response = await service.client.post("/v1/animation/warm", json=wanted)
    assert response.status_code == status, response.text
    assert words in response.text


@pytest.mark.parametrize(("param", "name"), [("engine", "absent"), ("enhancer", "gfpgan")])
async def test_the_field_that_asks_for_too_much_is_named(service: Running, param: str, name: str) -> None:
    error = (await service.client.post("/v1/animation/warm", json={param: name})).json()["error"]
    assert (error["code"], error["param"]) == ("engine_unavailable", param)


def test_engines_that_want_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "comps.animation.engines.wav2lip.engine", None)
    with pytest.raises(EngineUnavailableError, match="models pull wav2lip"):
        ENGINES.create("wav2lip", None)
    assert {spec.weights for table in (ENGINES, ENHANCERS) for spec in table} - {""} <= set(manifest())
