"""Bad input at the gateway of the real stack: each case its own status, one shape, the service's name."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from comps.core.media.audio import encode_audio
from tests.gateway.test_isolation import PRESENTERS

RATE = 16_000
ADA = (PRESENTERS / "ada" / "portrait.png").read_bytes()


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def wav(seconds: float, level: float = 0.0) -> bytes:
    noise = np.random.default_rng(1).standard_normal(round(RATE * seconds)) * level
    return encode_audio((noise * 32767).clip(-32768, 32767).astype(np.int16), RATE, "wav")


def float_wav(samples: np.ndarray[Any, Any]) -> bytes:
    data = samples.astype("<f4").tobytes()
    fmt = struct.pack("<HHIIHH", 3, 1, RATE, RATE * 4, 4, 32)
    chunks = b"fmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def bomb(side: int) -> bytes:
    """A PNG of `side` by `side` pixels in a few kilobytes: rows of zeros, compressed."""
    packer = zlib.compressobj(9)
    row = bytes(side // 8 + 1)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def jpeg(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.convert("RGB").save(out, "JPEG")
    return out.getvalue()


def two_faces() -> bytes:
    ada = Image.open(BytesIO(ADA)).convert("RGB").resize((400, 400))
    both = Image.new("RGB", (800, 400))
    both.paste(ada, (0, 0))
    both.paste(ada, (400, 0))
    return jpeg(both)


NO_FACE = jpeg(Image.new("RGB", (300, 300), (90, 140, 90)))
NOT_A_NUMBER = float_wav(np.full(RATE, np.nan))

CASES: list[tuple[str, Callable[[], dict[str, Any]], int, str]] = [
    ("wrong base64", lambda: {"audio": "@@not base64@@"}, 422, "gateway"),
    ("wrong base64 of a picture", lambda: {"text": "hi", "image": "@@"}, 422, "gateway"),
    ("no question", lambda: {}, 422, "gateway"),
    ("empty sound", lambda: {"audio": ""}, 422, "gateway"),
    ("text where sound belongs", lambda: {"audio": coded(b"this is no sound at all, but words")}, 415, "asr"),
    ("a picture where sound belongs", lambda: {"audio": coded(NO_FACE)}, 415, "asr"),
    ("a WAV without samples", lambda: {"audio": coded(wav(0))}, 422, "asr"),
    ("silence", lambda: {"audio": coded(wav(2))}, 422, "asr"),
    ("samples that are no numbers", lambda: {"audio": coded(NOT_A_NUMBER)}, 422, "asr"),
    (
        "an hour of sound",
        lambda: {"audio": coded(encode_audio(np.zeros(8000 * 3600, np.int16), 8000, "flac"))},
        413,
        "asr",
    ),
    ("a picture of 400 megapixels", lambda: {"text": "hi", "image": coded(bomb(20_000))}, 413, "animation"),
    ("a decompression bomb", lambda: {"text": "hi", "image": coded(bomb(60_000))}, 413, "animation"),
    (
        "a truncated JPEG",
        lambda: {"text": "hi", "image": coded(jpeg(Image.open(BytesIO(ADA)))[:9000])},
        422,
        "animation",
    ),
    ("no picture", lambda: {"text": "hi", "image": coded(b"words, not pixels")}, 415, "animation"),
    ("no face", lambda: {"text": "hi", "image": coded(NO_FACE)}, 422, "animation"),
    ("two faces", lambda: {"text": "hi", "image": coded(two_faces())}, 422, "animation"),
    ("unknown avatar", lambda: {"text": "hi", "avatar": "nobody"}, 404, "animation"),
    ("unknown voice", lambda: {"text": "hi", "voice": "nobody"}, 422, "tts"),
    ("unknown variety of a voice", lambda: {"text": "hi", "voice": "en-us-x"}, 422, "tts"),
    ("unknown language", lambda: {"text": "hi", "language": "xx-klingon"}, 422, ""),
    ("unknown animation engine", lambda: {"text": "hi", "engine": "imaginary"}, 422, "animation"),
    ("unknown model engine", lambda: {"text": "hi", "engine": {"llm": "imaginary"}}, 422, "llm"),
    ("unknown voice engine", lambda: {"text": "hi", "engine": {"tts": "imaginary"}}, 422, "tts"),
    ("unknown recogniser", lambda: {"audio": coded(wav(1, 0.1)), "engine": {"asr": "imaginary"}}, 422, "asr"),
    ("an engine whose extra is missing", lambda: {"text": "hi", "engine": {"llm": "transformers"}}, 503, "llm"),
    ("n of 2", lambda: {"text": "hi", "n": 2}, 422, "gateway"),
    ("a sampling field the engine has not", lambda: {"text": "hi", "temperature": 1.7}, 422, "llm"),
]
"""What is sent, made when it is needed: the bombs and the long sound take seconds."""


@pytest.mark.parametrize("form", ["path", "video"])
@pytest.mark.parametrize(("make", "status", "service"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_bad_input(
    live: httpx.AsyncClient, make: Callable[[], dict[str, Any]], status: int, service: str, form: str
) -> None:
    accept = {"path": "application/json", "video": "video/mp4"}[form]
    reply = await live.post("/v1/avatarchatbot", json={"size": 64, **make()}, headers={"Accept": accept})
    check(reply, status, service)


def check(reply: httpx.Response, status: int, service: str) -> None:
    assert reply.status_code == status, reply.text[:500]
    error = reply.json()["error"]
    assert set(error) == {"code", "message", "service", "node", "param", "retryable", "request_id"}
    assert error["service"] == service or not service
    assert len(error["message"]) > 8
    assert error["request_id"] == reply.headers["x-request-id"]
    assert "Traceback" not in reply.text
    assert "/site-packages" not in reply.text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400),
        (b"audio=abc", "application/x-www-form-urlencoded", 400),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
    ],
)
async def test_a_body_that_is_no_request(live: httpx.AsyncClient, content: bytes, kind: str, status: int) -> None:
    reply = await live.post("/v1/avatarchatbot", content=content, headers={"Content-Type": kind})
    check(reply, status, "gateway")


async def test_a_body_beyond_the_limit(live: httpx.AsyncClient) -> None:
    reply = await live.post("/v1/avatarchatbot", json={"audio": "A" * (65 * 1024 * 1024)})
    check(reply, 413, "gateway")


async def test_routes_and_videos_that_do_not_exist(live: httpx.AsyncClient) -> None:
    for path in (
        "/v1/nothing",
        f"/outputs/{'0' * 32}.mp4",
        "/outputs/../etc/passwd.mp4",
        f"/v1/turns/{'0' * 32}/video.mp4",
    ):
        check(await live.get(path), 404, "gateway")
    check(await live.get("/v1/avatars/nobody"), 404, "animation")


async def test_the_method_is_wrong(live: httpx.AsyncClient) -> None:
    reply = await live.get("/v1/avatarchatbot")
    assert reply.status_code == 405
    assert reply.json()["error"]["service"] == "gateway"


async def test_uploads_of_avatars(live: httpx.AsyncClient) -> None:
    for data, status in ((b"words", 415), (NO_FACE, 422), (two_faces(), 422), (bomb(20_000), 413), (b"", 422)):
        check(await live.post("/v1/avatars", files={"file": ("face.png", data)}), status, "animation")
    check(await live.post("/v1/avatars", content=b""), 400, "animation")
    check(await live.delete("/v1/avatars/ada"), 422, "animation")


async def test_say_and_animate_check_their_own(live: httpx.AsyncClient) -> None:
    check(await live.post("/v1/say", json={"text": ""}), 422, "gateway")
    check(await live.post("/v1/say", json={"text": "?!"}), 422, "tts")
    check(await live.post("/v1/animate", json={"audio": coded(b"words")}), 415, "gateway")
    check(await live.post("/v1/animate", json={"audio": coded(NOT_A_NUMBER)}), 422, "gateway")


async def test_the_stack_still_works_after_all_that(live: httpx.AsyncClient) -> None:
    reply = await live.post("/v1/avatarchatbot", json={"text": "What can you do?", "size": 64})
    assert reply.status_code == 200
    assert (await live.get("/ready")).status_code == 200
