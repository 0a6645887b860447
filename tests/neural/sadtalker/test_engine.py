"""SadTalker through the real service, with official checkpoint files of synthetic weights.

A frame takes seconds on a CPU, so answers are a few frames long; motion of full length is tested in test_motion.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engine import AnimationOptions, Avatar
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.animation.table import ENGINES
from comps.core.errors import NotReadyError
from comps.core.serve import running
from comps.core.speech import SpeechChunk
from tests.animation.conftest import base64_wav
from tests.animation.test_animation_service import video_facts
from tests.neural.sadtalker.conftest import small

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

FRAME = 640
"""Samples, at 16 kHz, of one frame at 25 frames/s."""


def settings_for(models: Path, tmp_path: Path, **changes: Any) -> AnimationSettings:
    """For small pictures, unless `changes` say a `sadtalker_size`."""
    fixed = {"models_dir": models, "data_dir": tmp_path / "data", "output_dir": tmp_path / "out"}
    settings = AnimationSettings(
        **{"engine": "sadtalker", "sadtalker_backend": "eager", "size": 128, **fixed, **changes}
    )
    return settings if "sadtalker_size" in changes else small(settings)


@pytest.fixture
async def make(loaded: Any, models: Path, tmp_path: Path) -> AsyncIterator[Any]:
    """Engines that share what was read from the checkpoints once."""
    from comps.animation.engines.sadtalker.engine import SadTalkerEngine

    engines = []

    def made(**changes: Any) -> Any:
        engine = SadTalkerEngine(settings_for(models, tmp_path, **changes))
        engine.use(loaded, ThreadPoolExecutor(2))
        engines.append(engine)
        return engine

    yield made
    for engine in engines:
        await engine.close()


def avatar(name: str = "ada") -> Avatar:
    folder = PRESENTERS / name
    return Avatar(name, name.title(), folder / "portrait.png", folder / "rig.json")


async def speech(samples: int, rate: int = 16_000) -> AsyncIterator[SpeechChunk]:
    """Noise in chunks of 0.3 s."""
    pcm = (np.random.default_rng(0).normal(size=samples) * 3000).astype(np.int16)
    step = rate * 3 // 10
    for start in range(0, samples, step):
        yield SpeechChunk(pcm[start : start + step], rate, start)


async def drawn(performance: Any, samples: int) -> NDArray[np.uint8]:
    batches = [batch async for batch in performance.animate(speech(samples))]
    firsts = [batch.first for batch in batches]
    assert firsts == np.cumsum([0, *(len(batch.frames) for batch in batches)])[:-1].tolist()
    assert all(batch.pixel_format == "rgb24" for batch in batches)
    return np.concatenate([batch.frames for batch in batches])


async def test_the_service_answers_with_a_video_as_long_as_the_speech(models: Path, tmp_path: Path) -> None:
    app = create_app(
        settings_for(models, tmp_path, size=256, sadtalker_size=256, sadtalker_batch=1, sadtalker_backend="folded"),
        ENGINES,
    )
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=100) as client:
        await app.state.readiness.settled()
        body = {"audio": base64_wav(0.07), "avatar": "ada"}
        response = await client.post("/v1/animation", json=body, headers={"accept": "video/mp4"})
        assert response.status_code == 200, response.text
        frames, _, brightness = video_facts(io.BytesIO(response.content))
        assert frames == 2
        assert min(brightness) > 0
        health = (await client.get("/v1/health_check")).text
        assert "sadtalker" in health


def without(models: Path, folder: Path, missing: str) -> Path:
    """The files of `models` but one, in `folder`."""
    folder.mkdir()
    for path in models.iterdir():
        if path.name != missing:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize("missing", ["SadTalker_V0.0.2_256.safetensors", "mapping_00229-model.pth.tar"])
async def test_a_missing_file_is_named_to_the_client(models: Path, tmp_path: Path, missing: str) -> None:
    folder = without(models, tmp_path / "models", missing)
    app = create_app(settings_for(folder, tmp_path, engine="portrait", sadtalker_size=256), ENGINES)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        response = await client.post("/v1/animation", json={"audio": base64_wav(0.2), "engine": "sadtalker"})
        assert response.status_code == 503
        error = response.json()["error"]
        assert error["code"] == "engine_unavailable"
        assert missing in error["message"]
        assert "avatarchatbot models pull sadtalker" in error["message"]


@pytest.mark.parametrize("mode", ["crop", "extcrop", "resize"])
async def test_a_face_alone(make: Any, mode: str) -> None:
    performance = await make(sadtalker_preprocess=mode).open(avatar(), AnimationOptions(size=128))
    frames = await drawn(performance, FRAME)
    assert frames.shape == (1, performance.height, performance.width, 3)
    assert frames.std() > 10


@pytest.mark.parametrize("mode", ["full", "extfull"])
async def test_a_face_in_its_picture(models: Path, tmp_path: Path, loaded: Any, mode: str) -> None:
    from dataclasses import replace

    from comps.animation.engines.sadtalker.engine import SadTalkerEngine
    from comps.animation.engines.sadtalker.network import MappingNet
    from tests.neural.sadtalker.networks import filled

    mapping = filled("mapping73", MappingNet(73))
    motion = replace(loaded.networks.motion, mapping=mapping)
    whole = replace(loaded, networks=replace(loaded.networks, motion=motion))
    engine = SadTalkerEngine(settings_for(models, tmp_path, sadtalker_preprocess=mode))
    engine.use(whole, ThreadPoolExecutor(2))
    performance = await engine.open(avatar(), AnimationOptions(size=128))
    frames = await drawn(performance, FRAME)
    corner = performance._composer._canvas[:8, :8]
    np.testing.assert_array_equal(frames[0, :8, :8], corner)
    assert np.abs(frames[0].astype(int) - performance._composer._canvas).mean() > 3
    await engine.close()


async def test_frames_from_the_middle_on_are_those_of_the_whole_and_no_other_is_drawn(make: Any) -> None:
    engine = make(sadtalker_batch=1)
    options = AnimationOptions(size=64)
    whole = await drawn(await engine.open(avatar(), options), 2 * FRAME)
    before = engine.counts.items
    performance = await engine.open(avatar(), options)
    batches = [batch async for batch in performance.animate_from(speech(2 * FRAME), 1)]
    assert [batch.first for batch in batches] == [1]
    np.testing.assert_array_equal(batches[0].frames, whole[1:])
    assert engine.counts.items - before == 1


async def test_closing_stops_within_one_batch(make: Any) -> None:
    engine = make(sadtalker_still=True, sadtalker_batch=1)
    shared = engine._stage.shared
    performance = await engine.open(avatar(), AnimationOptions(size=64))
    async with aclosing(performance.animate(speech(40 * FRAME))) as batches:
        first = await anext(batches)
        drawing = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0.2)
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing
    await engine.close()  # waits for what is being drawn
    assert len(first.frames) == 1
    assert 1 <= shared.counts.items <= 2


async def test_answers_share_calls_and_prepared_avatars_are_kept(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # However busy the machine is: the first of two frames waits for the second.
    monkeypatch.setattr("comps.animation.engines.sadtalker.engine.BATCH_WAIT_S", 50.0)
    engine = make(sadtalker_still=True, sadtalker_batch=2)
    both = [await engine.open(avatar(), AnimationOptions(size=64, seed=seed)) for seed in (0, 0)]
    assert both[0]._subject is both[1]._subject
    found = await asyncio.gather(*(drawn(performance, FRAME) for performance in both))
    np.testing.assert_allclose(found[0].astype(int), found[1].astype(int), atol=1)
    assert engine.counts.items == 2
    assert engine.counts.calls == 1


async def test_few_prepared_avatars_are_kept(make: Any) -> None:
    engine = make(sadtalker_avatars=1)
    first = await engine.open(avatar("ada"), AnimationOptions(size=64))
    await engine.open(avatar("noor"), AnimationOptions(size=64))
    again = await engine.open(avatar("ada"), AnimationOptions(size=64))
    assert len(engine._subjects) == 1
    assert again._subject is not first._subject
    np.testing.assert_array_equal(again._subject.coefficients, first._subject.coefficients)


async def test_head_poses_enter_and_leave_in_degrees(make: Any) -> None:
    engine = make(sadtalker_still=True)
    seen = []

    def refine(first: int, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append((first, pose.copy()))
        return pose + np.float32([40, 0, 0])

    as_is = await drawn(await engine.open(avatar(), AnimationOptions(size=64)), FRAME)
    turned = await drawn(await engine.open(avatar(), AnimationOptions(size=64), refine), FRAME)
    assert [(first, pose.shape, pose.dtype) for first, pose in seen] == [(0, (1, 3), np.float32)]
    assert np.abs(turned.astype(int) - as_is).max() > 10


async def test_given_angles_are_walked_over_the_whole_answer(make: Any) -> None:
    """They are known when all was heard; the frames after the first need not be drawn to see it."""
    engine = make(sadtalker_yaw=(-20.0, 30.0), sadtalker_pitch=(5.0,))
    seen: list[NDArray[np.float32]] = []

    def refine(first: int, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(pose)
        raise RuntimeError("seen enough")

    performance = await engine.open(avatar(), AnimationOptions(size=64), refine)
    with pytest.raises(RuntimeError, match="seen enough"):
        await drawn(performance, 33 * FRAME)
    yaw, pitch, roll = seen[0].T
    assert len(yaw) == 33
    np.testing.assert_allclose(np.diff(yaw)[:-1], 50 / 32, atol=1e-4)
    np.testing.assert_allclose(pitch, 5)
    assert np.ptp(roll) > 0


async def test_an_engine_that_is_not_loaded(models: Path, tmp_path: Path) -> None:
    from comps.animation.engines.sadtalker.engine import SadTalkerEngine

    engine = SadTalkerEngine(settings_for(models, tmp_path))
    with pytest.raises(NotReadyError):
        await engine.open(avatar(), AnimationOptions())
    await engine.close()


def test_the_table_states_the_look_ahead_of_the_default_settings(tmp_path: Path) -> None:
    from comps.animation.engines.sadtalker.engine import SadTalkerEngine

    spec = ENGINES.spec("sadtalker")
    assert spec.capabilities == SadTalkerEngine.capabilities
    assert SadTalkerEngine(AnimationSettings()).capabilities == SadTalkerEngine.capabilities
    assert SadTalkerEngine(AnimationSettings(sadtalker_still=True)).capabilities.look_ahead_s < 0.7
