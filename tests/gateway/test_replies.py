"""The forms an answer comes in, through real sockets."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
import pytest

from comps.core.media.audio import encode_audio
from tests.gateway.conftest import Stack
from tests.gateway.stubs import ANSWER_S


def frames_of(data: bytes, folder: Path) -> tuple[int, float]:
    """Decoded frames and seconds of sound of an MP4."""
    path = folder / "seen.mp4"
    path.write_bytes(data)
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    return frames, sound


def events_of(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.split("\n\n"):
        if block.startswith("event: "):
            name, _, data = block.partition("\ndata: ")
            events.append((name.removeprefix("event: "), orjson.loads(data)))
    return events


async def test_the_default_reply_is_a_path_that_is_served(stack: Stack, tmp_path: Path) -> None:
    reply = await stack.client.post("/v1/avatarchatbot", json={"text": "hello"})
    assert reply.status_code == 200
    path = reply.json()
    assert isinstance(path, str)
    assert path.startswith("/outputs/")
    assert path.endswith(".mp4")
    video = await stack.client.get(path)
    assert video.headers["content-type"] == "video/mp4"
    frames, sound = frames_of(video.content, tmp_path)
    assert abs(frames - 25 * ANSWER_S) <= 1
    assert abs(sound - ANSWER_S) < 0.1


async def test_every_path_is_different(stack: Stack) -> None:
    replies = [await stack.client.post("/v1/avatarchatbot", json={"text": "hello"}) for _ in range(3)]
    assert len({reply.json() for reply in replies}) == 3


async def test_ranges_of_a_video_are_served(stack: Stack) -> None:
    path = (await stack.client.post("/v1/avatarchatbot", json={"text": "hello"})).json()
    whole = (await stack.client.get(path)).content
    part = await stack.client.get(path, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == whole[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    for bad, status in ((f"bytes={len(whole)}-", 416), ("bytes=abc", 400)):
        refused = await stack.client.get(path, headers={"Range": bad})
        assert (refused.status_code, refused.json()["error"]["service"]) == (status, "gateway")
        assert refused.headers.get("content-range") == (f"bytes */{len(whole)}" if status == 416 else None)
    head = await stack.client.head(path)
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(whole))


async def test_the_index_of_a_finished_video_comes_first(stack: Stack) -> None:
    path = (await stack.client.post("/v1/avatarchatbot", json={"text": "hello"})).json()
    data = (await stack.client.get(path)).content
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data


async def test_the_object(stack: Stack) -> None:
    for form in ("json", "object", "url"):
        reply = (await stack.client.post("/v1/avatarchatbot", json={"text": "hello", "response_format": form})).json()
        assert reply["video_url"] == f"{stack.url}/outputs/{reply['id']}.mp4"
        assert reply["video_path"] == f"/outputs/{reply['id']}.mp4"
        assert "video_base64" not in reply
    assert (reply["transcript"], reply["text"]) == ("hello", "You said: hello.")
    assert reply["fps"] == 25
    assert abs(reply["frames"] - 25 * ANSWER_S) <= 1
    assert abs(reply["duration_s"] - ANSWER_S) <= 0.04
    (sentence,) = reply["sentences"]
    assert sentence["text"] == "You said: hello."
    assert sentence["phones"] == [{"phone": "a", "start": 0.1, "end": 0.7}]
    assert sentence["words"][0]["end"] == ANSWER_S
    assert set(reply["timings"]["stages"]) == {"llm", "tts", "animation"}
    assert 0 < reply["timings"]["first_fragment_s"] <= reply["timings"]["total_s"]
    assert reply["usage"]["answer_characters"] == len("You said: hello.")
    assert (await stack.client.get(reply["video_url"])).status_code == 200


async def test_the_object_of_a_spoken_question(stack: Stack) -> None:
    audio = base64.b64encode(b"anything").decode()
    reply = (await stack.client.post("/v1/avatarchatbot", json={"byte_str": audio, "response_format": "json"})).json()
    assert reply["transcript"] == "what was heard"
    assert reply["text"] == "You said: what was heard."
    assert reply["usage"]["question_audio_s"] == 1.5
    assert "asr" in reply["timings"]["stages"]


async def test_the_object_with_the_video_in_it(stack: Stack) -> None:
    body = {"text": "hello", "response_format": "b64_json"}
    reply = (await stack.client.post("/v1/avatarchatbot", json=body)).json()
    stored = (await stack.client.get(reply["video_path"])).content
    assert base64.b64decode(reply["video_base64"]) == stored


async def test_the_video_itself(stack: Stack, tmp_path: Path) -> None:
    headers = {"Accept": "video/mp4"}
    reply = await stack.client.post("/v1/avatarchatbot", json={"text": "hello"}, headers=headers)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("video/mp4; codecs=")
    assert reply.headers["x-request-id"]
    assert b"moof" in reply.content
    assert abs(frames_of(reply.content, tmp_path)[0] - 25 * ANSWER_S) <= 1
    kept = await stack.client.get(f"/outputs/{reply.headers['x-video-id']}.mp4")
    assert kept.status_code == 200
    assert f"/outputs/{reply.headers['x-video-id']}.mp4" in reply.headers["link"]


async def test_the_event_stream_by_each_of_its_ways(stack: Stack) -> None:
    ways: list[dict[str, Any]] = [
        {"url": "/v1/avatarchatbot/stream", "json": {"text": "hello"}},
        {"url": "/v1/avatarchatbot", "json": {"text": "hello", "stream": True}},
        {"url": "/v1/avatarchatbot", "json": {"text": "hello"}, "headers": {"Accept": "text/event-stream"}},
    ]
    for way in ways:
        reply = await stack.client.post(**way)
        assert reply.headers["content-type"] == "text/event-stream"
        names = [name for name, _ in events_of(reply.text)]
        assert names[0] == "start"
        assert names[-1] == "done"
        assert {"text_delta", "sentence", "media", "timing"} <= set(names)


async def test_the_media_of_the_event_stream_are_the_video(stack: Stack, tmp_path: Path) -> None:
    events = events_of((await stack.client.post("/v1/avatarchatbot/stream", json={"text": "hello"})).text)
    media = [data for name, data in events if name == "media"]
    assert media[0]["kind"] == "init"
    assert [piece["index"] for piece in media[1:]] == list(range(len(media) - 1))
    assert media[0]["mime"].startswith('video/mp4; codecs="avc1.')
    video = b"".join(base64.b64decode(piece["data"]) for piece in media)
    done = events[-1][1]
    assert frames_of(video, tmp_path)[0] == done["frames"] == sum(piece["frames"] for piece in media[1:])
    assert "".join(data["text"] for name, data in events if name == "text_delta") == done["text"]
    assert (await stack.client.get(done["video_path"])).status_code == 200


async def test_progress_tells_the_share_that_is_done(stack: Stack, wav: bytes) -> None:
    audio = base64.b64encode(wav).decode()
    for path, body in (("say", {"text": "One. Two. Three."}), ("animate", {"audio": audio})):
        reply = await stack.client.post(f"/v1/{path}", json={**body, "stream": True})
        events = events_of(reply.text)
        told = [data for name, data in events if name == "progress"]
        assert [set(data) for data in told] == [{"done_s", "total_s", "remaining_s"}] * len(told)
        assert told == sorted(told, key=lambda data: data["done_s"])
        last, done = told[-1], events[-1][1]
        assert last["total_s"] == pytest.approx(done["duration_s"], abs=0.04)
        assert last["done_s"] >= last["total_s"]
        assert last["remaining_s"] == 0
    first = next(name for name, _ in events if name != "start")
    assert (first, told[0]["total_s"], told[0]["remaining_s"]) == ("progress", 1.0, None)


async def test_a_spoken_question_is_told_as_heard(stack: Stack) -> None:
    audio = base64.b64encode(b"anything").decode()
    events = events_of((await stack.client.post("/v1/avatarchatbot/stream", json={"audio": audio})).text)
    assert ("transcript", {"text": "what was heard", "language": "en", "final": True}) in events


async def test_say_speaks_the_text_itself(stack: Stack) -> None:
    reply = (await stack.client.post("/v1/say", json={"text": "One. Two.", "response_format": "json"})).json()
    assert [sentence["text"] for sentence in reply["sentences"]] == ["One.", "Two."]
    assert reply["sentences"][1]["start"] >= reply["sentences"][0]["end"]
    assert stack.notes.llm == []


async def test_animate_mouths_the_recording(stack: Stack, wav: bytes, tmp_path: Path) -> None:
    body = {"audio": base64.b64encode(wav).decode(), "response_format": "json"}
    reply = (await stack.client.post("/v1/animate", json=body)).json()
    assert abs(reply["duration_s"] - 1.0) <= 0.04
    assert stack.notes.tts == []
    frames, sound = frames_of((await stack.client.get(reply["video_path"])).content, tmp_path)
    assert abs(frames - 25) <= 1
    assert abs(sound - 1.0) < 0.1


async def test_animate_refuses_silence(stack: Stack) -> None:
    silence = encode_audio(np.zeros(16_000, np.int16), 16_000, "wav")
    reply = await stack.client.post("/v1/animate", json={"audio": base64.b64encode(silence).decode()})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "no_speech")


async def test_nothing_unfinished_is_left_behind(stack: Stack) -> None:
    await stack.client.post("/v1/avatarchatbot", json={"text": "hello"})
    await stack.client.post("/v1/avatarchatbot", json={"text": "hello", "voice": "nobody"})
    assert [path.suffix for path in stack.outputs.iterdir()] == [".mp4"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("video/mp4;q=0, application/json", "application/json"),
        ("text/event-stream; q=0.0, application/json", "application/json"),
        ("application/json;q=0.5, Video/MP4;q=0.9", "video/mp4"),
        ("video/mp4;q=0.1, application/json", "application/json"),
        ("*/*", "application/json"),
    ],
)
async def test_the_form_the_client_likes_best_is_sent(stack: Stack, accept: str, kind: str) -> None:
    reply = await stack.client.post("/v1/say", json={"text": "hello"}, headers={"Accept": accept})
    assert reply.status_code == 200
    assert reply.headers["content-type"].partition(";")[0] == kind
