from __future__ import annotations

import re
from importlib import import_module

import httpx
import pytest
from fastapi import FastAPI

from .conftest import Serving, make_app

SERVICES = ("comps.asr.service", "comps.llm.service", "comps.tts.service", "comps.animation.service", "gateway.app")
ADDRESS = re.compile(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""")


async def test_the_page_and_its_files_are_served_from_here(serving: Serving) -> None:
    async with serving(make_app()) as client:
        page = await client.get("/docs")
        assert page.status_code == 200
        addresses = ADDRESS.findall(page.text)
        assert len(addresses) == 4
        for address in addresses:
            assert address.startswith("/")
            assert not address.startswith("//")
            assert (await client.get(address)).status_code == 200
        assert "://" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'self';")
        assert (await client.get("/redoc")).status_code == 404


@pytest.mark.parametrize("module", SERVICES)
async def test_no_service_has_a_page_from_elsewhere(module: str) -> None:
    app: FastAPI = import_module(module).create_app()
    assert (app.docs_url, app.redoc_url) == (None, None)
    app.state.readiness.become("ready")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for path in ("/docs", "/redoc", "/"):
            page = await client.get(path)
            if "html" in page.headers.get("content-type", ""):
                assert "://" not in page.text
        assert (await client.get("/docs")).status_code == 200
