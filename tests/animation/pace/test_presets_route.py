"""What presets cost, through the real service: measured, cached, learnt, and never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from comps.animation.pace import keeper
from comps.animation.pace.trial import SPEECH_S, trial_speech
from comps.animation.requests import Look
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.engine import EngineTable
from comps.core.serve import running
from tests.animation.conftest import RATE, Running, base64_wav
from tests.animation.jobs.conftest import ended, made, reached
from tests.animation.stand_in import ENHANCERS, TABLE

FRAME_S = 0.02
"""Seconds that the stand-in takes for a frame: it waits for five at once."""


@pytest.fixture
async def service(settings: AnimationSettings) -> AsyncIterator[Running]:
    chosen = settings.model_copy(update={"jobs_dir": settings.data_dir / "jobs", "jobs_segment_s": 0.4})
    app = create_app(chosen, TABLE, ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        made = Running(app, url, client, chosen)
        made.engine.delay_s = 5 * FRAME_S
        yield made


async def costs(service: Running, *, measure: bool = False, **query: Any) -> dict[str, float | None]:
    how: dict[str, Any] = {"method": "POST", "json": query} if measure else {"method": "GET", "params": query}
    answer = await service.client.request(url="/v1/presets", **how)
    assert answer.status_code == 200, answer.text
    return {row["name"]: row["work_s"] for row in answer.json()["presets"]}


def test_the_speech_of_a_trial_is_speech() -> None:
    speech, rate = trial_speech()
    assert len(speech) == round(SPEECH_S * rate)
    assert abs(speech).max() > 0.05


async def test_presets_are_told_with_what_they_are_here(service: Running) -> None:
    answer = (await service.client.get("/v1/presets")).json()
    assert answer["engine"] == "stand-in"
    assert answer["machine"]
    rows = {row["name"]: row for row in answer["presets"]}
    assert (rows["quick"]["size"], rows["quick"]["fps"], rows["quick"]["video_preset"]) == (384, 20, "ultrafast")
    assert (rows["standard"]["size"], rows["standard"]["fps"]) == (64, 25)
    assert (rows["quality"]["size"], rows["quality"]["fps"]) == (768, 30)
    small = (await service.client.get("/v1/presets", params={"size": 96, "enhancer": "inverter"})).json()["presets"]
    assert {(row["size"], row["enhancer"]) for row in small} == {(96, "inverter")}


async def test_nothing_is_known_until_it_is_measured_and_then_it_is_on_file(service: Running) -> None:
    assert await costs(service) == {"quick": None, "standard": None, "quality": None}
    assert service.engine.drawn == 0
    measured = await costs(service, measure=True)
    # the waiting of the stand-in is the least that a second costs; how much more depends on the machine
    for name, fps in (("quick", 20), ("standard", 25), ("quality", 30)):
        assert measured[name] is not None
        assert measured[name] >= 0.9 * fps * FRAME_S  # type: ignore[operator]
    drawn = service.engine.drawn
    assert await costs(service, measure=True) == await costs(service) == measured
    assert service.engine.drawn == drawn
    for file in service.settings.pace_dir.iterdir():
        file.write_bytes(b"damaged")
    assert await costs(service) == {"quick": None, "standard": None, "quality": None}
    again = await costs(service, measure=True)
    assert None not in again.values()
    assert service.engine.drawn > drawn
    assert await costs(service) == again


async def test_a_slow_engine_is_told_from_its_first_frames_or_not_at_all(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "DEADLINE_S", 1.5)
    service.engine.delay_s = 0.3
    work_s = (await costs(service, measure=True, size=64, fps=25))["standard"]
    assert work_s is not None
    assert work_s >= 0.9 * 5 * 0.3
    assert service.engine.drawn < 3 * 2 * 25
    service.engine.delay_s = 5.0
    assert (await costs(service, measure=True, size=96))["standard"] is None
    assert service.engine.open_now == 0


async def test_what_cannot_run_here_has_no_pace(service: Running) -> None:
    assert await costs(service, engine="absent", measure=True) == {"quick": None, "standard": None, "quality": None}
    answer = await service.client.get("/v1/presets", params={"engine": "magic"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "engine")


async def test_real_answers_and_jobs_are_learnt_from(service: Running) -> None:
    service.engine.delay_s = 5 * FRAME_S
    body = {"audio": base64_wav(2.0), "avatar": "ada"}
    assert (await service.client.post("/v1/animation", json=body)).status_code == 200
    learnt = (await costs(service))["standard"]
    assert learnt is not None
    assert learnt >= 0.9 * 25 * FRAME_S
    await ended(service.client, (await made(service.client, 2.0, preset="quick"))["id"])
    quick = (await costs(service))["quick"]
    assert quick is not None
    assert quick >= 0.9 * 20 * FRAME_S
    waiting = await made(service.client, 4.0, preset="quick")
    told = (await service.client.get(f"/v1/jobs/{waiting['id']}")).json()["remaining_s"]
    assert told > 0
    await service.client.delete(f"/v1/jobs/{waiting['id']}")


async def test_short_and_shared_answers_teach_nothing(service: Running) -> None:
    service.engine.delay_s = FRAME_S
    short, longer = ({"audio": base64_wav(seconds), "avatar": "ada"} for seconds in (0.4, 2.0))
    studio = service.app.state.studio
    await service.client.post("/v1/animation", json=short)
    async with studio.session(Look(), studio.avatars.open("ada"), RATE):
        await service.client.post("/v1/animation", json=longer)
    assert (await costs(service))["standard"] is None
    await service.client.post("/v1/animation", json=longer)
    assert (await costs(service))["standard"] is not None


async def test_what_shared_the_service_with_a_job_or_a_trial_teaches_nothing(service: Running) -> None:
    service.engine.delay_s = 0.2
    job = await made(service.client, 4.0, preset="quick")
    await reached(service.client, job["id"], 1)
    service.engine.delay_s = FRAME_S
    body = {"audio": base64_wav(1.2), "avatar": "ada"}
    assert (await service.client.post("/v1/animation", json=body)).status_code == 200
    assert (await ended(service.client, job["id"]))["state"] == "done"
    assert await costs(service) == {"quick": None, "standard": None, "quality": None}
    async with service.app.state.studio.session(Look(), service.app.state.studio.avatars.open("ada"), RATE):
        assert None not in (await costs(service, measure=True)).values()
    assert await costs(service) == {"quick": None, "standard": None, "quality": None}


async def test_a_get_measures_nothing(service: Running) -> None:
    answer = await service.client.get("/v1/presets", params={"measure": True})
    assert [row["work_s"] for row in answer.json()["presets"]] == [None, None, None]
    assert service.engine.drawn == 0


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"engine": "magic"}, "engine"),
        ({"enhancer": "magic"}, "enhancer"),
        ({"size": 65}, "size"),
        ({"size": 2048}, "size"),
        ({"fps": 61}, "fps"),
    ],
)
async def test_what_no_answer_could_be_is_refused(service: Running, asked: dict[str, Any], param: str) -> None:
    told = await service.client.get("/v1/presets", params=asked)
    measured = await service.client.post("/v1/presets", json=asked)
    for answer in (told, measured):
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    assert service.engine.drawn == 0


async def test_a_form_of_another_page_measures_nothing(service: Running) -> None:
    answer = await service.client.post("/v1/presets", content="{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 400
    assert (await service.client.post("/v1/presets")).status_code == 400


async def test_one_measurement_runs_at_a_time_and_takes_a_place(service: Running) -> None:
    studio = service.app.state.studio
    both = await asyncio.gather(*(service.client.post("/v1/presets", json={"size": 64}) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 429]
    assert next(answer for answer in both if answer.status_code == 429).headers["retry-after"]
    drawn = service.engine.drawn
    with ExitStack() as places:
        for _ in range(service.settings.max_sessions):
            places.enter_context(studio.place())
        known = await service.client.post("/v1/presets", json={"size": 64})
        assert known.status_code == 200  # it needs no trial
        full = await service.client.post("/v1/presets", json={"size": 96})
        assert (full.status_code, full.json()["error"]["code"]) == (429, "busy")
    assert service.engine.drawn == drawn
    assert (await service.client.post("/v1/presets", json={"size": 96})).status_code == 200
    assert studio.sessions == 0


async def test_an_engine_that_draws_what_a_prompt_says_is_not_started_for_a_trial(settings: AnimationSettings) -> None:
    spec = TABLE.spec("stand-in")
    assert spec.capabilities is not None
    person = replace(spec, name="person", capabilities=replace(spec.capabilities, text=True))
    app = create_app(settings, EngineTable("animation", [spec, person]), ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        service = Running(app, url, client, settings)
        assert set((await costs(service, measure=True, engine="person")).values()) == {None}
        assert list(app.state.studio.engines.loaded) == ["stand-in"]
