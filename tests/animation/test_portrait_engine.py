"""The portrait engine: frames of the shipped presenter as speech arrives."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from comps.animation.engine import AnimationOptions, Avatar, FrameBatch
from comps.animation.engines.portrait.engine import BATCH, FIRST_BATCH, QUEUED_CHUNKS, PortraitEngine
from comps.animation.engines.portrait.render.cache import FaceCache
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.motion.face_motion import FaceMotion
from comps.animation.motion.stream import MotionStream
from comps.animation.table import ENGINES
from comps.core.errors import FaceError, NotReadyError, UnknownChoiceError
from comps.core.speech import SpeechChunk
from tests.animation.faces import ADA
from tests.animation.speeches import RATE, SENTENCE, SENTENCE_S, chunks, stream

AVATAR = Avatar("ada", "Ada", ADA / "portrait.png", ADA / "rig.json")
SMALL = AnimationOptions(size=192)
CUTS = range(0, round(SENTENCE_S * RATE), 700)


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[PortraitEngine]:
    made = PortraitEngine(None)
    await made.load()
    yield made
    await made.close()


async def _all(engine: PortraitEngine, options: AnimationOptions = SMALL) -> list[FrameBatch]:
    performance = await engine.open(AVATAR, options)
    return [batch async for batch in performance.animate(stream(chunks(SENTENCE, SENTENCE_S, CUTS)))]


@pytest.mark.parametrize("fps", [25, 30])
async def test_every_frame_comes_once_in_order(engine: PortraitEngine, fps: int) -> None:
    batches = await _all(engine, AnimationOptions(fps=fps, size=192))
    count = 0
    for batch in batches:
        assert batch.first == count
        assert batch.frames.shape[1:] == (288, 192)
        assert batch.frames.dtype == np.uint8
        assert 0 < len(batch.frames) <= BATCH
        count += len(batch.frames)
    assert count == math.ceil(SENTENCE_S * fps)
    assert len(batches[0].frames) <= FIRST_BATCH


async def test_the_first_frame_is_the_resting_portrait_and_the_mouth_moves_later(engine: PortraitEngine) -> None:
    frames = np.concatenate([batch.frames for batch in await _all(engine)]).astype(int)
    mouth = np.abs(frames[:, 105:130, 70:122] - frames[0, 105:130, 70:122]).mean((1, 2))
    assert mouth[0] == 0
    assert mouth.max() > 5


@pytest.mark.parametrize("parted", [False, True])
async def test_frames_from_the_middle_on_are_those_of_the_whole(
    engine: PortraitEngine, tmp_path: Path, parted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a picture with parted lips, whose seal remembers what came before."""
    avatar = _parted(tmp_path) if parted else AVATAR
    whole = await engine.open(avatar, SMALL)
    frames = np.concatenate([batch.frames async for batch in whole.animate(_sentence())])
    for first in (1, 5, 23, len(frames) - 1, len(frames)):
        drawn = 0
        performance = await engine.open(avatar, SMALL)
        render = performance._renderer.render

        def counted(motion: FaceMotion, render: Any = render) -> Any:
            nonlocal drawn
            drawn += len(motion)
            return render(motion)

        monkeypatch.setattr(performance._renderer, "render", counted)
        batches = [batch async for batch in performance.animate_from(_sentence(), first)]
        assert [batch.first for batch in batches[:1]] == [first][: len(frames) - first]
        left = np.concatenate([frames[:0], *(batch.frames for batch in batches)])
        np.testing.assert_array_equal(left, frames[first:])
        assert drawn == len(frames) - first


def _sentence() -> AsyncIterator[SpeechChunk]:
    return stream(chunks(SENTENCE, SENTENCE_S, CUTS))


def _parted(folder: Path) -> Avatar:
    """Ada with the lips of her rig 0.2 eye distances apart."""
    rig = Rig.load(AVATAR.rig)
    points = rig.points.copy()
    points[[61, 62, 63], 1] -= 0.1 * rig.eye_distance
    points[[65, 66, 67], 1] += 0.1 * rig.eye_distance
    shutil.copy(AVATAR.image, folder / "portrait.png")
    (folder / "rig.json").write_text(replace(rig, points=points).to_json())
    return Avatar("parted", "Parted", folder / "portrait.png", folder / "rig.json")


async def test_first_frames_come_before_the_speech_has_ended(engine: PortraitEngine) -> None:
    performance = await engine.open(AVATAR, SMALL)
    more = asyncio.Event()

    async def speech() -> AsyncIterator[SpeechChunk]:
        parts = chunks(SENTENCE, SENTENCE_S, [RATE // 2])
        yield parts[0]
        await more.wait()
        yield parts[1]

    frames = performance.animate(speech())
    first = await anext(frames)
    assert first.first == 0
    more.set()
    rest = [batch async for batch in frames]
    assert rest[-1].first + len(rest[-1].frames) == math.ceil(SENTENCE_S * 25)


async def test_a_long_chunk_is_heard_in_pieces(engine: PortraitEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work on phones and frames grows with their product: a speech of minutes in one chunk would stop everybody else."""
    performance = await engine.open(AVATAR, AnimationOptions(size=64))
    heard: list[int] = []
    feed = MotionStream.feed

    def noted(stream: MotionStream, chunk: SpeechChunk) -> FaceMotion:
        heard.append(len(chunk.pcm))
        return feed(stream, chunk)

    monkeypatch.setattr(MotionStream, "feed", noted)
    speech = SpeechChunk(np.zeros(RATE * 5, np.int16), RATE, last=True)
    count = sum([len(batch.frames) async for batch in performance.animate(stream([speech]))])
    assert count == 125
    assert heard == [2 * RATE, 2 * RATE, RATE]


async def test_closing_the_frames_stops_the_speech(engine: PortraitEngine) -> None:
    performance = await engine.open(AVATAR, SMALL)
    sent, closed = [], asyncio.Event()

    async def endless() -> AsyncIterator[SpeechChunk]:
        try:
            for n in range(100_000):
                sent.append(n)
                yield SpeechChunk(np.zeros(1600, np.int16), RATE, n * 1600)
        finally:
            closed.set()

    frames = performance.animate(endless())
    await anext(frames)
    await frames.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(closed.wait(), 5)
    assert len(sent) < 4 * QUEUED_CHUNKS


async def test_a_failure_of_the_speech_reaches_whoever_takes_the_frames(engine: PortraitEngine) -> None:
    performance = await engine.open(AVATAR, SMALL)

    async def broken() -> AsyncIterator[SpeechChunk]:
        yield chunks(SENTENCE, SENTENCE_S)[0]
        raise ConnectionError("the voice is gone")

    with pytest.raises(ConnectionError, match="the voice is gone"):
        _ = [batch async for batch in performance.animate(broken())]


async def test_eight_answers_at_once_do_not_mix(engine: PortraitEngine) -> None:
    alone = {seed: await _all(engine, AnimationOptions(size=192, seed=seed)) for seed in (0, 1)}
    together = await asyncio.gather(*(_all(engine, AnimationOptions(size=192, seed=n % 2)) for n in range(8)))
    for n, batches in enumerate(together):
        got = np.concatenate([b.frames for b in batches])
        np.testing.assert_array_equal(got, np.concatenate([b.frames for b in alone[n % 2]]))


async def test_no_speech_is_no_frames(engine: PortraitEngine) -> None:
    performance = await engine.open(AVATAR, SMALL)
    assert [batch async for batch in performance.animate(stream([]))] == []


async def test_an_unknown_emotion_is_refused(engine: PortraitEngine) -> None:
    with pytest.raises(UnknownChoiceError, match="no emotion 'bored'"):
        await engine.open(AVATAR, AnimationOptions(emotion="bored"))


async def test_an_engine_that_is_not_loaded_says_so() -> None:
    with pytest.raises(NotReadyError):
        await PortraitEngine(None).open(AVATAR, SMALL)


def test_the_table_tells_the_truth_about_the_engine() -> None:
    assert ENGINES.spec("portrait").capabilities == PortraitEngine.capabilities
    assert isinstance(ENGINES.create("portrait", None), PortraitEngine)


def test_the_cache_prepares_once_by_content_and_stays_small(tmp_path: Path) -> None:
    cache = FaceCache(2)
    copy = tmp_path / "copy.png"
    shutil.copy(AVATAR.image, copy)
    first = cache.get(AVATAR.image, AVATAR.rig, 128)
    assert cache.get(copy, AVATAR.rig, 128) is first
    for size in (96, 112):
        cache.get(AVATAR.image, AVATAR.rig, size)
    assert len(cache) == 2
    assert cache.get(AVATAR.image, AVATAR.rig, 128) is not first


def test_a_picture_without_a_rig_gets_one(tmp_path: Path) -> None:
    face = FaceCache(1).get(AVATAR.image, tmp_path / "none.json", 128)
    known = FaceCache(1).get(AVATAR.image, AVATAR.rig, 128)
    assert np.abs(face.anatomy.mouth - known.anatomy.mouth).max() < 0.2 * known.anatomy.unit


def test_points_that_make_no_face_are_an_error_that_says_so(tmp_path: Path) -> None:
    rig = Rig.load(AVATAR.rig)
    points = rig.points.copy()
    points[48:] = points[48:].mean(0)
    path = tmp_path / "rig.json"
    path.write_text(replace(rig, points=points).to_json(), encoding="utf-8")
    with pytest.raises(FaceError, match="make no face"):
        FaceCache(1).get(AVATAR.image, path, 128)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "cannot be read"), ('{"format": "avatarchatbot-rig/1", "size": [9, 9]}', "cannot be read")],
)
def test_a_broken_rig_is_an_error_that_stays_out_of_the_cache(tmp_path: Path, text: str, message: str) -> None:
    broken = tmp_path / "rig.json"
    broken.write_text(text)
    cache = FaceCache(2)
    with pytest.raises(FaceError, match=message):
        cache.get(AVATAR.image, broken, 128)
    assert len(cache) == 0


def test_a_rig_of_another_picture_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "rig.json"
    other.write_text((ADA / "rig.json").read_text().replace("1024", "1000"))
    with pytest.raises(FaceError, match="not of this one"):
        FaceCache(1).get(AVATAR.image, other, 128)
