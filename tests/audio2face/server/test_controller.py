from __future__ import annotations

from comps.animation.audio2face.names import ALL_SHAPES
from tests.audio2face.server.harness import Code, clip, played, running
from tests.audio2face.test_pipeline import speech


async def test_a_clip_comes_back_as_the_sample_client_wants_it() -> None:
    async with running() as service:
        heard = await played(service.address, clip(speech(2.0), emotions=[(0.0, {"joy": 1.0}), (1.0, {"fear": 0.5})]))
    assert heard.code is not None
    assert heard.code.name == "OK"
    assert heard.kinds == ["animation_data_stream_header", *["animation_data"] * 60, "event", "status"]
    assert heard.statuses[-1][0] == Code.SUCCESS
    assert heard.names == list(ALL_SHAPES)
    assert heard.audio == speech(2.0)
