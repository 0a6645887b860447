"""Services that are down, slow, or answer with something else: each failure has its status and its name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from comps.core.errors import NoSpeechError
from comps.core.framing import pack, pack_speech
from megaservice.flow.events import MediaFragment, StageTiming, TextDelta, TurnDone, TurnFailed
from megaservice.flow.flow import open_flow
from megaservice.flow.request import SayText, SpokenAnswer, SpokenQuestion, TurnInput, TurnRequest, TypedQuestion
from megaservice.flow.turn import Turn, Work
from tests.megaservice.stubs import Behaviour, Log, _chunk, no_leaks, stubs

ASK: TurnInput = TypedQuestion("how many?")


async def outcome(
    behaviour: Behaviour, question: TurnInput = ASK, deadline_s: float = 10, missing: str = ""
) -> tuple[TurnFailed, Log]:
    log = Log()
    targets = {name: app for name, app in stubs(behaviour, log).items() if name != missing}
    request = TurnRequest(question, deadline_s=deadline_s)
    async with no_leaks(), open_flow(targets) as flow, flow.turn(request) as turn:
        events = [event async for event in turn]
    assert log.open_sessions == 0
    failed = events[-1]
    assert isinstance(failed, TurnFailed), failed
    return failed, log


def html() -> Response:
    return HTMLResponse("<html>" + "down " * 200, status_code=200)


def error_page() -> Response:
    return HTMLResponse("<html>Bad gateway</html>", status_code=500)


def json_answer(body: str) -> Callable[[], Response]:
    return lambda: Response(body, media_type="application/json")


def half_sse() -> Response:
    return Response(b'data: {"choices":[{"delta":{"content":"One fish. Two"}}]}\n\n', media_type="text/event-stream")


def sse_error() -> Response:
    body = b'data: {"error":{"code":"engine_unavailable","message":"no model","service":"llm"}}\n\n'
    return Response(body, media_type="text/event-stream")


def half_speech() -> Response:
    return Response(pack_speech(_chunk("One", 0, 22_050, last=False)))


def cut_speech() -> Response:
    return Response(pack_speech(_chunk("One", 0, 22_050, last=True))[:-7])


def speech_error() -> Response:
    return Response(
        pack({"type": "error", "error": {"code": "unknown_choice", "message": "no voice", "param": "voice"}})
    )


def wrong_speech() -> Response:
    return Response(pack({"type": "speech"}, b"\x00\x00"))


@pytest.mark.parametrize(
    ("stage", "answer", "status", "says"),
    [
        ("llm", html, 502, "sent no chat answer: <html>"),
        ("llm", error_page, 502, "status 500: <html>Bad gateway"),
        ("llm", half_sse, 502, "broke off in the middle"),
        ("llm", sse_error, 503, "no model"),
        ("llm", json_answer("{broken"), 502, "sent no chat answer"),
        ("llm", json_answer('{"choices":[{"message":{"content":""}}]}'), 502, "answered nothing"),
        ("llm", json_answer("[1]"), 502, "sent no chat answer"),
        ("tts", html, 502, "not framed messages"),
        ("tts", half_speech, 502, "broke off in the middle of a sentence"),
        ("tts", cut_speech, 502, "middle of a message"),
        ("tts", speech_error, 422, "no voice"),
        ("tts", wrong_speech, 502, "not a speech message"),
        ("asr", html, 502, "instead of JSON"),
        ("asr", json_answer("{}"), 502, "without a transcript"),
        ("asr", json_answer('{"text": "x", "words": [{}]}'), 502, "without a transcript"),
    ],
)
async def test_wrong_answers_name_the_stage(stage: str, answer: Callable[[], Response], status: int, says: str) -> None:
    question = SpokenQuestion(b"how many") if stage == "asr" else ASK
    failed, _ = await outcome(Behaviour(raw={stage: answer()}), question)
    assert (failed.error.status, failed.error.service) == (status, stage), failed.error
    assert says in failed.error.message
    assert len(failed.error.message) < 400


async def test_whole_json_answer_is_taken_as_well() -> None:
    whole = Response('{"choices":[{"message":{"content":"One.\\nTwo."}}]}', media_type="application/json")
    log = Log()
    async with open_flow(stubs(Behaviour(raw={"llm": whole}), log)) as flow, flow.turn(TurnRequest(ASK)) as turn:
        events = [event async for event in turn]
    assert isinstance(events[-1], TurnDone)
    assert events[-1].text.split() == ["One.", "Two."]


async def test_silence_is_no_speech() -> None:
    failed, log = await outcome(Behaviour(), SpokenQuestion(b" "))
    assert isinstance(failed.error, NoSpeechError)
    assert (failed.error.status, failed.error.service) == (422, "asr")
    assert not log.of("llm")


async def test_nothing_to_say_is_422() -> None:
    failed, _ = await outcome(Behaviour(), SayText("... 🎉"))
    assert (failed.error.status, failed.error.param) == (422, "text")


@pytest.mark.parametrize(
    ("behaviour", "stage"),
    [
        (Behaviour(llm_delay=20), "llm"),
        (Behaviour(tts_delay=20), "tts"),
        (Behaviour(animation_delay=20), "animation"),
    ],
    ids=["llm", "tts", "animation"],
)
async def test_slow_stage_is_504_with_its_name_and_stops(behaviour: Behaviour, stage: str) -> None:
    failed, log = await outcome(behaviour, deadline_s=2)
    assert (failed.error.status, failed.error.service) == (504, stage), failed.error
    assert stage in log.stopped


async def test_animation_that_stalls_after_the_speech_is_504_before_the_turns_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("megaservice.flow.animation.STALL_S", 0.1)
    failed, _ = await outcome(Behaviour(animation_delay=60), deadline_s=10)
    assert (failed.error.status, failed.error.service) == (504, "animation")
    assert "sent nothing for 0.1 s" in failed.error.message


async def test_missing_stage_is_a_clear_refusal() -> None:
    failed, _ = await outcome(Behaviour(), SpokenQuestion(b"x"), missing="asr")
    assert "no asr service" in failed.error.message


@pytest.mark.parametrize("down", ["llm", "tts", "animation"])
async def test_service_that_is_down_is_502(down: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        targets = {**stubs(Behaviour(), Log()), down: f"http://127.0.0.1:{taken.getsockname()[1]}"}
        async with no_leaks(), open_flow(targets) as flow, flow.turn(TurnRequest(ASK)) as turn:  # type: ignore[arg-type]
            events = [event async for event in turn]
    failed = events[-1]
    assert isinstance(failed, TurnFailed)
    assert (failed.error.status, failed.error.service) == (502, down)
    assert any(isinstance(event, StageTiming) for event in events)


@asynccontextmanager
async def misbehaving_animation(script: list[str | bytes]) -> AsyncIterator[str]:
    """A WebSocket server that sends `script` and closes."""
    from websockets.asyncio.server import ServerConnection, serve

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        for message in script:
            await connection.send(message)

    async with serve(handler, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


READY = '{"type":"ready","mime":"video/mp4","width":8,"height":8,"fps":25}'


@pytest.mark.parametrize(
    ("script", "status", "says"),
    [
        ([], 502, "ended the session before"),
        ([READY, b"garbage"], 502, "not part of the session"),
        (["<html>"], 502, "not part of the session"),
        (["[]"], 502, "not part of the session"),
        ([pack({"type": "init"})], 502, "not part of the session"),
        ([READY, pack({"type": "what"})], 502, "not part of the session"),
        ([READY, pack({"type": "fragment", "index": 0})], 502, "not part of the session"),
        (['{"type":"error","error":{"code":"face","message":"two faces"}}'], 422, "two faces"),
    ],
)
async def test_animation_that_misbehaves(script: list[str | bytes], status: int, says: str) -> None:
    async with misbehaving_animation(script) as url:
        targets = {**stubs(Behaviour(), Log()), "animation": url}
        async with no_leaks(), open_flow(targets) as flow, flow.turn(TurnRequest(ASK)) as turn:  # type: ignore[arg-type]
            events = [event async for event in turn]
    failed = events[-1]
    assert isinstance(failed, TurnFailed)
    assert (failed.error.status, failed.error.service) == (status, "animation"), failed.error
    assert says in failed.error.message


async def test_speech_alone_is_animated() -> None:
    async def chunks() -> AsyncIterator[object]:
        for index in range(3):
            yield _chunk("a", index, 16_000, last=index == 2)

    log = Log()
    request = TurnRequest(SpokenAnswer(chunks(), 16_000))  # type: ignore[arg-type]
    targets = {"animation": stubs(Behaviour(), log)["animation"]}
    async with no_leaks(), open_flow(targets) as flow, flow.turn(request) as turn:
        events = [event async for event in turn]
    assert [event.start for event in events if isinstance(event, MediaFragment)] == pytest.approx([0, 0.1, 0.2])
    assert log.of("animation")[0]["sample_rate"] == 16_000


async def test_broken_input_stream_ends_the_turn() -> None:
    async def chunks() -> AsyncIterator[object]:
        yield _chunk("a", 0, 16_000, last=False)
        raise RuntimeError("the decoder broke")

    log = Log()
    request = TurnRequest(SpokenAnswer(chunks(), 16_000))  # type: ignore[arg-type]
    targets = {"animation": stubs(Behaviour(), log)["animation"]}
    async with no_leaks(), open_flow(targets) as flow, flow.turn(request) as turn:
        events = [event async for event in turn]
    assert isinstance(events[-1], TurnFailed)
    assert events[-1].error.status == 500
    assert "decoder" not in events[-1].error.message


async def test_one_failing_turn_leaves_the_next_alone() -> None:
    behaviour = Behaviour(raw={"tts": StreamingResponse(iter([b"x"]), status_code=200)})
    async with no_leaks(), open_flow(stubs(behaviour, Log())) as flow:
        async with flow.turn(TurnRequest(ASK)) as turn:
            assert isinstance([event async for event in turn][-1], TurnFailed)
        behaviour.raw.clear()
        async with flow.turn(TurnRequest(SayText("Fine now."))) as turn:
            done = [event async for event in turn][-1]
    assert isinstance(done, TurnDone)
    assert done.text == "Fine now."


async def test_cancelling_before_the_start_is_quiet() -> None:
    async with no_leaks(), open_flow(stubs(Behaviour(), Log())) as flow:
        async with flow.turn(TurnRequest(ASK)) as turn:
            turn.cancel()
            turn.cancel()
            assert [event async for event in turn] == []
        await asyncio.sleep(0)


async def test_a_turn_nobody_listens_to_ends_after_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("megaservice.flow.turn.LAST_EVENTS_S", 0.05)
    ended = asyncio.Event()

    class Watched(Turn):
        async def _conduct(self, work: Work) -> None:
            await super()._conduct(work)
            ended.set()

    async def talk(turn: Turn) -> None:
        while True:
            await turn.emit(TextDelta("x"))

    turn = Watched("unheard", deadline_s=0.01)
    turn.start(talk)
    await ended.wait()
    await turn.close()
