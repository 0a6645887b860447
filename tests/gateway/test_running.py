"""Gateways that run on ports of their own are found by `avatarchatbot doctor`."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from comps.core.serve import running
from gateway.app import create_app
from gateway.cli.main import app
from gateway.cli.running import Running, find_running, noted
from gateway.settings import GatewaySettings
from tests.gateway.conftest import Stack, free_ports


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where notes are kept."""
    monkeypatch.setattr("gateway.cli.running.user_data", lambda: tmp_path)
    return tmp_path / "running"


def keep(folder: Path, *notes: bytes) -> None:
    folder.mkdir()
    for number, note in enumerate(notes):
        (folder / f"{number}.json").write_bytes(note)


def bare_gateway(host: str, port: int, outputs: Path) -> AbstractAsyncContextManager[str]:
    """A gateway without services, which says that it is one."""
    return running(
        create_app(GatewaySettings(outputs_dir=outputs, asr_url="", llm_url="", tts_url="", animation_url="")),
        host,
        port,
    )


async def doctor() -> dict[str, Any]:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"])
    report: dict[str, Any] = json.loads(result.stdout)
    return report


async def test_a_gateway_on_another_port_is_found_while_it_runs(stack: Stack, folder: Path) -> None:
    port = int(stack.url.rpartition(":")[2])
    with noted(stack.url, {"asr": "http://127.0.0.1:9", "llm": "https://elsewhere.example/v1"}):
        report = await doctor()
        assert report["running"] == [stack.url]
        assert {"service": "gateway", "host": "127.0.0.1", "port": port, "state": "ours"} in report["ports"]
        assert {"asr": 9}.items() <= {state["service"]: state["port"] for state in report["ports"]}.items()
        assert any(stack.url in line and line.startswith("running: open") for line in report["advice"])
        assert not any("everything is ready" in line for line in report["advice"])
    assert os.listdir(folder) == []
    assert (await doctor())["running"] == []


async def test_notes_of_killed_gateways_and_broken_ones_are_passed_over(stack: Stack, folder: Path) -> None:
    urls = (f"http://127.0.0.1:{free_ports(1)}", "no url", "http://127.0.0.1:x")
    keep(folder, *(json.dumps({"url": url, "services": {}}).encode() for url in urls), b"[]", b"\xff")
    with noted(stack.url, {}):
        assert [gateway.url for gateway in await asyncio.to_thread(find_running)] == [stack.url]


def test_who_listens_everywhere_is_reached_from_here(folder: Path) -> None:
    for listening, url in (("http://0.0.0.0:9", "http://127.0.0.1:9"), ("http://[::]:9", "http://[::1]:9")):
        with noted(listening, {}):
            (file,) = folder.iterdir()
            assert json.loads(file.read_text())["url"] == url


async def test_gateways_of_one_port_on_two_addresses_are_both_found(folder: Path, tmp_path: Path) -> None:
    port = free_ports(1)
    async with bare_gateway("127.0.0.1", port, tmp_path) as here, bare_gateway("127.0.0.2", port, tmp_path) as there:
        with noted(here, {}), noted(there, {}):
            report = await doctor()
    assert report["running"] == [here, there]
    rows = [(row["host"], row["state"]) for row in report["ports"] if row["port"] == port]
    assert rows == [("127.0.0.1", "ours"), ("127.0.0.2", "ours")]


async def test_a_port_is_looked_at_on_the_address_of_its_gateway(folder: Path, tmp_path: Path) -> None:
    port = free_ports(1)
    async with bare_gateway("127.0.0.2", port, tmp_path) as url:
        with noted(url, {"asr": f"http://127.0.0.1:{port}"}):
            report = await doctor()
    assert report["running"] == [url]
    rows = {row["service"]: (row["host"], row["state"]) for row in report["ports"] if row["port"] == port}
    assert rows == {"gateway": ("127.0.0.2", "ours"), "asr": ("127.0.0.1", "free")}


def test_a_folder_that_takes_nothing_is_not_minded(tmp_path: Path, folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    with noted("http://127.0.0.1:9", {}):
        assert find_running() == []


def test_services_elsewhere_have_no_port_here() -> None:
    services = {"asr": "http://127.0.0.1:1", "llm": "http://other.example:11434/v1", "tts": "http://localhost:3"}
    assert Running("http://127.0.0.1:9", services).addresses == {
        "gateway": ("127.0.0.1", 9),
        "asr": ("127.0.0.1", 1),
        "tts": ("localhost", 3),
    }


def test_up_notes_itself(up: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    (data,) = tmp_path_factory.getbasetemp().glob("up[0-9]/avatarchatbot")
    monkeypatch.setattr("gateway.cli.running.user_data", lambda: data)
    (found,) = find_running()
    assert found.url == up
    assert set(found.services) == {"asr", "llm", "tts", "animation"}
