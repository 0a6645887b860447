"""The coach over HTTP: findings for what is sent, mended versions on request, and clear refusals."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comps.animation.avatars import PRESENTERS
from comps.animation.coach.coach import Coach, CoachLimits, Inputs
from comps.animation.coach.desk import AT_ONCE, WAITING, CoachDesk
from comps.animation.coach.engines import for_engine
from comps.animation.coach.finding import Severity
from comps.animation.coach.prompt.compose import compose_prompt
from comps.animation.coach.rules import RULES
from comps.animation.table import ENGINES
from comps.core.errors import BusyError
from comps.core.media.audio import decode_audio, encode_audio
from tests.animation.conftest import Running

QUESTION = Path(__file__).parents[3] / "examples" / "question.wav"
ADA = (PRESENTERS / "ada" / "portrait.png").read_bytes()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def dark(picture: bytes, share: float = 0.12) -> bytes:
    made = Image.open(io.BytesIO(picture)).convert("RGB").point(lambda value: int(value * share))
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()


def codes(report: dict[str, object]) -> set[str]:
    findings = report["findings"]
    assert isinstance(findings, list)
    return {finding["code"] for finding in findings}


async def test_a_good_picture_has_nothing_said_against_it(service: Running) -> None:
    reply = await service.client.post("/v1/check", json={"image": b64(ADA)})
    assert reply.status_code == 200
    answer = reply.json()
    assert (answer["usable"], answer["image"]["findings"]) == (True, [])
    assert (answer["image"]["measured"]["width"], answer["image"]["measured"]["faces"]) == (1024, 1)
    assert answer.keys() == {"usable", "image"}


async def test_each_finding_says_what_was_measured_and_what_to_do(service: Running) -> None:
    reply = await service.client.post("/v1/check", json={"image": b64(dark(ADA))})
    (finding,) = [found for found in reply.json()["image"]["findings"] if found["code"] == "face_dark"]
    assert finding["severity"] == "warning"
    assert 0 < finding["measured"] < 50
    assert "at least 50" in finding["threshold"]
    assert finding["advice"]


async def test_a_dark_picture_comes_back_brighter(service: Running) -> None:
    reply = await service.client.post("/v1/check", json={"image": b64(dark(ADA, 0.25)), "fix": True})
    answer = reply.json()
    assert "face_dark" in codes(answer["image"])
    assert answer["steps"]["image"]
    assert not codes(answer["after"]["image"]) & {"face_dark"}
    before, after = (
        np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean()
        for data in (dark(ADA, 0.25), base64.b64decode(answer["fixed"]["image"]))
    )
    assert after > before + 20


async def test_what_could_not_be_mended_does_not_come_back(service: Running) -> None:
    reply = await service.client.post(
        "/v1/check", json={"image": b64(b"no picture"), "audio": b64(b"no sound"), "fix": True}
    )
    answer = reply.json()
    assert not answer["usable"]
    assert answer["fixed"] == {}
    assert answer["steps"] == {"image": [], "audio": []}


async def test_a_quiet_recording_is_mended(service: Running) -> None:
    loud = decode_audio(QUESTION.read_bytes(), rate=16_000, max_seconds=60)
    quiet = encode_audio((loud * 0.05 * 32767).astype(np.int16), 16_000, "wav")
    answer = (await service.client.post("/v1/check", json={"audio": b64(quiet), "fix": True})).json()
    assert "audio_quiet" in codes(answer["audio"])
    assert "audio_quiet" not in codes(answer["after"]["audio"])


async def test_to_an_engine_that_draws_no_text_a_prompt_is_a_hint(service: Running) -> None:
    answer = (await service.client.post("/v1/check", json={"prompt": "a happy woman before a white wall"})).json()
    assert {finding["severity"] for finding in answer["prompt"]["findings"]} == {"hint"}
    measured = answer["prompt"]["measured"]
    assert (measured["understood_emotion"], measured["understood_backdrop"]) == ("joy", "plain:white")


def test_to_one_that_does_it_is_a_warning() -> None:
    text = "a happy woman"
    advice = Coach().check(Inputs(prompt=text))
    capabilities = ENGINES.spec("liveavatar").capabilities
    assert capabilities.text
    report = for_engine(advice, capabilities, text).prompt
    assert report is not None
    assert Severity.WARNING in {finding.rule.severity for finding in report.findings}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, None),
        ({"image": "%%%"}, 422, "image"),
        ({"prompt": "hi", "engine": "nope"}, 422, "engine"),
        ({"prompt": "hi", "preset": "nope"}, 422, "preset"),
        ({"prompt": "hi", "loud": True}, 422, "loud"),
        ({"prompt": "x" * 20_000}, 422, "prompt"),
    ],
)
async def test_what_is_no_request_is_refused(
    service: Running, body: dict[str, object], status: int, param: str | None
) -> None:
    reply = await service.client.post("/v1/check", json=body)
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    if param is not None:
        assert error["param"] == param


async def test_a_prompt_is_compared_with_what_is_known_of_the_picture(service: Running) -> None:
    told = {"image": b64(ADA), "prompt": "An old man with glasses speaks."}
    facts = {"sex": "female", "age": 30, "glasses": False}
    answer = (await service.client.post("/v1/check", json={**told, "facts": facts})).json()
    assert codes(answer["together"]) >= {"together_picture_sex", "together_picture_glasses"}
    assert codes((await service.client.post("/v1/check", json=told)).json()["together"]) == set()


async def test_a_prompt_is_composed_of_what_is_known_of_the_picture(service: Running) -> None:
    body = {"facts": {"sex": "male", "hair": "a red beard", "background": "a green wall"}}
    prompt = (await service.client.post("/v1/check/compose", json=body)).json()["prompt"]
    assert "man with a red beard" in prompt
    assert "a green wall" in prompt


async def test_a_prompt_is_composed_of_fields(service: Running) -> None:
    reply = await service.client.post(
        "/v1/check/compose", json={"preset": "teacher", "fields": {"age": 60, "glasses": True, "hair": "white hair"}}
    )
    answer = reply.json()
    assert all(words in answer["prompt"] for words in ("60-year-old", "white hair", "glasses"))
    assert answer["report"]["findings"] == []
    assert answer["prompt"] != compose_prompt(preset="teacher")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"preset": "nobody"}, "preset"),
        ({"fields": {"shoes": "red"}}, "shoes"),
        ({"fields": {"age": "old"}}, "age"),
        ({"fields": {"age": True}}, "age"),
        ({"fields": {"glasses": "yes"}}, "glasses"),
        ({"fields": {"age": 300}}, "age"),
        ({"fields": {"hair": "very " * 30}}, "hair"),
    ],
)
async def test_wrong_fields_are_named(service: Running, body: dict[str, object], param: str) -> None:
    reply = await service.client.post("/v1/check/compose", json=body)
    assert reply.status_code == 422
    assert reply.json()["error"]["param"] == param


async def test_every_rule_is_told(service: Running) -> None:
    rules = (await service.client.get("/v1/check/rules")).json()["rules"]
    assert [rule["code"] for rule in rules] == [rule.code for rule in RULES]
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule["advice"] and rule["measure"] for rule in rules)


def test_what_was_seen_before_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from comps.animation.coach import coach as module

    seen = []
    real = module.check_image
    monkeypatch.setattr(module, "check_image", lambda data, **limits: (seen.append(1), real(data, **limits))[1])
    coach = Coach(kept=2)
    first, second = coach.check(Inputs(image=ADA)), coach.check(Inputs(image=ADA))
    assert first.image is second.image
    assert len(seen) == 1
    coach.check(Inputs(prompt="one")), coach.check(Inputs(prompt="two"))
    coach.check(Inputs(image=ADA))
    assert len(seen) == 2


async def test_a_preset_larger_than_the_picture_is_told(service: Running) -> None:
    small = io.BytesIO()
    Image.open(io.BytesIO(ADA)).convert("RGB").resize((640, 640)).save(small, "PNG")
    body = {"image": b64(small.getvalue())}
    assert codes((await service.client.post("/v1/check", json=body)).json()["image"]) == set()
    (found,) = (await service.client.post("/v1/check", json={**body, "preset": "quality"})).json()["image"]["findings"]
    assert (found["code"], found["measured"], found["threshold"]) == ("image_below_preset", 640, "at least 768 px")


async def test_a_recording_longer_than_any_route_takes_is_an_error() -> None:
    coach = Coach(CoachLimits(seconds=1.0))
    report = coach.check(Inputs(audio=QUESTION.read_bytes())).audio
    assert report is not None
    assert report.codes() == {"audio_too_long"}


async def test_the_desk_lets_few_in_and_refuses_the_rest() -> None:
    desk, begun, go_on = CoachDesk(Coach()), threading.Semaphore(0), threading.Event()

    def slow() -> None:
        begun.release()
        go_on.wait(20)

    waiting = [asyncio.create_task(desk.work(slow)) for _ in range(AT_ONCE + WAITING)]
    for _ in range(AT_ONCE):
        assert await asyncio.to_thread(begun.acquire, timeout=20)
    with pytest.raises(BusyError, match="as many as fit"):
        await desk.work(slow)
    assert not begun.acquire(blocking=False)
    go_on.set()
    await asyncio.gather(*waiting)
    assert await desk.work(lambda: 7) == 7


async def test_eight_bits_are_mended_and_said_to_be(service: Running) -> None:
    samples = decode_audio(QUESTION.read_bytes(), rate=16_000, max_seconds=60)
    rough = np.clip(np.round(samples / np.abs(samples).max() * 0.9 * 127) + 128, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 1, 16_000, len(rough), "NONE", ""))
        out.writeframes(rough.tobytes())
    answer = (await service.client.post("/v1/check", json={"audio": b64(file.getvalue()), "fix": True})).json()
    assert "audio_depth" in codes(answer["audio"])
    assert "Stored with 16 bits instead of 8".lower() in " ".join(answer["steps"]["audio"])
    assert "audio_depth" not in codes(answer["after"]["audio"])
