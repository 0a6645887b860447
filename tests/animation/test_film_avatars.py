"""Videos become avatars over the service's own routes."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import AvatarStore
from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.footage import Footage, FootageLimits
from comps.core.errors import FaceError, TooLargeError
from tests.animation.conftest import Running, base64_wav
from tests.animation.films import film, sound_only
from tests.animation.test_animation_service import refused


@pytest.fixture(scope="module")
def video(portrait: NDArray[np.uint8]) -> bytes:
    """Half a second of nobody, then a face."""
    nobody = np.full_like(portrait, 120)
    return film([nobody] * 13 + [portrait] * 5, codec="libx264")


async def test_an_uploaded_video_is_an_avatar_that_can_speak(service: Running, video: bytes) -> None:
    response = await service.client.post("/v1/avatars", files={"file": ("me.mp4", video)}, data={"voice": "en_1"})
    assert response.status_code == 201, response.text
    info = response.json()
    assert (info["name"], info["video"], info["voice"]) == ("me", True, "en_1")
    assert (info["width"], info["height"]) == (512, 512)
    listed = (await service.client.get("/v1/avatars")).json()["avatars"]
    assert {each["id"]: each["video"] for each in listed}[info["id"]] is True
    assert not any(each["video"] for each in listed if each["builtin"])
    assert (await service.client.get(f"/v1/avatars/{info['id']}/image")).headers["content-type"] == "image/png"
    said = await service.client.post("/v1/animation", json={"audio": base64_wav(1), "avatar": info["id"]})
    assert said.status_code == 200
    again = await service.client.post("/v1/avatars", json={"image": base64.b64encode(video).decode()})
    assert again.json()["id"] == info["id"]
    assert (await service.client.delete(f"/v1/avatars/{info['id']}")).status_code == 204
    assert (await service.client.get(f"/v1/avatars/{info['id']}")).status_code == 404


async def test_strange_videos_are_refused_by_name(service: Running, portrait: NDArray[np.uint8]) -> None:
    async def post(data: bytes) -> object:
        return await service.client.post("/v1/avatars", files={"file": ("x.mp4", data)})

    nobody = film([np.full_like(portrait, 120)] * 3, codec="libx264")
    refused(await post(nobody), 422, "face")
    refused(await post(sound_only()), 415, "no video track")
    refused(await post(b"plain words"), 415, "no picture and no video")
    kept = (await service.client.get("/v1/avatars")).json()["avatars"]
    assert all(avatar["builtin"] for avatar in kept)
    assert not list((service.settings.data_dir / "avatars").iterdir())


def test_a_store_gives_engines_the_film_and_its_first_frame_with_a_face(
    tmp_path: Path, video: bytes, portrait: NDArray[np.uint8]
) -> None:
    store = AvatarStore(tmp_path, find_rig)
    info = store.add_film(video, "Me")
    avatar = store.open(info.id)
    assert avatar.video is not None
    with Footage(avatar.video) as footage:
        assert len(footage) == 18
    assert np.abs(store.picture(info.id).astype(int) - portrait).mean() < 6
    assert store.rig(info.id).size == (512, 512)
    assert AvatarStore(tmp_path, find_rig).open(info.id) == avatar


def test_what_cannot_be_kept_leaves_nothing_behind(tmp_path: Path, video: bytes, portrait: NDArray[np.uint8]) -> None:
    store = AvatarStore(tmp_path, find_rig)
    with pytest.raises(FaceError):
        store.add_film(film([np.full_like(portrait, 99)] * 3, codec="libx264"), "Nobody")
    with pytest.raises(TooLargeError):
        store.add_film(video, "Long", limits=FootageLimits(seconds=0.1))
    assert not list((tmp_path / "avatars").iterdir())
    leftover = tmp_path / "avatars" / ".draft.mp4"
    leftover.write_bytes(b"half")
    os.utime(leftover, (0, 0))
    AvatarStore(tmp_path, find_rig)
    assert not leftover.exists()
