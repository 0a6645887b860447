"""Many at once: everybody gets the answer to their own question, by their own avatar."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import av
import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

from tests.gateway.conftest import Stack

PRESENTERS = Path(__file__).parents[2] / "comps" / "animation" / "presenters"
TINTS = [
    (1, 0.35, 0.35),
    (0.35, 1, 0.35),
    (0.35, 0.35, 1),
    (1, 1, 0.3),
    (1, 0.3, 1),
    (0.3, 1, 1),
    (1, 1, 1),
    (0.3, 0.3, 0.3),
]


def tinted(tint: tuple[float, float, float]) -> bytes:
    """A shipped presenter's picture in a colour of its own, as PNG."""
    picture = cv2.imread(str(PRESENTERS / "ada" / "portrait.png"))
    assert picture is not None
    small = cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".png", (small * np.array(tint[::-1])).astype(np.uint8))[1].tobytes()


def mean_colour(video: bytes, folder: Path, name: str) -> NDArray[np.float64]:
    """Mean RGB of the picture in the middle of a video."""
    path = folder / f"{name}.mp4"
    path.write_bytes(video)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    mean: NDArray[np.float64] = frames[len(frames) // 2].reshape(-1, 3).mean(0)
    return mean


async def spoken(live: httpx.AsyncClient, index: int) -> dict[str, Any]:
    """Say a sentence of its own with a face of its own."""
    body = {
        "text": f"My number is {index} and nobody else's.",
        "image": base64.b64encode(tinted(TINTS[index])).decode(),
        "response_format": "json",
        "size": 128,
    }
    reply = await live.post("/v1/say", json=body)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def test_eight_at_once_each_get_their_own_words_and_face(live: httpx.AsyncClient, tmp_path: Path) -> None:
    answers = await asyncio.gather(*(spoken(live, index) for index in range(8)))
    assert len({answer["id"] for answer in answers}) == 8
    for index, answer in enumerate(answers):
        assert f"My number is {index} " in answer["text"]
        video = (await live.get(answer["video_path"])).content
        mean = mean_colour(video, tmp_path, str(index))
        expected = mean_colour_of_picture(tinted(TINTS[index]))
        assert np.abs(mean - expected).max() < 25, (index, mean, expected)


def mean_colour_of_picture(png: bytes) -> NDArray[np.float64]:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    mean: NDArray[np.float64] = picture.reshape(-1, 3).mean(0)[::-1]
    return mean


async def test_eight_questions_at_once_each_get_their_own_answer(live: httpx.AsyncClient) -> None:
    questions = [
        "What is AvatarChatbot?",
        "How do I start you?",
        "Can I use my own photo?",
        "Which languages do you speak?",
        "How does the lip sync work?",
        "Do you need a GPU?",
        "What about privacy?",
        "How do I swap the language model?",
    ]

    async def ask(question: str) -> dict[str, Any]:
        body = {"text": question, "response_format": "json", "size": 128}
        return dict((await live.post("/v1/avatarchatbot", json=body)).json())

    alone = [await ask(question) for question in questions]
    together = await asyncio.gather(*(ask(question) for question in questions))
    assert [answer["transcript"] for answer in together] == questions
    assert [answer["text"] for answer in together] == [answer["text"] for answer in alone]
    assert len({answer["text"] for answer in together}) >= 6
    assert len({answer["video_path"] for answer in (*alone, *together)}) == 16


async def test_a_failure_leaves_the_next_turn_right(stack: Stack) -> None:
    # "poor" cannot stand in an id of hexadecimal digits by chance
    for body in ({"text": "poor", "voice": "nobody"}, {"text": "poor", "n": 2}, {"audio": "###"}):
        assert (await stack.client.post("/v1/avatarchatbot", json=body)).status_code == 422
        reply = await stack.client.post("/v1/avatarchatbot", json={"text": "good", "response_format": "json"})
        assert reply.json()["text"] == "You said: good."
        assert "poor" not in reply.text
