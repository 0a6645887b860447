"""A turn that asks for no voice gets the one that goes with its avatar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.avatar_voices import FAILED_S, FRESH_S, REMEMBERED, AvatarVoices
from megaservice.transport.endpoint import open_endpoints
from tests.gateway.conftest import Stack
from tests.gateway.stubs import Notes, stub_services


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def notes() -> Notes:
    return Notes(avatar_voices={"noor": "male", "": "", "default": "male", "english": "en", "odd": "opera"})


@pytest.fixture
async def voices(notes: Notes, clock: Clock) -> AsyncIterator[AvatarVoices]:
    app = stub_services(notes)
    async with open_endpoints({"animation": app, "tts": app}) as endpoints:
        yield AvatarVoices(endpoints, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("avatar", "language", "voice"),
    [
        ("noor", "", "male"),
        ("noor", "de", "male"),
        ("", "", "male"),
        ("english", "en-GB", "en"),
        ("english", "de", "default"),
        ("english", "", "default"),
        ("odd", "", "default"),
        ("mute", "", "default"),
        ("../voices", "", "default"),
        ("..", "", "default"),
    ],
)
async def test_the_voice_is_the_avatars_if_the_language_has_it(
    voices: AvatarVoices, avatar: str, language: str, voice: str
) -> None:
    assert await voices.voice_of(avatar, language, "") == voice


async def test_no_service_is_asked_twice_while_the_answer_is_fresh(
    voices: AvatarVoices, notes: Notes, clock: Clock
) -> None:
    for _ in range(3):
        await voices.voice_of("noor", "", "")
    assert notes.lookups == ["noor", "voices"]
    clock.now = FRESH_S + 1
    notes.avatar_voices["noor"] = ""
    assert await voices.voice_of("noor", "", "") == "default"


async def test_a_path_is_never_made_of_an_avatars_name(voices: AvatarVoices, notes: Notes) -> None:
    await voices.voice_of("../voices?x=", "", "")
    assert notes.lookups == []


async def test_services_that_fail_leave_the_default_and_are_asked_again(clock: Clock) -> None:
    asked = []
    app = FastAPI()

    @app.get("/v1/avatars/{avatar}")
    async def about(avatar: str) -> Any:
        asked.append(avatar)
        return ["not an object"] if len(asked) == 1 else {"voice": "male"}

    async with open_endpoints({"animation": app, "tts": app}) as endpoints:
        voices = AvatarVoices(endpoints, clock)
        assert await voices.voice_of("noor", "", "") == await voices.voice_of("noor", "", "") == "default"
        assert asked == ["noor"]
        clock.now = FAILED_S + 1
        assert await voices.voice_of("noor", "", "") == "default"  # no list of voices
        assert asked == ["noor", "noor"]
    assert await AvatarVoices({}).voice_of("noor", "", "") == "default"


async def test_memory_is_bounded(voices: AvatarVoices, notes: Notes) -> None:
    for number in range(REMEMBERED + 1):
        await voices.voice_of(f"face{number}", "", "")
    await voices.voice_of("face0", "", "")
    assert notes.lookups.count("face0") == 2
    assert notes.lookups.count("face2") == 1


async def test_a_turn_speaks_with_it_unless_it_asks_for_another(stack: Stack) -> None:
    stack.notes.avatar_voices["noor"] = "male"

    async def spoken(path: str, **body: Any) -> str:
        reply = await stack.client.post(path, json={"text": "hello", **body})
        assert reply.status_code == 200, reply.text
        return str(stack.notes.last("tts")["voice"])

    assert await spoken("/v1/avatarchatbot", avatar="noor") == "male"
    assert await spoken("/v1/say", avatar="noor") == "male"
    assert await spoken("/v1/avatarchatbot", avatar="noor", voice="en") == "en"
    assert await spoken("/v1/avatarchatbot", avatar="ada") == "default"


async def test_the_shipped_presenters_have_their_voices(live: httpx.AsyncClient) -> None:
    avatars = (await live.get("/v1/avatars")).json()["avatars"]
    assert {avatar["id"]: avatar["voice"] for avatar in avatars if avatar["builtin"]} == {
        "ada": "female",
        "noor": "male",
    }
