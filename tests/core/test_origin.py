"""What pages on other sites can make a browser send, over real sockets."""

from __future__ import annotations

import httpx
import pytest
from pydantic import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from comps.core.serve import running
from comps.core.settings import ServiceSettings

from .conftest import Serving, make_app

FORM = {"files": {"file": ("a.png", b"picture")}}
ELSEWHERE = {"Origin": "https://elsewhere.example"}


async def post(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post("/v1/echo", json={"text": "a"}, headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://rebound.example:3009", "Host": "rebound.example:3009"},
        {"Origin": "http://[broken", "Host": "[broken"},
    ],
)
async def test_a_page_elsewhere_changes_nothing(serving: Serving, headers: dict[str, str]) -> None:
    async with serving(make_app()) as client:
        for send in (
            lambda: client.post("/v1/echo", headers=headers, **FORM),
            lambda: client.post("/v1/echo", headers={**headers, "Content-Type": "text/plain"}, content=b'{"text":"a"}'),
            lambda: client.delete("/v1/echo", headers=headers),
        ):
            response = await send()
            assert response.status_code == 403
            error = response.json()["error"]
            assert (error["code"], error["service"]) == ("foreign_origin", "tts")
            assert "AVATAR_ALLOWED_ORIGINS" in error["message"]
        assert "access-control-allow-origin" not in response.headers


async def test_programs_and_own_pages_pass(serving: Serving) -> None:
    async with serving(make_app()) as client:
        here = str(client.base_url).rstrip("/")
        port = client.base_url.port
        for headers in (
            {},
            {"Origin": here},
            {"Origin": here, "Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
            # behind a proxy that speaks TLS and has its own name
            {"Origin": "https://avatar.example", "Sec-Fetch-Site": "same-origin"},
            {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"},
        ):
            assert (await post(client, **headers)).status_code == 200, headers


async def test_reading_is_left_to_the_browsers_own_rule(serving: Serving) -> None:
    async with serving(make_app()) as client:
        response = await client.get("/v1/stream", headers={**ELSEWHERE, "Sec-Fetch-Site": "cross-site"})
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers


async def test_pages_that_are_allowed_may_call_and_read(serving: Serving) -> None:
    settings = ServiceSettings(allowed_origins="https://Elsewhere.example/, http://localhost:8080")
    async with serving(make_app(settings)) as client:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        preflight = await client.options("/v1/echo", headers={**ELSEWHERE, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ELSEWHERE["Origin"]
        reply = await post(client, **ELSEWHERE, **{"Sec-Fetch-Site": "cross-site"})
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == ELSEWHERE["Origin"]
        assert "X-Request-ID" in reply.headers["access-control-expose-headers"]
        # errors too, or the page cannot say what went wrong
        broken = await client.get("/v1/broken", headers=ELSEWHERE)
        assert (broken.status_code, broken.headers["access-control-allow-origin"]) == (500, ELSEWHERE["Origin"])
        assert (await post(client, Origin="https://third.example")).status_code == 403


async def test_every_page_can_be_allowed(serving: Serving) -> None:
    async with serving(make_app(ServiceSettings(allowed_origins="*"))) as client:
        reply = await post(client, **ELSEWHERE, **{"Sec-Fetch-Site": "cross-site"})
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, "*")
        assert (await post(client, **{"Sec-Fetch-Site": "cross-site"})).status_code == 200


async def test_sockets_are_not_opened_for_pages_elsewhere() -> None:
    async with running(make_app()) as url:
        address = url.replace("http", "ws", 1) + "/v1/socket"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, origin="https://elsewhere.example"):  # type: ignore[arg-type]
                pass
        assert refused.value.response.status_code == 403
        for origin in (None, url):
            async with connect(address, origin=origin) as socket:  # type: ignore[arg-type]
                await socket.send("hello")
                assert await socket.recv() == "HELLO"


@pytest.mark.parametrize("text", ["elsewhere.example", "https://a.example/page", "https://a.example,b", "https://"])
def test_what_is_no_origin_is_refused_at_start(text: str) -> None:
    with pytest.raises(ValidationError, match="no origin of a page"):
        ServiceSettings(allowed_origins=text)


def test_the_origins_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ALLOWED_ORIGINS", " https://A.example:8443 ,,http://localhost:8080/")
    assert ServiceSettings().origins == ("https://a.example:8443", "http://localhost:8080")
