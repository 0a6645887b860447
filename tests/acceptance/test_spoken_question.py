"""The shipped recording through the whole chain: heard right, answered on its topic."""

from __future__ import annotations

import math
from pathlib import Path

import httpx

from tests.acceptance.conftest import ask, watch

QUESTION = "What is AvatarChatbot?"
"""What is said in examples/question.wav."""


async def test_the_shipped_question_is_heard_and_answered(
    client: httpx.AsyncClient, spoken_question: str, tmp_path: Path
) -> None:
    reply = await ask(client, audio=spoken_question, size=256)
    assert reply["transcript"].lower().split() == QUESTION.lower().rstrip("?").split()
    typed = await ask(client, text=QUESTION, size=256)
    assert reply["text"] == typed["text"]
    assert "not know" not in reply["text"]
    assert set(reply["timings"]["stages"]) == {"asr", "llm", "tts", "animation"}
    clip = await watch(client, reply["video_path"], tmp_path)
    assert len(clip.frames) == math.ceil(round(reply["duration_s"] * 25, 3))
