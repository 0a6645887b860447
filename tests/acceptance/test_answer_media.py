"""Answers as media: picture and sound of the same length, every frame there, and the sound is what was said."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from comps.core.media.audio import decode_audio
from tests.acceptance.conftest import ask, watch
from tests.acceptance.media import FPS, Clip, correlation, envelope, read_clip

TEXT = "What can you do?"


async def encoded(client: httpx.AsyncClient, path: str, folder: Path, **body: Any) -> Clip:
    """The clip of a reply that is the MP4 itself."""
    reply = await client.post(path, json=body, headers={"Accept": "video/mp4"})
    assert reply.status_code == 200, reply.text
    (folder / "streamed.mp4").write_bytes(reply.content)
    return read_clip(folder / "streamed.mp4")


@pytest.mark.parametrize("fps", [25, 30])
@pytest.mark.parametrize("text", ["Yes.", TEXT, "How does the lip sync work?"])
async def test_picture_and_sound_are_of_one_length(
    client: httpx.AsyncClient, text: str, fps: int, tmp_path: Path
) -> None:
    reply = await ask(client, text=text, fps=fps, size=128)
    clip = await watch(client, reply["video_path"], tmp_path)
    assert len(clip.frames) == reply["frames"] == math.ceil(round(reply["duration_s"] * fps, 2))
    assert abs(len(clip.frames) / fps - clip.sound_s) <= 1 / fps
    assert abs(reply["usage"]["answer_audio_s"] - clip.sound_s) <= 1 / fps
    np.testing.assert_allclose(np.diff(clip.times), 1 / fps, atol=1e-4)
    assert clip.times[0] == 0


async def test_the_streamed_video_is_the_stored_one(client: httpx.AsyncClient, tmp_path: Path) -> None:
    reply = await ask(client, text=TEXT, seed=7, size=128)
    stored = await watch(client, reply["video_path"], tmp_path)
    streamed = await encoded(client, "/v1/avatarchatbot", tmp_path, text=TEXT, seed=7, size=128)
    assert len(streamed.frames) == len(stored.frames)
    assert correlation(envelope(streamed.sound, streamed.rate), envelope(stored.sound, stored.rate)) > 0.95
    assert np.abs(streamed.frames.astype(int) - stored.frames).mean() < 2


async def test_the_sound_is_what_the_voice_said(client: httpx.AsyncClient, tmp_path: Path) -> None:
    line = "Many people may want to hear my voice, and see me speak."
    reply = await ask(client, "/v1/say", text=line, size=128)
    clip = await watch(client, reply["video_path"], tmp_path)
    said = await client.post("/v1/audio/speech", json={"input": line, "response_format": "wav"})
    spoken = decode_audio(said.content, rate=clip.rate, max_seconds=30)
    assert abs(clip.sound_s - len(spoken) / clip.rate) <= 1 / FPS
    assert correlation(envelope(clip.sound, clip.rate, 0.01), envelope(spoken, clip.rate, 0.01)) > 0.95
    other = await client.post("/v1/audio/speech", json={"input": line[::-1], "response_format": "wav"})
    wrong = decode_audio(other.content, rate=clip.rate, max_seconds=30)
    assert correlation(envelope(clip.sound, clip.rate, 0.01), envelope(wrong, clip.rate, 0.01)) < 0.7


async def test_sentences_are_where_their_sound_is(client: httpx.AsyncClient, tmp_path: Path) -> None:
    text = "One short line.\n\nThen comes another, which is longer.\n\nDone!"
    reply = await ask(client, "/v1/say", text=text, size=128)
    clip = await watch(client, reply["video_path"], tmp_path)
    level = envelope(clip.sound, clip.rate, 0.01)
    loud = level > 0.05 * level.max()
    sentences = reply["sentences"]
    assert len(sentences) == 3
    words = [word for sentence in sentences for word in sentence["words"]]
    assert [word["text"].strip(".,!") for word in words] == text.replace(".", "").replace(",", "").strip("!").split()
    for sentence in sentences:
        first, last = sentence["words"][0]["start"], sentence["words"][-1]["end"]
        assert sentence["start"] <= first < last <= sentence["end"] <= reply["duration_s"]
        assert loud[round(first * 100) : round(last * 100)].mean() > 0.7
    gaps = [
        (one["words"][-1]["end"] + 0.08, other["words"][0]["start"] - 0.08)
        for one, other in itertools.pairwise(sentences)
    ]
    for start, end in [*gaps, (sentences[-1]["words"][-1]["end"] + 0.1, reply["duration_s"])]:
        assert loud[round(start * 100) : round(end * 100)].mean() < 0.1, (start, end)
