from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from comps.animation.engines.portrait.rig.rig import Rig
from tests.acceptance.media import Clip, read_clip
from tests.acceptance.stack import Product, product

QUESTION = Path(__file__).parents[2] / "examples" / "question.wav"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product, shared by all tests here."""
    with product(tmp_path_factory.mktemp("product")) as started:
        yield started


@pytest.fixture
async def client(running: Product) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway."""
    async with httpx.AsyncClient(base_url=running.urls["gateway"], timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def spoken_question() -> str:
    """The shipped recording as base64."""
    return base64.b64encode(QUESTION.read_bytes()).decode()


async def ask(client: httpx.AsyncClient, path: str = "/v1/avatarchatbot", **body: Any) -> dict[str, Any]:
    """The reply as an object."""
    reply = await client.post(path, json={"response_format": "json", **body})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def watch(client: httpx.AsyncClient, path: str, folder: Path) -> Clip:
    """Fetch and decode the video at `path`."""
    video = await client.get(path)
    assert video.status_code == 200, video.text
    file = folder / Path(path).name
    file.write_bytes(video.content)
    return read_clip(file)


async def rig_of(client: httpx.AsyncClient, avatar: str) -> Rig:
    """Where the features of an avatar are."""
    return Rig.from_json((await client.get(f"/v1/avatars/{avatar}/rig")).text)
