"""The mouth moves when, and only when, there is speech: measured in the videos the gateway serves."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from comps.core.media.audio import decode_audio, encode_audio
from tests.acceptance.conftest import ask, rig_of, watch
from tests.acceptance.lips import faults, mouth_motion, speech_and_pauses
from tests.acceptance.media import FPS, Clip, correlation, envelope, read_clip, write_clip
from tests.acceptance.stack import Product

RATE = 16_000
LINES = ("Hello there, many people want to move about.", "Perhaps you may open your mouth for water again.")
PAUSE_S = 1.5


def recording(client: httpx.Client) -> bytes:
    """Two spoken lines with long silences before, between and after them, as WAV."""
    silence = np.zeros(round(RATE * PAUSE_S), np.float32)
    parts = [silence]
    for line in LINES:
        reply = client.post("/v1/audio/speech", json={"input": line, "response_format": "wav"})
        parts += [decode_audio(reply.content, rate=RATE, max_seconds=20), silence]
    return encode_audio((np.concatenate(parts) * 32767).astype(np.int16), RATE, "wav")


@pytest.fixture(scope="module")
def animated(running: Product, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Ada mouthing the recording."""
    path = tmp_path_factory.mktemp("mouth") / "animated.mp4"
    with httpx.Client(base_url=running.urls["gateway"], timeout=60, trust_env=False) as client:
        body = {"audio": base64.b64encode(recording(client)).decode(), "avatar": "ada"}
        path.write_bytes(client.get(client.post("/v1/animate", json=body).json()).content)
    return read_clip(path)


async def test_lips_follow_a_recording_with_long_pauses(client: httpx.AsyncClient, animated: Clip) -> None:
    rig = await rig_of(client, "ada")
    assert faults(animated, rig) == []
    motion, _ = mouth_motion(animated.frames, rig)
    _, pauses = speech_and_pauses(animated)
    # before, between and after, each judged by itself
    edges = np.flatnonzero(np.diff(pauses.astype(int), prepend=0, append=0))
    assert len(edges) == 6
    in_speech = np.median(motion[~pauses])
    for start, end in edges.reshape(3, 2):
        assert end - start > FPS // 2
        assert motion[start:end].mean() < in_speech / 4, (start, end)
    smooth = np.ones(8) / 8
    level = np.resize(envelope(animated.sound, animated.rate), len(motion))
    assert correlation(np.convolve(motion, smooth, "same"), np.convolve(level, smooth, "same")) > 0.6


async def test_the_check_fails_where_it_must(client: httpx.AsyncClient, animated: Clip, tmp_path: Path) -> None:
    rig = await rig_of(client, "ada")
    still = replace(animated, frames=np.repeat(animated.frames[:1], len(animated.frames), axis=0))
    write_clip(tmp_path / "still.mp4", still)
    late = replace(animated, frames=np.roll(animated.frames, round(PAUSE_S * FPS), axis=0))
    restless = animated.frames.copy()
    restless[::2] = animated.frames[np.argmax(mouth_motion(animated.frames, rig)[1])]
    frozen = animated.frames.copy()
    middle = int(np.flatnonzero(speech_and_pauses(animated)[0]).mean())
    spoken = np.flatnonzero(speech_and_pauses(animated)[0])
    frozen[spoken[0] : middle] = frozen[spoken[0]]
    wrong = {
        "hardly moves": read_clip(tmp_path / "still.mp4"),
        "moves in pauses": late,
        "as open in pauses": replace(animated, frames=restless),
        "rests while there is speech": replace(animated, frames=frozen),
    }
    for fault, clip in wrong.items():
        assert any(fault in said for said in faults(clip, rig)), (fault, faults(clip, rig))


@pytest.mark.parametrize("avatar", ["ada", "noor"])
async def test_lips_follow_the_phones_of_an_answer(client: httpx.AsyncClient, avatar: str, tmp_path: Path) -> None:
    """Text says where its phones are: lips rest at the end of each sentence and are shut at m, b and p."""
    reply: dict[str, Any] = await ask(client, "/v1/say", text="\n\n".join(LINES), avatar=avatar)
    clip = await watch(client, reply["video_path"], tmp_path)
    motion, opening = mouth_motion(clip.frames, await rig_of(client, avatar))
    phones = [phone for sentence in reply["sentences"] for phone in sentence["phones"]]
    shut = [frame_at(phone) for phone in phones if phone["phone"] in {"m", "b", "p"}]
    open_ = [frame_at(phone) for phone in phones if phone["phone"] in {"aʊ", "aɪ", "ɔː", "ɔ", "oʊ"}]
    assert len(shut) >= 4
    assert len(open_) >= 3
    assert np.median(opening[shut]) < 0.5 * np.median(opening[open_])
    pauses = [slice(frame_at(phone), int(phone["end"] * FPS)) for phone in phones if not phone["phone"]]
    long_pauses = [pause for pause in pauses if pause.stop - pause.start >= 3]
    assert long_pauses
    spoken = [frame_at(phone) for phone in phones if phone["phone"]]
    assert np.mean([motion[pause].mean() for pause in long_pauses]) < motion[spoken].mean() / 2


def frame_at(phone: dict[str, Any]) -> int:
    """The frame shown in the middle of a phone."""
    return int((phone["start"] + phone["end"]) / 2 * FPS)
