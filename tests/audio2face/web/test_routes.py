"""`POST /v1/audio2face` against a real server."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from comps.animation.audio2face.export.glb import Glb
from comps.animation.audio2face.names import ALL_SHAPES, FACE_EMOTIONS
from comps.animation.audio2face.web.host import FaceHost, keep_host
from comps.animation.audio2face.web.routes import accepted
from comps.animation.settings import AnimationSettings
from comps.core.media.audio import encode_audio
from tests.audio2face.export.test_gltf import Viewer, user_mesh
from tests.audio2face.web.conftest import RATE, Json, Served, base64_wav, sound, wav

JAW = ALL_SHAPES.index("JawOpen")


def lines(response: httpx.Response) -> list[Json]:
    return [json.loads(line) for line in response.text.splitlines()]


def refused(response: httpx.Response, status: int, words: str) -> Json:
    error: Json = response.json()["error"]
    assert response.status_code == status, error
    assert words in error["message"]
    assert error["service"] == "animation"
    return error


async def test_a_recording_in_json_becomes_lines(service: Served) -> None:
    response = await service.client.post("/v1/audio2face", json={"audio": base64_wav(2.5)})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    header, *frames, end = lines(response)
    assert (header["names"], header["fps"], header["sample_rate"]) == (list(ALL_SHAPES), 30, RATE)
    assert end == {"type": "end", "frames": 76}
    assert [frame["index"] for frame in frames] == list(range(76))
    jaw = np.array([frame["weights"][JAW] for frame in frames])
    assert jaw[5] > 0.3 > 0.01 > jaw[24]
    assert frames[8]["emotions"][FACE_EMOTIONS.index("joy")] > 0.02


@pytest.mark.parametrize("container", ["mp3", "flac", "opus"])
async def test_any_container_may_be_uploaded(service: Served, container: Any) -> None:
    data = encode_audio(sound(1.0, 48_000), 48_000, container)
    response = await service.client.post("/v1/audio2face", files={"file": ("speech", data)})
    assert response.status_code == 200, response.text
    assert 29 <= lines(response)[-1]["frames"] <= 32


async def test_a_form_carries_parameters_and_format(service: Served) -> None:
    parameters = {"fps": 60, "blendshape_params": {"bs_weight_multipliers": {"JawOpen": 0.0}}}
    response = await service.client.post(
        "/v1/audio2face",
        files={"file": ("speech.wav", wav(0.5))},
        data={"parameters": json.dumps(parameters), "format": "csv"},
    )
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert response.headers["content-disposition"] == "attachment; filename=animation.csv"
    assert len(rows) == 31
    assert float(rows[1]["timeCode"]) == pytest.approx(1 / 60)
    assert {row["blendShapes.JawOpen"] for row in rows} == {"0.0"}


async def test_parameters_reach_the_face_as_over_grpc(service: Served) -> None:
    body = {
        "audio": base64_wav(0.5),
        "face_params": {"float_params": {"tongueStrength": 0.5, "noSuchParameter": 1.0}},
        "emotion_post_processing_params": {"emotion_strength": 1.0, "preferred_emotion_strength": 1.0, "live_blend_coef": 0.0},
        "emotion_params": {"live_transition_time": 0.001, "beginning_emotion": {"anger": 0.5}},
        "blendshape_params": {"bs_weight_offsets": {"CheekPuff": 0.25}, "enable_clamping_bs_weight": True},
        "emotions": [{"time_code": 0.0, "emotion": {"joy": 0.75}}],
        "echo_audio": True,
    }  # fmt: skip
    header, warning, *frames, _ = lines(await service.client.post("/v1/audio2face", json=body))
    assert header["type"] == "header"
    assert warning == {"type": "warning", "message": "unknown face parameters are ignored: noSuchParameter"}
    assert service.model.opened[-1].values["tongue_strength"] == 0.5
    assert frames[3]["emotions"][FACE_EMOTIONS.index("joy")] == pytest.approx(0.75)
    assert frames[3]["weights"][ALL_SHAPES.index("MouthSmileLeft")] == pytest.approx(0.75)
    assert frames[3]["weights"][ALL_SHAPES.index("CheekPuff")] == pytest.approx(0.25)
    echoed = b"".join(base64.b64decode(frame["audio"]) for frame in frames)
    assert np.frombuffer(echoed, "<i2") == pytest.approx(sound(0.5), abs=1)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("model/gltf-binary", "model/gltf-binary"),
        ("application/json", "application/json"),
        ("model/vnd.usda, */*;q=0.1", "model/vnd.usda"),
        ("text/csv;q=0.5, application/json;q=0.2", "text/csv; charset=utf-8"),
        ("*/*", "application/x-ndjson"),
        ("image/png", "application/x-ndjson"),
    ],
)
async def test_accept_chooses_the_format(service: Served, accept: str, kind: str) -> None:
    response = await service.client.post("/v1/audio2face", json={"audio": base64_wav(0.3)}, headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, kind)


def test_a_broken_weight_in_accept_counts_as_one() -> None:
    assert accepted("text/csv;q=high").name == "csv"
    assert accepted("text/csv;q=0").name == "ndjson"


async def test_every_format_holds_the_same_frames(service: Served) -> None:
    async def fetched(name: str) -> httpx.Response:
        response = await service.client.post(f"/v1/audio2face?format={name}", json={"audio": base64_wav(0.5)})
        assert response.status_code == 200, response.text
        return response

    jaw = [frame["weights"][JAW] for frame in lines(await fetched("ndjson"))[1:-1]]
    document = (await fetched("json")).json()
    assert [frame["weights"][JAW] for frame in document["frames"]] == jaw
    take = csv.DictReader(io.StringIO((await fetched("livelink")).text))
    assert [float(row["JawOpen"]) for row in take] == pytest.approx(jaw, abs=1e-6)
    moved = Viewer((await fetched("glb")).content).channels()[0, "weights"][1].reshape(-1, 68)
    assert moved[:, JAW] == pytest.approx(jaw, abs=1e-6)
    assert (await fetched("usda")).text.startswith("#usda 1.0")


async def test_a_mesh_of_the_users_is_moved(service: Served) -> None:
    mesh = user_mesh(["jawOpen"])
    files = {"file": ("a.wav", wav(0.5)), "mesh": ("face.glb", mesh)}
    for response in (
        await service.client.post("/v1/audio2face", files=files, data={"format": "glb"}),
        await service.client.post(
            "/v1/audio2face",
            json={"audio": base64_wav(0.5), "format": "glb", "mesh": base64.b64encode(mesh).decode()},
        ),
    ):
        assert response.status_code == 200, response.text
        assert list(Viewer(response.content).channels()) == [(1, "weights")]


async def test_frames_leave_before_the_clip_is_done(service: Served) -> None:
    async with service.client.stream("POST", "/v1/audio2face", json={"audio": base64_wav(5.0)}) as response:
        arriving = response.aiter_lines()
        assert json.loads(await anext(arriving))["type"] == "header"
        service.model.gate.clear()
        seen = json.loads(await asyncio.wait_for(anext(arriving), 10))
        assert seen["type"] == "frame"
        service.model.gate.set()
        assert json.loads([line async for line in arriving][-1]) == {"type": "end", "frames": 151}


NOISE = np.random.default_rng(1).integers(0, 255, 2000, np.uint8).tobytes()


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"audio": ""}, 422, "'audio' is missing"),
        ({"audio": "%%%"}, 422, "base64"),
        ({"audio": base64.b64encode(NOISE).decode()}, 415, "no audio"),
        ({"audio": base64_wav(9.0)}, 413, "longer than 8 s"),
        ({"format": "fbx"}, 422, "there are: ndjson, json, csv"),
        ({"fps": 25}, 422, "fps"),
        ({"mesh": "AAAA"}, 422, "'mesh' is for the format glb"),
        ({"mesh": base64.b64encode(NOISE).decode(), "format": "glb"}, 422, "no .glb"),
        ({"face_params": {"float_params": {"skinStrength": 5.0}}}, 422, "skinStrength = 5.0 is out of range; allowed is 0 to 2"),
        ({"face_params": {"float_params": {"skinStrength": "much"}}}, 422, "skinStrength = much is not a number"),
        ({"face_params": 3}, 422, "face_params"),
        ({"emotion_post_processing_params": {"max_emotions": 0}}, 422, "max_emotions = 0"),
        ({"emotion_post_processing_params": {"contrast": 1}}, 422, "no parameter 'contrast'; there are: emotion_contrast"),
        ({"emotion_params": {"live_transition_time": 0}}, 422, "live_transition_time"),
        ({"emotion_params": {"beginning_emotion": {"joy": 2}}}, 422, "beginning_emotion.joy = 2"),
        ({"blendshape_params": {"bs_weight_multipliers": {"JawOpen": "wide"}}}, 422, "JawOpen"),
        ({"emotions": [{"time_code": -1.0, "emotion": {}}]}, 422, "time_code = -1.0 is out of range"),
        ({"emotions": [{"time_code": 0, "emotion": {"joy": 1.5}}]}, 422, "joy = 1.5"),
        ({"emotions": [{"emotion": {"joy": 1}}]}, 422, "time_code"),
        ({"emotions": [{"time_code": 0}] * 10_001}, 422, "emotions"),
    ],
)  # fmt: skip
async def test_bad_requests_are_refused_by_name(service: Served, change: Json, status: int, words: str) -> None:
    response = await service.client.post("/v1/audio2face", json={"audio": base64_wav(0.3), **change})
    refused(response, status, words)
    assert service.host.streams == 0


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"content": b""}, 400, "empty"),
        ({"content": b"{not json"}, 400, "no JSON"),
        ({"content": b"[1, 2]"}, 422, "object"),
        ({"files": {"mesh": ("a.glb", b"x")}}, 422, "'file' is missing"),
        ({"files": {"file": ("a.wav", b"")}}, 422, "empty"),
        ({"files": {"file": ("a.wav", wav(0.2))}, "data": {"parameters": "{"}}, 400, "'parameters' is no JSON"),
        ({"files": {"file": ("a.wav", wav(0.2))}, "data": {"parameters": '{"fps": 1}'}}, 422, "fps"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
    ],
)
async def test_bad_bodies_are_refused(service: Served, request_: Any, status: int, words: str) -> None:
    refused(await service.client.post("/v1/audio2face", **request_), status, words)


async def test_a_fault_in_the_middle_is_the_last_line(service: Served) -> None:
    async with service.client.stream("POST", "/v1/audio2face", json={"audio": base64_wav(6.0)}) as response:
        assert response.status_code == 200
        arriving = response.aiter_lines()
        await anext(arriving)
        service.model.fault = LookupError("broken")
        rest = []
        with pytest.raises(httpx.RemoteProtocolError):
            rest += [line async for line in arriving]
    service.model.fault = None
    assert service.host.streams == 0


async def test_as_many_clips_as_fit_are_served_and_more_get_429(service: Served) -> None:
    service.model.gate.clear()
    held = [asyncio.create_task(service.client.post("/v1/audio2face", json={"audio": base64_wav(0.5)})) for _ in "ab"]
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if service.host.streams == 2:
            break
    third = await service.client.post("/v1/audio2face", json={"audio": base64_wav(0.5)})
    refused(third, 429, "2 clips are being animated")
    assert third.headers["retry-after"]
    service.model.gate.set()
    assert [response.status_code for response in await asyncio.gather(*held)] == [200, 200]
    assert service.host.streams == 0


async def test_a_client_that_goes_leaves_nothing_running(service: Served) -> None:
    async with service.client.stream("POST", "/v1/audio2face", json={"audio": base64_wav(8.0)}) as response:
        await anext(response.aiter_lines())
    for _ in range(500):
        if not service.host.streams:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the clip was not given up")


@pytest.fixture
def broken(settings: AnimationSettings) -> Callable[[], None]:
    """A deployment file that is broken until it is repaired."""
    path = Path(str(settings.audio2face_deployment_config))
    good = path.read_text()
    path.write_text("common:\n  stream_number: many\n")

    def repair() -> None:
        path.write_text(good)

    return repair


async def test_a_broken_file_is_named_and_what_is_repaired_works(broken: Callable[[], None], service: Served) -> None:
    refused(
        await service.client.post("/v1/audio2face", json={"audio": base64_wav(0.2)}),
        422,
        "deployment_config.yaml:2: common",
    )
    broken()
    assert (await service.client.post("/v1/audio2face", json={"audio": base64_wav(0.2)})).status_code == 200


async def test_without_files_nothing_but_the_base_install_is_needed(
    settings: AnimationSettings, service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("grpc", "ruamel", "ruamel.yaml", "ruamel.yaml.error", "pythonosc"):
        monkeypatch.setitem(sys.modules, module, None)
    plain = settings.model_copy(update={"audio2face_deployment_config": None, "audio2face_advanced_config": None})
    keep_host(service.app, FaceHost(plain))  # the project's own inference
    for name in ("ndjson", "csv", "livelink", "glb", "usda", "json"):
        response = await service.client.post(f"/v1/audio2face?format={name}", json={"audio": base64_wav(0.2)})
        assert response.status_code == 200, response.text
    files = settings.model_copy(update={"audio2face_advanced_config": None})
    keep_host(service.app, FaceHost(files))
    refused(
        await service.client.post("/v1/audio2face", json={"audio": base64_wav(0.2)}),
        503,
        "pip install 'avatarchatbot[audio2face]'",
    )


async def test_the_glb_of_a_clip_is_whole(service: Served) -> None:
    response = await service.client.post("/v1/audio2face?format=glb", json={"audio": base64_wav(1.0)})
    document = Glb.read(response.content).document
    assert document["animations"][0]["channels"][0]["target"] == {"node": 0, "path": "weights"}
