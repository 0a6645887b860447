"""Frames through the real enhancer, with small networks in place of GFPGAN, and through the service with GFPGAN."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from comps.animation.engines.gfpgan.enhancer import FaceEnhancement, FaceEnhancer  # noqa: E402
from comps.animation.engines.gfpgan.restorer import Restorer  # noqa: E402
from comps.animation.engines.gfpgan.settings import GfpganSettings  # noqa: E402
from comps.animation.faces.face import DetectedFace, FaceDetector, Picture  # noqa: E402
from comps.animation.service import create_app  # noqa: E402
from comps.animation.settings import AnimationSettings  # noqa: E402
from comps.core.errors import EngineUnavailableError, NotReadyError  # noqa: E402
from comps.core.serve import running  # noqa: E402
from tests.animation.conftest import base64_wav  # noqa: E402
from tests.neural import parity  # noqa: E402
from tests.neural.gfpgan.test_tracking import face  # noqa: E402

pytestmark = pytest.mark.torch
FRAMES = np.random.default_rng(3).integers(0, 256, (7, 120, 160, 3), np.uint8)
FACELESS = 255
"""A frame whose first value is this shows no face to `Detector`."""
FRAMES[:, 0, 0, 0] = np.arange(7)


class Detector(FaceDetector):
    """A face that wanders with the number of the frame."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[DetectedFace]]:
        numbers = [int(picture[0, 0, 0]) for picture in pictures]
        return [[] if number == FACELESS else [face(70 + 3 * number, 60, eyes=30.0)] for number in numbers]


def brighter(faces: Any) -> Any:
    """Faces 40 grey levels brighter."""
    return faces + 80 / 255


@asynccontextmanager
async def opened(
    restore: Callable[[Any], Any] = brighter,
    *,
    parse: Callable[[Any], Any] | None = None,
    strength: float = 1.0,
    still: bool = False,
    **settings: Any,
) -> AsyncIterator[FaceEnhancement]:
    enhancer = FaceEnhancer(GfpganSettings(**settings))
    enhancer.use(Restorer(restore, parse), Detector())
    try:
        yield enhancer.open(strength, still=still)
    finally:
        await enhancer.close()


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("mask", ["ellipse", "square", "parse"])
async def test_a_batch_gives_what_its_frames_give_one_by_one(mask: str, still: bool) -> None:
    def everywhere(faces: Any) -> Any:
        return torch.nn.functional.one_hot(torch.ones(len(faces), 512, 512, dtype=torch.long), 19).permute(0, 3, 1, 2)

    async with opened(parse=everywhere, gfpgan_mask=mask, still=still) as clip:
        together = await clip.enhance(FRAMES)
    async with opened(parse=everywhere, gfpgan_mask=mask, still=still) as clip:
        alone = np.concatenate([await clip.enhance(frame[None]) for frame in FRAMES])
    np.testing.assert_array_equal(together, alone)
    assert together.shape == FRAMES.shape
    assert clip.counts.frames == 7
    assert clip.counts.without_face == 0
    # where all masks are full, between the eyes and the mouth
    middle = together[0, 55:62, 66:74].astype(int) - FRAMES[0, 55:62, 66:74]
    assert middle.mean() > 10
    np.testing.assert_array_equal(together[:, :, 150:], FRAMES[:, :, 150:])


@pytest.mark.parametrize("still", [False, True])
async def test_frames_that_were_only_seen_change_nothing_of_those_after_them(still: bool) -> None:
    calls = 0

    def counted(faces: Any) -> Any:
        nonlocal calls
        calls += len(faces)
        return brighter(faces)

    async with opened(still=still) as clip:
        whole = await clip.enhance(FRAMES)
    async with opened(counted, still=still) as clip:
        await clip.see(FRAMES[:3])
        await clip.see(FRAMES[3:4])
        left = await clip.enhance(FRAMES[4:])
    np.testing.assert_array_equal(left, whole[4:])
    assert clip.counts.frames == 7
    assert calls == 3


async def test_strength_blends_from_nothing_to_all() -> None:
    shown = {}
    for strength in (0.0, 0.5, 1.0):
        async with opened(strength=strength) as clip:
            shown[strength] = (await clip.enhance(FRAMES)).astype(float)
    np.testing.assert_array_equal(shown[0.0], FRAMES)
    assert np.abs(shown[0.5] - (shown[1.0] + FRAMES) / 2).max() <= 1


async def test_strength_nothing_asks_neither_detector_nor_network() -> None:
    def forbidden(faces: Any) -> Any:
        raise AssertionError("the network was asked")

    async with opened(forbidden, strength=0.0, gfpgan_upscale=2) as clip:
        shown = await clip.enhance(FRAMES)
    assert shown.shape == (7, 240, 320, 3)
    assert clip.counts.without_face == 0


async def test_frames_without_a_face_pass_and_are_counted() -> None:
    frames = FRAMES.copy()
    frames[[2, 5], 0, 0, 0] = FACELESS
    async with opened() as clip:
        shown = await clip.enhance(frames)
        faceless = await clip.enhance(frames[2:3])
    np.testing.assert_array_equal(shown[[2, 5]], frames[[2, 5]])
    np.testing.assert_array_equal(faceless, frames[2:3])
    assert (shown[0] != frames[0]).any()
    assert (clip.counts.frames, clip.counts.without_face) == (8, 3)


async def test_an_upscaled_video_has_its_face_in_place() -> None:
    async with opened(gfpgan_upscale=2) as clip:
        shown = await clip.enhance(FRAMES)
    async with opened(lambda faces: faces, gfpgan_upscale=2) as clip:
        as_it_was = await clip.enhance(FRAMES)
    assert shown.shape == (7, 240, 320, 3)
    rows, columns = np.nonzero(np.abs(shown[0].astype(int) - as_it_was[0]).max(-1) > 20)
    assert abs(float(columns.mean()) - 2 * 70) < 8
    assert abs(float(rows.mean()) - 2 * 60) < 16


async def test_too_little_memory_for_a_batch_halves_it() -> None:
    sizes = []

    def small(faces: Any) -> Any:
        sizes.append(len(faces))
        if len(faces) > 2:
            raise RuntimeError("CUDA out of memory")
        return brighter(faces)

    async with opened(small, gfpgan_batch=4, gfpgan_max_wait_ms=100) as clip:
        shown = await clip.enhance(FRAMES)
    async with opened() as clip:
        expected = await clip.enhance(FRAMES)
    np.testing.assert_array_equal(shown, expected)
    assert sizes[0] == 4
    assert max(sizes[1:]) <= 2


@pytest.mark.parametrize(
    ("restore", "words"),
    [
        (lambda faces: faces * float("nan"), "no picture"),
        (lambda faces: (_ for _ in ()).throw(RuntimeError("out of memory")), "not enough memory"),
    ],
)
async def test_a_failure_is_raised_and_never_the_input_returned(restore: Callable[[Any], Any], words: str) -> None:
    async with opened(restore) as clip:
        with pytest.raises(EngineUnavailableError, match=words):
            await clip.enhance(FRAMES)


async def test_clips_share_batches_and_keep_their_own_frames() -> None:
    sizes = []

    def counted(faces: Any) -> Any:
        sizes.append(len(faces))
        return brighter(faces)

    enhancer = FaceEnhancer(GfpganSettings(gfpgan_batch=4, gfpgan_max_wait_ms=200))
    enhancer.use(Restorer(counted), Detector())
    clips = [enhancer.open(1.0, still=False) for _ in range(4)]
    shown = await asyncio.gather(*(clip.enhance(FRAMES[i : i + 1]) for i, clip in enumerate(clips)))
    await enhancer.close()
    assert sizes == [4]
    for index, frames in enumerate(shown):
        async with opened() as clip:
            np.testing.assert_array_equal(frames, await clip.enhance(FRAMES[index : index + 1]))
    with pytest.raises(NotReadyError):
        enhancer.open(1.0, still=False)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with GFPGAN's weights under their published name."""
    folder = tmp_path_factory.mktemp("models")
    torch.save({"params_ema": parity.weights("gfpgan_v1_clean")}, folder / "GFPGANv1.4.pth")
    return folder


def service_settings(tmp_path: Path, models: Path, **fields: Any) -> AnimationSettings:
    return AnimationSettings(
        data_dir=tmp_path / "data",
        output_dir=tmp_path / "out",
        models_dir=models,
        size=192,
        gfpgan_device="cpu",
        gfpgan_backend="eager",
        **fields,
    )


async def test_the_service_restores_the_faces_of_the_portrait_engine(tmp_path: Path, models: Path) -> None:
    app = create_app(service_settings(tmp_path, models))
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=100) as client:
        await app.state.readiness.settled()
        speech = {"audio": base64_wav(0.04), "avatar": "ada", "seed": 1}
        headers = {"accept": "video/mp4"}
        plain = await client.post("/v1/animation", json=speech, headers=headers)
        better = await client.post("/v1/animation", json={**speech, "enhancer": "gfpgan"}, headers=headers)
    assert better.status_code == 200, better.text
    before, after = decoded(plain.content), decoded(better.content)
    assert before.shape == after.shape
    # these weights restore nothing: the face is another one, its surroundings are as they were
    change = np.abs(after - before).mean((0, 3))
    height, width = change.shape
    assert change[height // 3 : height // 2, width * 2 // 5 : width * 3 // 5].mean() > 20
    assert change[: height // 20].mean() < 3


async def test_the_service_says_what_is_missing(tmp_path: Path) -> None:
    app = create_app(service_settings(tmp_path, tmp_path))
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        answer = await client.post("/v1/animation", json={"audio": base64_wav(0.1), "enhancer": "gfpgan"})
    assert answer.status_code == 503
    message = answer.json()["error"]["message"]
    assert "GFPGANv1.4.pth" in message
    assert "avatarchatbot models pull gfpgan" in message


def decoded(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]).astype(float)
