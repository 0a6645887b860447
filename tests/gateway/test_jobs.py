"""Long videos through the gateway: with stand-ins behind it, and with everything real in processes of its own."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.framing import unpack
from comps.core.serve import running
from comps.core.web import json_body
from tests.animation.jobs.conftest import ended
from tests.animation.stand_in import ENHANCERS, TABLE
from tests.gateway.conftest import Stack, open_stack


@pytest.fixture
def animation(tmp_path: Path) -> AnimationSettings:
    return AnimationSettings(
        engine="stand-in",
        data_dir=tmp_path / "data",
        output_dir=tmp_path / "out",
        pace_dir=tmp_path / "pace",
        jobs_dir=tmp_path / "jobs",
        jobs_segment_s=0.4,
        size=64,
    )


@pytest.fixture
async def stack(animation: AnimationSettings, tmp_path: Path) -> AsyncIterator[Stack]:
    """A gateway whose animation service is the real one with a small engine."""
    async with AsyncExitStack() as exits:
        app = create_app(animation, TABLE, ENHANCERS)
        url = await exits.enter_async_context(running(app))
        await app.state.readiness.settled()
        yield await open_stack(exits, tmp_path, animation_url=url)


def parts(file: Path) -> list[dict[str, Any]]:
    """The headers of a file of framed messages."""
    data, found = file.read_bytes(), []
    while data:
        size = 8 + sum(struct.unpack_from("<II", data))
        found.append(unpack(data[:size])[0])
        data = data[size:]
    return found


async def test_a_text_is_spoken_first_and_kept_with_its_phones(stack: Stack, animation: AnimationSettings) -> None:
    answer = await stack.client.post(
        "/v1/jobs", json={"text": "One. Two. Three.", "voice": "en", "size": 96, "fps": 30}
    )
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert [body["text"] for body in stack.notes.tts] == ["One.", "Two.", "Three."]
    assert stack.notes.last("tts")["voice"] == "en"
    done = await ended(stack.client, job["id"])
    assert (done["state"], done["fps"]) == ("done", 30)
    speech = parts(animation.jobs_dir / job["id"] / "speech.bin")
    assert sum(len(header["phones"]) for header in speech) >= 3
    assert [header["text"] for header in speech if header["text"]] == ["One.", "Two.", "Three."]
    video = await stack.client.get(done["video_path"], headers={"range": "bytes=0-99"})
    assert (video.status_code, len(video.content), video.headers["content-type"]) == (206, 100, "video/mp4")


async def test_a_recording_is_a_job_that_can_be_stopped_gone_on_with_and_removed(stack: Stack, wav: bytes) -> None:
    answer = await stack.client.post("/v1/jobs", json={"audio": base64.b64encode(wav).decode(), "preset": "quick"})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["preset"], job["fps"], job["total_s"]) == ("quick", 20, 1.0)
    assert (await stack.client.delete(f"/v1/jobs/{job['id']}")).json()["state"] in ("cancelled", "done")
    await stack.client.post(f"/v1/jobs/{job['id']}/resume")
    assert (await ended(stack.client, job["id"]))["state"] == "done"
    assert (await stack.client.delete(f"/v1/jobs/{job['id']}?purge=true")).status_code == 204
    assert (await stack.client.get(f"/v1/jobs/{job['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "service"),
    [
        ({}, 422, "gateway"),
        ({"text": "a", "audio": "b"}, 422, "gateway"),
        ({"text": ""}, 422, "gateway"),
        ({"text": "..."}, 422, "tts"),
        ({"text": "a", "preset": "draft"}, 422, "gateway"),
        ({"text": "a", "engine": {"llm": "x"}}, 422, "gateway"),
        ({"audio": "b", "engine": {"tts": "x"}}, 422, "gateway"),
        ({"audio": "b", "voice": "en"}, 422, "gateway"),
        ({"audio": "b"}, 422, "animation"),
        ({"text": "a", "voice": "nobody"}, 422, "tts"),
        ({"text": "a", "engine": "magic"}, 422, "animation"),
    ],
)
async def test_what_cannot_become_a_job_names_who_refused_it(
    stack: Stack, body: dict[str, Any], status: int, service: str
) -> None:
    answer = await stack.client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["service"]) == (status, service), answer.text


async def test_a_spoken_job_of_the_real_services_ends_as_long_as_its_sound(
    live: httpx.AsyncClient, tmp_path: Path
) -> None:
    answer = await live.post("/v1/jobs", json={"text": "A job may take long. This one is short.", "size": 128})
    assert answer.status_code == 202, answer.text
    done = await ended(live, answer.json()["id"])
    assert done["state"] == "done", json.dumps(done)
    path = tmp_path / "job.mp4"
    path.write_bytes((await live.get(done["video_path"])).content)
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert frames == round(done["total_s"] * 25)
    assert abs(frames / 25 - samples / 48_000) <= 1 / 25


async def test_a_large_body_is_parsed_beside_the_event_loop(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def noted(body: bytes) -> object:
        sizes.append(len(body))
        return json.loads(body)

    monkeypatch.setattr(json_body, "_parse", noted)
    answer = await stack.client.post("/v1/jobs", json={"audio": "A" * json_body.LARGE_BYTES, "voice": "en"})
    assert (answer.status_code, len(sizes)) == (422, 1)


async def test_nothing_is_spoken_where_there_is_no_place_for_the_job(
    animation: AnimationSettings, tmp_path: Path
) -> None:
    async with AsyncExitStack() as exits:
        app = create_app(animation.model_copy(update={"jobs_queued": 0}), TABLE, ENHANCERS)
        url = await exits.enter_async_context(running(app))
        await app.state.readiness.settled()
        stack = await open_stack(exits, tmp_path, animation_url=url)
        app.state.studio.engines.loaded["stand-in"].delay_s = 0.2
        first = await stack.client.post("/v1/jobs", json={"text": "One. Two. Three."})
        spoken = len(stack.notes.tts)
        assert (first.status_code, spoken) == (202, 3)
        refused = await stack.client.post("/v1/jobs", json={"text": "Four."})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["service"]) == (429, "busy", "animation")
        assert refused.headers["retry-after"]
        assert len(stack.notes.tts) == spoken
        await stack.client.delete(f"/v1/jobs/{first.json()['id']}")


async def test_texts_of_jobs_are_spoken_as_many_at_once_as_turns(stack: Stack, wav: bytes) -> None:
    admission = stack.app.state.jobs.admission
    with ExitStack() as places:
        for _ in range(admission.limit):
            places.enter_context(admission.place())
        refused = await stack.client.post("/v1/jobs", json={"text": "One."})
        assert (refused.status_code, refused.json()["error"]["service"]) == (429, "gateway")
        turn = await stack.client.post("/v1/say", json={"text": "One."})
        assert turn.status_code == 429
        recorded = await stack.client.post("/v1/jobs", json={"audio": base64.b64encode(wav).decode()})
        assert recorded.status_code == 202
    assert stack.notes.tts == []
    assert (await stack.client.post("/v1/jobs", json={"text": "..."})).status_code == 422
    assert (await stack.client.post("/v1/jobs", json={"text": "One."})).status_code == 202
    assert admission.running == 0
