"""Whole videos and avatars over HTTP, against a real server."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.media.audio import encode_audio
from comps.core.serve import running
from tests.animation.conftest import RATE, Running, base64_wav, jpeg, tone
from tests.animation.stand_in import TABLE

Json = dict[str, Any]


def video_facts(file: str | io.BytesIO) -> tuple[int, float, list[float]]:
    """Frames, seconds of sound, and the brightness of the middle of each frame."""
    brightness, samples = [], 0
    with av.open(file) as container:
        for packet in container.demux():
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    grey = frame.to_ndarray(format="gray")
                    brightness.append(float(grey[grey.shape[0] // 2, grey.shape[1] // 2]))
                elif isinstance(frame, av.AudioFrame):
                    samples += frame.samples
    return len(brightness), samples / 48_000, brightness


def refused(response: httpx.Response, status: int, words: str) -> Json:
    error: Json = response.json()["error"]
    assert response.status_code == status, error
    assert words in error["message"]
    assert error["service"] == "animation"
    return error


async def add(service: Running, file: bytes, name: str = "face.jpg") -> Json:
    response = await service.client.post("/v1/avatars", files={"file": (name, file)})
    assert response.status_code == 201, response.text
    document: Json = response.json()
    return document


@pytest.mark.parametrize("field", ["byte_str", "audio"])
async def test_speech_becomes_a_video_as_long_as_it_and_moving_with_it(service: Running, field: str) -> None:
    response = await service.client.post("/v1/animation", json={field: base64_wav(2.3)})
    body = response.json()
    assert response.status_code == 200, body
    assert body["video_path"] == body["wav2lip_result"]
    assert body["id"] in body["video_path"]
    frames, seconds, brightness = video_facts(body["video_path"])
    assert frames == 58
    assert seconds == pytest.approx(2.3, abs=0.04)
    assert min(brightness[2:10] + brightness[27:35]) > 60 > 30 > max(brightness[15:23] + brightness[40:48])
    assert list(service.settings.output_dir.iterdir()) == [Path(body["video_path"])]


async def test_the_alias_answers_with_the_path_only(service: Running) -> None:
    response = await service.client.post("/v1/wav2lip", json={"audio": base64_wav(0.5)})
    assert list(response.json()) == ["wav2lip_result"]
    assert video_facts(response.json()["wav2lip_result"])[0] == 13


async def test_the_video_itself_can_be_asked_for(service: Running) -> None:
    body = {"audio": base64_wav(1.0), "fps": 30, "size": 96}
    response = await service.client.post("/v1/animation", json=body, headers={"accept": "video/mp4"})
    assert response.headers["content-type"] == "video/mp4"
    frames, _, _ = video_facts(io.BytesIO(response.content))
    assert frames == 30
    refused(
        await service.client.post(
            "/v1/animation", json=body | {"emotion": "faceless"}, headers={"accept": "video/mp4"}
        ),
        422,
        "cannot be animated",
    )


@pytest.mark.parametrize("accept", ["video/mp4;q=0.1, application/json", "video/mp4;q=0, */*", "x-video/mp4"])
async def test_a_video_that_is_not_wanted_is_not_sent(service: Running, accept: str) -> None:
    response = await service.client.post("/v1/animation", json={"audio": base64_wav(0.4)}, headers={"accept": accept})
    assert response.headers["content-type"] == "application/json"
    assert response.json()["video_path"]


async def test_eight_requests_at_once_get_their_own_videos(service: Running, portrait: NDArray[np.uint8]) -> None:
    async def ask(index: int) -> tuple[int, str]:
        body = {"audio": base64_wav(0.4 + 0.2 * index), "avatar": ("ada", "noor")[index % 2]}
        for _ in range(200):
            response = await service.client.post("/v1/animation", json=body)
            if response.status_code != 429:
                return video_facts(response.json()["video_path"])[0], response.json()["id"]
            assert response.headers["retry-after"]
            await asyncio.sleep(0.05)
        raise AssertionError("never served")

    answers = await asyncio.gather(*(ask(index) for index in range(8)))
    assert [frames for frames, _ in answers] == [10 + 5 * index for index in range(8)]
    assert len({name for _, name in answers}) == 8


async def test_a_picture_for_one_request_is_used_and_not_kept(service: Running, portrait_file: bytes) -> None:
    before = (await service.client.get("/v1/avatars")).json()
    body = {"audio": base64_wav(0.4), "image": base64.b64encode(portrait_file).decode()}
    response = await service.client.post("/v1/animation", json=body)
    assert response.status_code == 200, response.text
    assert (await service.client.get("/v1/avatars")).json() == before


def big_png(side: int) -> bytes:
    """A PNG that says it has `side` x `side` pixels and holds one line of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(3 * side + 1))) + chunk(b"IEND", b"")


NAN_WAV = (
    struct.pack("<4sI4s", b"RIFF", 36 + 4000, b"WAVE")
    + struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 16_000, 64_000, 4, 32)
    + struct.pack("<4sI", b"data", 4000)
    + np.full(1000, np.nan, "<f4").tobytes()
)
SILENT = encode_audio(np.zeros(RATE, np.int16), RATE, "wav")
LONG = encode_audio(tone(25.0), RATE, "wav")


@pytest.mark.parametrize(
    ("audio", "status", "words"),
    [
        (b"just text, no sound at all", 415, "no audio"),
        (encode_audio(np.zeros(0, np.int16), RATE, "wav"), 422, "no samples"),
        (NAN_WAV, 422, "finite"),
        (SILENT, 422, "silent"),
        (LONG, 413, "longer than 20 s"),
    ],
)
async def test_bad_audio_is_refused(service: Running, audio: bytes, status: int, words: str) -> None:
    body = {"audio": base64.b64encode(audio).decode()}
    refused(await service.client.post("/v1/animation", json=body), status, words)
    assert not service.settings.output_dir.exists() or not list(service.settings.output_dir.iterdir())


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"audio": None}, 422, "missing"),
        ({"audio": "%%%"}, 422, "not valid base64"),
        ({"byte_str": "AAAA"}, 422, "disagree"),
        ({"avatar": "nobody"}, 404, "no avatar 'nobody'"),
        ({"avatar": "../ada"}, 404, "no avatar"),
        ({"engine": "magic"}, 422, "no engine 'magic'"),
        ({"engine": "absent"}, 503, "pip install 'avatarchatbot[wav2lip]'"),
        ({"fps": 0}, 422, "fps"),
        ({"size": 65}, 422, "even"),
        ({"size": 5000}, 422, "size"),
        ({"emotion": "faceless"}, 422, "cannot be animated"),
        ({"image": "AAAA", "avatar": "ada"}, 422, "disagree"),
        ({"image": base64.b64encode(b"text").decode()}, 415, "no picture"),
        ({"image": base64.b64encode(big_png(20_000)).decode()}, 413, "pixels"),
    ],
)
async def test_bad_requests_are_refused(service: Running, change: Json, status: int, words: str) -> None:
    body = {"audio": base64_wav(0.3)} | change
    refused(await service.client.post("/v1/animation", json=body), status, words)
    assert service.app.state.studio.sessions == 0


async def test_a_body_that_is_nothing_or_not_json_is_400(service: Running) -> None:
    for path in ("/v1/animation", "/v1/wav2lip", "/v1/avatars"):
        refused(await service.client.post(path), 400, "empty")
        refused(
            await service.client.post(path, content=b"{", headers={"content-type": "application/json"}), 400, "JSON"
        )


async def test_after_a_failure_the_next_request_is_right(service: Running) -> None:
    await service.client.post("/v1/animation", json={"audio": base64_wav(0.4), "emotion": "faceless"})
    response = await service.client.post("/v1/animation", json={"audio": base64_wav(0.6)})
    assert video_facts(response.json()["video_path"])[0] == 15


async def test_a_client_that_leaves_stops_the_work_and_leaves_no_file(service: Running) -> None:
    (await service.client.post("/v1/animation", json={"audio": base64_wav(0.3)})).raise_for_status()
    service.engine.delay_s = 0.05
    with pytest.raises(httpx.ReadTimeout):
        await service.client.post("/v1/animation", json={"audio": base64_wav(19.0)}, timeout=0.5)
    for _ in range(100):
        if service.engine.open_now == 0 and service.app.state.studio.sessions == 0:
            break
        await asyncio.sleep(0.02)
    drawn = service.engine.drawn
    await asyncio.sleep(0.2)
    assert service.engine.drawn == drawn < 19 * 25
    assert len(list(service.settings.output_dir.iterdir())) == 1


async def test_health_answers_while_videos_are_made(service: Running) -> None:
    service_work = asyncio.create_task(service.client.post("/v1/animation", json={"audio": base64_wav(4.0)}))
    while not service_work.done():
        assert (await service.client.get("/health")).status_code == 200
    assert service_work.result().status_code == 200
    check = (await service.client.get("/v1/health_check")).json()
    assert check["nodes"] == {"stand-in": "ok"}


async def test_an_avatar_lives_and_dies(service: Running, portrait_file: bytes) -> None:
    avatar = await add(service, portrait_file, "../../My Face.jpeg")
    path = f"/v1/avatars/{avatar['id']}"
    assert avatar["name"] == "My Face"
    assert not avatar["builtin"]
    listed = (await service.client.get("/v1/avatars")).json()["avatars"]
    assert avatar in listed
    assert listed[0]["builtin"]
    assert (await service.client.get(path)).json() == avatar
    image = await service.client.get(f"{path}/image")
    assert image.headers["content-type"] == "image/png"
    assert cv2.imdecode(np.frombuffer(image.content, np.uint8), 1).shape == (512, 512, 3)
    preview = await service.client.get(f"{path}/preview.png")
    assert cv2.imdecode(np.frombuffer(preview.content, np.uint8), 1) is not None
    assert (
        await service.client.post("/v1/animation", json={"audio": base64_wav(0.3), "avatar": avatar["id"]})
    ).is_success
    assert (await service.client.delete(path)).status_code == 204
    refused(await service.client.get(path), 404, "no avatar")
    refused(await service.client.delete("/v1/avatars/ada"), 422, "cannot be deleted")


async def test_points_are_edited(service: Running, portrait_file: bytes) -> None:
    path = f"/v1/avatars/{(await add(service, portrait_file))['id']}/rig"
    rig = (await service.client.get(path)).json()
    rig["points"]["lips_outer"][0][0] += 3
    edited = await service.client.put(path, json=rig)
    assert edited.status_code == 200, edited.text
    kept = (await service.client.get(path)).json()
    assert kept["points"] == rig["points"]
    assert kept["source"] == "edited"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "format"),
        ({"points": {}}, "jaw"),
        ({"points": "x"}, "rig"),
        ({"size": [1, 1]}, "picture of"),
        ({"irises": [[1e30, 1, 1], [1, 1, 1]]}, "outside"),
        ({"crown": ["a", "b"]}, "rig"),
    ],
)
async def test_points_that_make_no_face_are_refused(
    service: Running, portrait_file: bytes, change: Json, words: str
) -> None:
    path = f"/v1/avatars/{(await add(service, portrait_file))['id']}/rig"
    rig = (await service.client.get(path)).json()
    refused(await service.client.put(path, json=rig | change), 422, words)
    assert (await service.client.get(path)).json() == rig


async def test_an_avatar_as_json_with_its_own_rig(service: Running) -> None:
    scribble = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)
    rig = (await service.client.get("/v1/avatars/ada/rig")).json()
    body = {"image": base64.b64encode(jpeg(scribble)).decode(), "name": "Scribble", "rig": rig, "voice": "male"}
    response = await service.client.post("/v1/avatars", json=body)
    assert response.status_code == 201, response.text
    assert (response.json()["name"], response.json()["voice"]) == ("Scribble", "male")
    form = {"rig": json.dumps(rig), "voice": "female"}
    response = await service.client.post("/v1/avatars", files={"file": ("x.jpg", jpeg(scribble))}, data=form)
    assert (response.json()["name"], response.json()["voice"]) == ("Scribble", "female")


@pytest.mark.parametrize(
    ("file", "status", "words"),
    [
        (b"", 422, "empty"),
        (b"no picture", 415, "no picture"),
        (big_png(20_000), 413, "pixels"),
        (jpeg(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))[:4000], 422, "cut short"),
        (jpeg(np.full((300, 300, 3), 120, np.uint8)), 422, "no face was found"),
    ],
)
async def test_bad_pictures_are_refused(service: Running, file: bytes, status: int, words: str) -> None:
    response = await service.client.post("/v1/avatars", files={"file": ("x.png", file)})
    refused(response, status, words)
    assert all(avatar["builtin"] for avatar in (await service.client.get("/v1/avatars")).json()["avatars"])


async def test_a_form_without_a_picture_is_refused(service: Running) -> None:
    refused(await service.client.post("/v1/avatars", files={"name": (None, "x")}), 422, "'file' is missing")
    refused(await service.client.post("/v1/avatars", json={"name": "x"}), 422, "image")


async def test_an_operators_face_is_the_default(
    settings: AnimationSettings, portrait_file: bytes, tmp_path: Path
) -> None:
    (tmp_path / "my.face.jpg").write_bytes(portrait_file)
    app = create_app(settings.model_copy(update={"face": tmp_path / "my.face.jpg"}), TABLE)
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await app.state.readiness.settled()
        first = (await client.get("/v1/avatars")).json()["avatars"][0]
        assert (first["name"], first["builtin"]) == ("my.face", False)
        assert (await client.get("/v1/avatars/default")).json()["id"] == first["id"]


async def test_an_unknown_default_engine_is_said_by_readyz(settings: AnimationSettings) -> None:
    app = create_app(settings.model_copy(update={"engine": "magic"}), TABLE)
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await app.state.readiness.settled()
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert "no engine 'magic'" in ready.text
        assert (await client.get("/livez")).status_code == 200


async def test_an_unknown_default_avatar_is_said_by_readyz(settings: AnimationSettings) -> None:
    app = create_app(settings.model_copy(update={"default_avatar": "nobody"}), TABLE)
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await app.state.readiness.settled()
        assert "no avatar 'nobody'" in (await client.get("/readyz")).text


async def test_a_damaged_avatar_is_named_with_what_to_do(service: Running, portrait_file: bytes) -> None:
    avatar = (await add(service, portrait_file))["id"]
    (service.settings.data_dir / "avatars" / avatar / "rig.json").write_bytes(b"{")
    for path in ("", "/rig", "/preview.png", "/image"):
        refused(await service.client.get(f"/v1/avatars/{avatar}{path}"), 422, f"'{avatar}' is damaged")
    body = {"audio": base64_wav(0.2), "avatar": avatar}
    assert refused(await service.client.post("/v1/animation", json=body), 422, "is damaged")["param"] == "avatar"
    assert (await service.client.delete(f"/v1/avatars/{avatar}")).status_code == 204
    refused(await service.client.get(f"/v1/avatars/{avatar}"), 404, "no avatar")
