"""Asking for an engine before an answer needs it."""

from __future__ import annotations

import pytest

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
