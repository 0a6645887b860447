"""Wav2Lip through the service: whole videos and live sessions, pictures and films, with the synthetic weights."""

from __future__ import annotations

import asyncio
import base64
import json
import resource
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import httpx
import numpy as np
import pytest
import pytest_asyncio
from fastapi import FastAPI
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from comps.animation.engine import AnimationOptions, Avatar
from comps.animation.engines.wav2lip.settings import ORIGINAL
from comps.animation.neural.batching import SharedBatch
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.animation.table import ENGINES
from comps.core.framing import pack_speech
from comps.core.media.audio import encode_audio
from comps.core.serve import running
from comps.core.speech import SpeechChunk
from tests.animation.films import film, turned
from tests.animation.test_animation_stream import Answer, collect
from tests.neural.wav2lip.checkpoints import save

pytestmark = [pytest.mark.torch, pytest.mark.asyncio(loop_scope="module")]

RATE = 24_000
SIZE = 128


def buzz(seconds: float) -> NDArray[np.int16]:
    t = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 9))
    return np.asarray(6000 * tone, np.int16)


def chunk(pcm: NDArray[np.int16], first: int = 0) -> SpeechChunk:
    return SpeechChunk(pcm, RATE, first)


@dataclass(frozen=True)
class Running:
    app: FastAPI
    url: str
    client: httpx.AsyncClient
    settings: AnimationSettings

    @property
    def engine(self) -> Any:
        return self.app.state.studio.engines.loaded["wav2lip"]

    async def session(self, pcm: NDArray[np.int16], rate: int = RATE, **start: Any) -> Answer:
        """What a live session answers to speech that comes 0.2 s at a time."""
        first = {"type": "start", "avatar": "ada", "sample_rate": rate, "format": "raw"} | start
        async with connect(self.url.replace("http", "ws", 1) + "/v1/animation/stream", max_size=None) as socket:
            await socket.send(json.dumps(first))
            for at in range(0, len(pcm), rate // 5):
                await socket.send(pack_speech(SpeechChunk(pcm[at : at + rate // 5], rate, at)))
            await socket.send('{"type":"end"}')
            return await collect(socket)


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save("bare", folder)
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, weights_folder: Path) -> AnimationSettings:
    tmp_path = tmp_path_factory.mktemp("service")
    return AnimationSettings(
        engine="wav2lip",
        data_dir=tmp_path / "data",
        output_dir=tmp_path / "out",
        models_dir=weights_folder,
        size=SIZE,
        wav2lip_device="cpu",
        wav2lip_backend="folded",
        wav2lip_batch=8,
        shutdown_grace_s=1,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(settings: AnimationSettings) -> AsyncIterator[Running]:
    import torch

    torch.set_num_threads(2)
    app = create_app(settings)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        yield Running(app, url, client, settings)


def frames_of(answer: Answer, size: int = SIZE) -> NDArray[np.uint8]:
    """The raw frames of a session, yuv420p `[n, h * 3 // 2, w]`."""
    assert answer.texts[-1]["type"] == "end", answer.texts
    parts = [np.frombuffer(payload, np.uint8).reshape(-1, size * 3 // 2, size) for _, payload in answer.messages]
    return np.concatenate(parts)


def shown(settings: AnimationSettings, avatar: Avatar) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A picture avatar as the video shows it at rest, RGB, and the box of its face."""
    from comps.animation.engines.wav2lip.scene import SceneOptions, make_scene
    from comps.animation.faces.haar import HaarDetector

    scene = make_scene(avatar, SceneOptions(settings.size), HaarDetector())
    assert scene.picture is not None
    return scene.picture, scene.boxes[0]


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((a.astype(float) - b) ** 2).mean())))


async def test_a_recording_becomes_a_video_as_long_as_it_that_changes_the_mouth_alone(
    service: Running, ada: Avatar
) -> None:
    seconds = 2.37
    audio = base64.b64encode(encode_audio(buzz(seconds), RATE, "wav")).decode()
    response = await service.client.post("/v1/animation", json={"audio": audio, "avatar": "ada"})
    assert response.status_code == 200, response.text
    frames, samples = [], 0
    with av.open(response.json()["video_path"]) as container:
        for packet in container.demux():
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    frames.append(frame.to_ndarray(format="rgb24"))
                else:
                    samples += frame.samples
    assert len(frames) == 60
    assert abs(len(frames) / 25 - samples / 48_000) <= 0.06
    picture, (x1, y1, x2, y2) = shown(service.settings, ada)
    for frame in frames[::7]:
        outside = frame.copy()
        outside[y1:y2, x1:x2] = picture[y1:y2, x1:x2]
        assert psnr(outside, picture) > 32
    mouths = np.stack([frame[y1 + (y2 - y1) * 2 // 3 : y2, x1:x2] for frame in frames]).astype(float)
    assert np.abs(mouths[20] - picture[y1 + (y2 - y1) * 2 // 3 : y2, x1:x2]).mean() > 10


@pytest.mark.parametrize(("seconds", "fps", "frames"), [(0.05, 25, 2), (0.15, 25, 4), (1.0, 30, 30), (1.01, 25, 26)])
async def test_frames_are_as_many_as_the_speech_is_long(
    service: Running, seconds: float, fps: int, frames: int
) -> None:
    answer = await service.session(buzz(seconds), fps=fps)
    assert len(frames_of(answer)) == frames
    assert answer.texts[-1] == {"type": "end", "frames": frames, "duration": pytest.approx(seconds, abs=1e-3)}
    assert answer.messages[0][0]["first"] == 0


async def test_outside_the_box_a_picture_does_not_change_by_one_level(service: Running, ada: Avatar) -> None:
    from comps.animation.engines.wav2lip.compositor import to_yuv

    frames = frames_of(await service.session(buzz(1.0)))
    picture, (x1, y1, x2, y2) = shown(service.settings, ada)
    still = to_yuv(picture)
    changed = (frames != still).any(0)
    assert changed[y1:y2, x1:x2].any()
    changed[y1:y2, x1:x2] = False
    assert not changed[:SIZE].any()


async def test_the_network_sees_the_window_of_each_frame(service: Running, settings: AnimationSettings) -> None:
    """A frame in the middle is the one that the network, the crop and the paste give when called by hand."""
    from comps.animation.engines.wav2lip.compositor import Compositor
    from comps.animation.engines.wav2lip.drawer import Spoken
    from comps.animation.engines.wav2lip.loading import load_drawer
    from comps.animation.engines.wav2lip.mel import mel_spectrogram
    from comps.animation.engines.wav2lip.paste import Paster
    from comps.animation.engines.wav2lip.picture import Face

    pcm = buzz(1.0)
    resampled = np.interp(np.arange(16000) * 1.5, np.arange(24000), pcm / 32768)
    mel = mel_spectrogram(resampled)
    avatar = service.app.state.studio.avatars.open("ada")
    scene = service.engine._scene(avatar, SIZE, service.engine._detector)
    compositor = Compositor(scene, Paster())
    face = Face(compositor.face(0))
    frame = 12
    start = int(frame * 80 / 25)
    (drawn,) = load_drawer(settings).draw([Spoken(mel[:, start : start + 16], face)])
    expected = compositor.compose([0], [drawn], [face.picture], [1.0])[0]
    found = frames_of(await service.session(pcm))[frame]
    # the resamplers differ, so the mels do a little
    assert np.abs(found.astype(int) - expected).max() <= 12
    assert np.abs(found.astype(int) - expected).mean() < 0.2


async def test_in_silence_the_picture_rests_and_noise_does_not_move_it(service: Running, ada: Avatar) -> None:
    from comps.animation.engines.wav2lip.compositor import to_yuv

    noise = np.random.default_rng(5).normal(size=2 * RATE) * 32767 * 10 ** (-58 / 20)
    pcm = np.concatenate([noise.astype(np.int16), buzz(0.6), noise.astype(np.int16)])
    frames = frames_of(await service.session(pcm))
    still = to_yuv(shown(service.settings, ada)[0])
    # sound from 2.0 to 2.6 s; windows look 200 ms ahead, the gate holds for 100 ms and the mouth fades for 200 ms
    assert (frames[:44] == still).all()
    assert (frames[74:] == still).all()
    assert (frames[52:64] != still).any(axis=(1, 2)).all()


async def test_the_quiet_mouth_can_be_switched_off(settings: AnimationSettings) -> None:
    app = create_app(settings.model_copy(update={"wav2lip_quiet_mouth": False, "wav2lip_paste": "hard"}))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await app.state.readiness.settled()
        frames = frames_of(await Running(app, url, client, settings).session(np.zeros(RATE // 2, np.int16)))
    assert len(frames) == 13
    from comps.animation.engines.wav2lip.compositor import to_yuv

    avatar = app.state.studio.avatars.open("ada")
    assert (frames != to_yuv(shown(settings, avatar)[0])).any(axis=(1, 2)).all()


async def test_a_video_avatar_speaks_with_its_own_motion_there_and_back(
    service: Running, video_file: bytes, nodding: list[NDArray[np.uint8]]
) -> None:
    response = await service.client.post("/v1/avatars", files={"file": ("me.mp4", video_file)})
    assert response.status_code == 201, response.text
    answer = await service.session(buzz(2.0), avatar=response.json()["id"], size=256)
    frames = frames_of(answer, 256)
    assert len(frames) == 50
    # hidden in frames 10 to 12 of the film, which are shown forth and back
    assert answer.texts[-1]["lost_faces"] >= 6
    # the shoulders, below the face: frame k of the film, and back again after the last
    for k in (3, 20, 29, 35, 45):
        source = k if k < 30 else 58 - k
        own = nodding[source][240:, :60].astype(float).mean(axis=2)
        near = frames[k][240:256, :60].astype(float)
        other = nodding[(source + 12) % 30 if source != 10 else 0][240:, :60].astype(float).mean(axis=2)
        assert np.abs(near - own).mean() < 14, k
        assert np.abs(near - own).mean() < np.abs(near - other).mean() + 1, k


async def test_as_the_original_a_frame_is_what_its_formulas_give(
    settings: AnimationSettings, video_file: bytes
) -> None:
    """Crop, masked input, whole network, cut levels, hard paste, and the film from its beginning again."""
    import torch

    from comps.animation.engines.wav2lip.compositor import to_yuv
    from comps.animation.engines.wav2lip.mel import mel_spectrogram
    from comps.animation.engines.wav2lip.network import Wav2Lip
    from comps.animation.footage import Footage
    from tests.neural.parity import weights

    top, bottom, left, right = 40, 220, 50, 206
    fields = {"wav2lip_original": True, "wav2lip_box": f"{top} {bottom} {left} {right}", "engine": "wav2lip"}
    app = create_app(AnimationSettings(**(settings.model_dump(exclude=set(ORIGINAL)) | fields)))
    pcm = buzz(2.0)[: 2 * 16_000]
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await app.state.readiness.settled()
        added = await client.post("/v1/avatars", files={"file": ("me.mp4", video_file)})
        runs = Running(app, url, client, settings)
        frames = frames_of(await runs.session(pcm, 16_000, avatar=added.json()["id"], size=256), 256)
        avatar = app.state.studio.avatars.open(added.json()["id"])
    network = Wav2Lip()
    network.load_state_dict(weights("wav2lip"))
    mel = mel_spectrogram(pcm / 32768)
    with Footage(avatar.video) as footage, torch.inference_mode():
        for number in (3, 20, 35):
            picture = footage.frame(number % 30).copy()
            face = cv2.resize(picture[top:bottom, left:right], (96, 96))[..., ::-1].astype(np.float32) / 255
            masked = face.copy()
            masked[48:] = 0
            six = np.concatenate((masked, face), axis=2).transpose(2, 0, 1)
            window = mel[:, int(number * 80 / 25) :][:, :16]
            drawn = network.eval()(torch.from_numpy(window.copy())[None, None], torch.from_numpy(six.copy())[None])[0]
            shown = (drawn.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)[..., ::-1]
            picture[top:bottom, left:right] = cv2.resize(shown, (right - left, bottom - top))
            difference = np.abs(frames[number].astype(int) - to_yuv(picture))
            assert difference.max() <= 2, number
            assert difference.mean() < 0.01, number


STRANGE = {
    "odd sides": {"size": (257, 255), "codec": "ffv1", "container": "matroska", "pixel_format": "yuv444p"},
    "uneven times": {"times_ms": [0, 40, 90, 250, 290, 300]},
    "transparency": {"codec": "qtrle", "container": "mov", "pixel_format": "argb"},
    "turned": {"turn": 90},
}


@pytest.mark.parametrize("kind", STRANGE)
async def test_strange_films_speak(service: Running, portrait: NDArray[np.uint8], kind: str) -> None:
    options = dict(STRANGE[kind])
    picture = cv2.resize(portrait, options.pop("size", (256, 256))).astype(np.uint8)
    if kind == "transparency":
        picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    turn = options.pop("turn", 0)
    # stored lying on its left side, to be turned clockwise when shown
    stored = np.ascontiguousarray(np.rot90(picture, turn // 90))
    data = film([stored] * 6, **({"codec": "libx264"} | options))
    response = await service.client.post("/v1/avatars", files={"file": ("me", turned(data, turn) if turn else data)})
    assert response.status_code == 201, response.text
    answer = await service.session(buzz(0.6), avatar=response.json()["id"])
    assert len(frames_of(answer)) == 15
    assert answer.texts[-1]["lost_faces"] == 0


async def test_a_film_in_which_no_face_can_be_followed_is_refused(
    service: Running, portrait: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was registered, but the detector in use sees nobody in any frame."""
    added = await service.client.post("/v1/avatars", files={"file": ("me.mp4", film([portrait] * 5, codec="libx264"))})
    monkeypatch.setattr(service.engine._detector, "detect", lambda pictures: [[] for _ in pictures])
    audio = base64.b64encode(encode_audio(buzz(0.5), RATE, "wav")).decode()
    response = await service.client.post("/v1/animation", json={"audio": audio, "avatar": added.json()["id"]})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "face"


async def test_a_cancelled_session_stops_within_one_batch(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = service.engine._shared._run

    def counted(items: list[Any]) -> Any:
        drawn.append(len(items))
        return draw(items)

    monkeypatch.setattr(service.engine._shared, "_run", counted)
    url = service.url.replace("http", "ws", 1) + "/v1/animation/stream"
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps({"type": "start", "avatar": "ada", "sample_rate": RATE, "format": "raw"}))
        await socket.send(pack_speech(chunk(buzz(20.0))))
        await socket.recv()
        await socket.recv()
        await socket.send('{"type":"cancel"}')
        await socket.wait_closed()
    for _ in range(500):
        if not service.app.state.studio.sessions:
            break
        await asyncio.sleep(0.01)
    calls = len(drawn)
    await asyncio.sleep(0.3)
    assert len(drawn) <= calls + 1
    assert sum(drawn) < 200


async def test_too_little_memory_means_smaller_batches_then_an_error(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, room = service.engine._shared._run, 2

    def cramped(items: list[Any]) -> Any:
        if len(items) > room:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return draw(items)

    shared: SharedBatch[Any, Any] = SharedBatch(cramped, 8, 0.0)
    monkeypatch.setattr(service.engine, "_shared", shared)
    assert len(frames_of(await service.session(buzz(0.5)))) == 13
    assert shared.counts.out_of_memory > 0
    room = 0
    answer = await service.session(buzz(0.5))
    assert answer.error["code"] == "engine_unavailable"
    assert "memory" in answer.error["message"]
    await shared.close()


async def test_answers_at_once_share_the_networks_calls(service: Running) -> None:
    before = service.engine._shared.counts
    answers = await asyncio.gather(*(service.session(buzz(1.0)) for _ in range(4)))
    assert [len(frames_of(answer)) for answer in answers] == [25] * 4
    assert all((frames_of(answer) == frames_of(answers[0])).mean() > 0.999 for answer in answers)
    after = service.engine._shared.counts
    items, calls = after.items - before.items, after.calls - before.calls
    assert items >= 4 * 20
    assert items / calls > 4


async def test_the_table_says_what_the_engine_can_do(service: Running) -> None:
    assert ENGINES.spec("wav2lip").capabilities.look_ahead_s == pytest.approx(service.engine.capabilities.look_ahead_s)
    assert ENGINES.spec("wav2lip").capabilities.needs_phones is service.engine.capabilities.needs_phones is False


async def test_frames_from_the_middle_on_are_those_of_the_whole_and_no_other_is_drawn(
    service: Running, ada: Avatar
) -> None:
    async def speech() -> AsyncIterator[SpeechChunk]:
        pcm = np.concatenate([buzz(0.6), np.zeros(RATE, np.int16), buzz(0.6)])
        for at in range(0, len(pcm), RATE // 5):
            yield chunk(pcm[at : at + RATE // 5], at)

    whole = await service.engine.open(ada, AnimationOptions(size=64))
    frames = np.concatenate([batch.frames async for batch in whole.animate(speech())])
    for first in (7, 31, 54):  # 31: while the mouth comes to rest or back
        before = service.engine._shared.counts.items
        performance = await service.engine.open(ada, AnimationOptions(size=64))
        batches = [batch async for batch in performance.animate_from(speech(), first)]
        assert batches[0].first == first
        left = np.concatenate([batch.frames for batch in batches])
        assert left.shape == frames[first:].shape
        # a call of the network gives another last bit in another company
        assert np.abs(left.astype(int) - frames[first:]).max() <= 1
        assert (left == frames[first:]).mean() > 0.999
        assert service.engine._shared.counts.items - before <= len(frames) - first


async def test_ten_minutes_take_no_more_memory_than_one(
    service: Running, ada: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a network that takes no time, as its own does not depend on the length of the speech."""

    class Instant:
        def draw(self, spoken: list[Any]) -> list[NDArray[np.uint8]]:
            return [item.face.picture for item in spoken]

    shared: SharedBatch[Any, Any] = SharedBatch(Instant().draw, 8, 0.0)
    monkeypatch.setattr(service.engine, "_shared", shared)
    performance = await service.engine.open(ada, AnimationOptions(size=64))
    minute = 60 * RATE

    async def speech() -> AsyncIterator[SpeechChunk]:
        pcm = buzz(2.0)
        for at in range(0, 10 * minute, len(pcm)):
            yield chunk(pcm, at)

    frames, peaks = 0, []
    async for batch in performance.animate(speech()):
        frames += len(batch.frames)
        if frames % 1500 < len(batch.frames):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert frames == 15_000
    assert peaks[-1] - peaks[0] < 8_000  # KB
    await shared.close()
