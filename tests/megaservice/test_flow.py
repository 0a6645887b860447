"""The flow against real services, in this process and over sockets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from comps.core.serve import running
from megaservice.flow.events import (
    Event,
    MediaFragment,
    MediaInit,
    SentenceSpoken,
    StageTiming,
    TextDelta,
    TranscriptHeard,
    TurnDone,
    TurnFailed,
)
from megaservice.flow.flow import AvatarFlow, open_flow
from megaservice.flow.request import (
    ChatTurn,
    Engines,
    LiveQuestion,
    PictureOptions,
    SayText,
    SpokenQuestion,
    TurnRequest,
    TypedQuestion,
    VoiceOptions,
)
from tests.megaservice.stubs import Behaviour, Log, no_leaks, stubs


@asynccontextmanager
async def serving(where: str, behaviour: Behaviour, log: Log) -> AsyncIterator[AvatarFlow]:
    apps = stubs(behaviour, log)
    async with AsyncExitStack() as stack:
        targets: dict[str, object] = dict(apps)
        if where == "sockets":
            targets = {name: await stack.enter_async_context(running(app)) for name, app in apps.items()}
        yield await stack.enter_async_context(open_flow(targets))  # type: ignore[arg-type]


@pytest.fixture(params=["in process", "sockets"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def log() -> Log:
    return Log()


async def events_of(flow: AvatarFlow, request: TurnRequest, turn_id: str = "") -> list[Event]:
    async with flow.turn(request, turn_id) as turn:
        return [event async for event in turn]


def only(events: list[Event], kind: type) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


async def test_typed_question_becomes_sentences_and_fragments(where: str, log: Log) -> None:
    async with no_leaks(), serving(where, Behaviour(), log) as flow:
        events = await events_of(flow, TurnRequest(TypedQuestion("how many?")))
    done = events[-1]
    assert isinstance(done, TurnDone)
    assert done.text == "One fish. Two fish."
    assert done.frames == 5  # two words, a pause, two words
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).split() == [
        "One",
        "fish.",
        "Two",
        "fish.",
    ]
    first, second = (event for event in events if isinstance(event, SentenceSpoken))
    assert first.start == 0.0
    assert first.end == pytest.approx(0.2)
    assert second.start > first.end + 0.2
    assert [word.text for word in second.words] == ["Two", "fish."]
    assert second.words[0].start == pytest.approx(second.start)
    init = only(events, MediaInit)[0]
    assert isinstance(init, MediaInit)
    assert (init.width, init.payload) == (512, b"init")
    assert [event.stage for event in events if isinstance(event, StageTiming)] == ["llm", "tts", "animation"]


async def test_fragments_lie_without_gap_on_one_clock(where: str, log: Log) -> None:
    async with serving(where, Behaviour(), log) as flow:
        events = await events_of(flow, TurnRequest(TypedQuestion("how many?")))
    fragments = [event for event in events if isinstance(event, MediaFragment)]
    for before, after in itertools.pairwise(fragments):
        assert after.start == pytest.approx(before.start + before.duration)
    assert [fragment.payload for fragment in fragments] == [b"One fish.", b"", b"", b"Two fish.", b""]


async def test_spoken_question_is_transcribed_first(where: str, log: Log) -> None:
    async with serving(where, Behaviour(), log) as flow:
        events = await events_of(flow, TurnRequest(SpokenQuestion(b"how many fish"), language="en"))
    heard = only(events, TranscriptHeard)[0]
    assert isinstance(heard, TranscriptHeard)
    assert (heard.text, heard.duration, heard.words[0].text) == ("how many fish", 1.5, "how")
    assert log.of("llm")[0]["messages"][-1] == {"role": "user", "content": "how many fish"}
    assert isinstance(events[-1], TurnDone)
    assert events[-1].transcript == "how many fish"


async def test_live_question_gives_partial_transcripts(where: str, log: Log) -> None:
    async def voice() -> AsyncIterator[bytes]:
        for piece in (b"how ", b"many"):
            yield piece
            await asyncio.sleep(0)

    async with no_leaks(), serving(where, Behaviour(), log) as flow:
        events = await events_of(flow, TurnRequest(LiveQuestion(voice())))
    heard = [event for event in events if isinstance(event, TranscriptHeard)]
    assert [(event.text, event.final) for event in heard] == [("how ", False), ("how many", False), ("how many", True)]


async def test_said_text_needs_no_model(where: str, log: Log) -> None:
    async with serving(where, Behaviour(), log) as flow:
        events = await events_of(flow, TurnRequest(SayText("Hello there. [joy] It costs 3.14 dollars!")))
    assert [body["text"] for body in log.of("tts")] == ["Hello there.", "It costs 3.14 dollars!"]
    assert not log.of("llm")
    assert [event.emotion for event in events if isinstance(event, SentenceSpoken)] == ["", "joy"]


async def test_every_choice_reaches_its_stage(log: Log) -> None:
    request = TurnRequest(
        TypedQuestion("q"),
        history=(ChatTurn("system", "Be brief."), ChatTurn("user", "a"), ChatTurn("assistant", "b")),
        language="de",
        engines=Engines(llm="L", tts="T", animation="A"),
        sampling={"max_tokens": 9, "temperature": 0.0, "seed": None},
        voice=VoiceOptions("anna"),
        picture=PictureOptions(
            "me", 30, 256, emotion="joy", seed=7, enhancer="gfpgan", enhancer_strength=0.5, preset="quality"
        ),
    )
    async with serving("in process", Behaviour(), log) as flow:
        await events_of(flow, request, "turn-1")
    llm, tts, animation = log.of("llm")[0], log.of("tts")[0], log.of("animation")[0]
    assert [message["content"] for message in llm["messages"]] == ["Be brief.", "a", "b", "q"]
    assert (llm["max_tokens"], llm["temperature"], llm["engine"], llm["language"]) == (9, 0.0, "L", "de")
    assert "seed" not in llm
    assert (tts["voice"], tts["engine"], tts["language"]) == ("anna", "T", "de")
    assert (animation["avatar"], animation["fps"], animation["size"], animation["engine"]) == ("me", 30, 256, "A")
    assert (animation["emotion"], animation["seed"]) == ("joy", 7)
    assert (animation["enhancer"], animation["enhancer_strength"]) == ("gfpgan", 0.5)
    assert animation["preset"] == "quality"
    assert {identity for _, identity in log.ids} == {"turn-1"}


async def test_voice_of_another_rate_is_resampled_once_then_expected(log: Log) -> None:
    async with serving("in process", Behaviour(tts_rate=16_000), log) as flow:
        first = await events_of(flow, TurnRequest(TypedQuestion("q")))
        second = await events_of(flow, TurnRequest(TypedQuestion("q")))
    assert [start["sample_rate"] for start in log.of("animation")] == [22_050, 16_000]
    for events in (first, second):
        assert isinstance(events[-1], TurnDone)
        assert events[-1].duration == pytest.approx(0.76, abs=0.03)


async def test_first_fragment_leaves_while_the_model_still_writes(where: str, log: Log) -> None:
    gate = asyncio.Event()
    behaviour = Behaviour(answer="One. Two. Three. Four. Five. Six.", llm_gate=gate)
    written = []
    async with serving(where, behaviour, log) as flow, flow.turn(TurnRequest(TypedQuestion("count"))) as turn:
        async for event in turn:
            if isinstance(event, MediaFragment):
                gate.set()
            elif isinstance(event, TextDelta):
                written.append((event.text, gate.is_set()))
    assert written[-1] == ("Six. ", True)


async def test_leaving_stops_every_stage(where: str, log: Log) -> None:
    behaviour = Behaviour(answer="One two three. " * 50, llm_delay=0.01, animation_delay=0.01)
    async with no_leaks(), serving(where, behaviour, log) as flow:
        async with flow.turn(TurnRequest(TypedQuestion("count"))) as turn:
            async for event in turn:
                if isinstance(event, MediaFragment):
                    break
        for _ in range(100):
            if {"llm", "animation"} <= set(log.stopped) and not log.open_sessions:
                break
            await asyncio.sleep(0.02)
    assert {"llm", "animation"} <= set(log.stopped)
    assert log.open_sessions == 0


async def test_nothing_of_a_cancelled_turn_is_shown(log: Log) -> None:
    behaviour = Behaviour(answer="One two three. " * 50)
    async with no_leaks(), serving("in process", behaviour, log) as flow:
        async with flow.turn(TurnRequest(TypedQuestion("count"))) as turn:
            after: list[Event] = []
            async for event in turn:
                if turn.cancelled:
                    after.append(event)
                elif isinstance(event, MediaFragment):
                    turn.cancel()
        assert after == []
        again = await events_of(flow, TurnRequest(SayText("Still here.")))
    assert isinstance(again[-1], TurnDone)


async def test_turns_at_once_get_their_own_answers(log: Log) -> None:
    async with serving("sockets", Behaviour(), log) as flow:
        requests = [TurnRequest(SayText(f"Number {n}."), picture=PictureOptions(f"avatar-{n}")) for n in range(8)]
        answers = await asyncio.gather(*(events_of(flow, request) for request in requests))
    for n, events in enumerate(answers):
        assert isinstance(events[-1], TurnDone)
        assert events[-1].text == f"Number {n}."
        assert next(event.payload for event in events if isinstance(event, MediaFragment)) == f"Number {n}.".encode()


async def test_unknown_voice_is_the_voices_own_refusal(where: str, log: Log) -> None:
    async with no_leaks(), serving(where, Behaviour(), log) as flow:
        events = await events_of(flow, TurnRequest(SayText("Hi."), voice=VoiceOptions("nobody")))
    failed = events[-1]
    assert isinstance(failed, TurnFailed)
    assert (failed.error.status, failed.error.service, failed.error.param) == (422, "tts", "voice")
    assert "there are: default" in failed.error.message
