"""JSON bodies of every size."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from comps.core.app import ServiceInfo, create_service_app
from comps.core.serve import running
from comps.core.settings import ServiceSettings
from comps.core.web import json_body
from comps.core.web.json_body import LARGE_BYTES, JsonRoute, parsed


class Wish(BaseModel):
    text: str
    number: float = 0.0


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
async def test_large_and_small_texts_mean_the_same(size: int) -> None:
    value = {"text": "ä" * size, "list": [1, 2.5, None, True], "big": 2**70}
    assert await parsed(json.dumps(value).encode()) == value
    assert await parsed(json.dumps(value, ensure_ascii=False).encode()) == value
    halved = '{"text": "\\ud800", "more": "' + "a" * size + '"}'
    assert (await parsed(halved.encode()))["text"] == "\ud800"


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
async def test_what_is_no_json_says_where(size: int) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        await parsed(b'{"text": "' + b"a" * size + b'" "more": 1}')
    assert caught.value.pos == size + 12


async def test_only_a_large_text_is_parsed_on_a_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def noted(body: bytes) -> Any:
        threads.append(threading.get_ident())
        return json.loads(body)

    monkeypatch.setattr(json_body, "_parse", noted)
    await parsed(b'"' + b"a" * LARGE_BYTES + b'"')
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
    await parsed(b'"a"')
    assert len(threads) == 1


async def test_a_route_takes_them() -> None:
    router = APIRouter(route_class=JsonRoute)

    @router.post("/v1/length")
    async def length(wish: Wish) -> int:
        return len(wish.text)

    app = create_service_app(ServiceInfo("echo", "Echo", "Measures a text", "1"), ServiceSettings())
    app.include_router(router)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        long = "a" * (2 * LARGE_BYTES)
        assert (await client.post("/v1/length", json={"text": long})).json() == len(long)
        wrong = await client.post("/v1/length", json={"text": long, "number": "many"})
        assert (wrong.status_code, wrong.json()["error"]["message"]) == (422, "number must be a number")
        broken = f'{{"text": "{long}'.encode()
        cut = await client.post("/v1/length", content=broken, headers={"Content-Type": "application/json"})
        assert (cut.status_code, cut.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("depth", [2000, 400_000])
async def test_deeply_nested_json_is_no_json(depth: int) -> None:
    # how deep Python's own parser goes before it says what is wrong differs by its version
    with pytest.raises(ValueError, match=r"nested too deeply|recursion|Expecting value"):
        await parsed(b"[" * depth)
