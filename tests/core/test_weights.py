from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from comps.core import weights
from comps.core.errors import EngineUnavailableError

BYTES = b"weights" * 1000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BYTES)))
        self.end_headers()
        self.wfile.write(BYTES[:-5] if self.path == "/short" else BYTES)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.requests = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5, trust_env=False) as client:
        yield client


def weight(server: ThreadingHTTPServer, path: str) -> weights.Weight:
    url = f"http://127.0.0.1:{server.server_address[1]}{path}"
    return weights.Weight("w", "w.pt", url, hashlib.sha256(BYTES).hexdigest(), "MIT")


def test_a_weight_is_fetched_once(server: ThreadingHTTPServer, client: httpx.Client, tmp_path: Path) -> None:
    row = weight(server, "/w")
    assert weights.fetch(row, tmp_path, client).read_bytes() == BYTES
    weights.fetch(row, tmp_path, client)
    assert server.requests == ["/w"]  # type: ignore[attr-defined]


def test_a_damaged_file_is_fetched_again(server: ThreadingHTTPServer, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"old")
    assert weights.fetch(weight(server, "/w"), tmp_path, client).read_bytes() == BYTES


def test_a_wrong_hash_leaves_nothing(server: ThreadingHTTPServer, client: httpx.Client, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="sha256"):
        weights.fetch(replace(weight(server, "/w"), sha256="0" * 64), tmp_path, client)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/short", "/missing"])
def test_a_failed_download_leaves_nothing(
    server: ThreadingHTTPServer, client: httpx.Client, tmp_path: Path, path: str
) -> None:
    with pytest.raises(EngineUnavailableError, match="could not be fetched"):
        weights.fetch(weight(server, path), tmp_path, client)
    assert list(tmp_path.iterdir()) == []


def test_every_row_of_the_manifest_has_a_hash_in_its_url() -> None:
    rows = weights.manifest()
    assert rows
    assert all(len(row.sha256) == 64 and row.sha256 in row.url and row.licence for row in rows.values())


def test_the_command_refuses_unknown_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert weights.main([str(tmp_path), "nothing"]) == 2
    assert "whisper-small" in capsys.readouterr().err


def test_processes_that_share_a_folder_do_not_disturb_each_other(
    server: ThreadingHTTPServer, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partials: list[Path] = []

    def download(url: str, path: Path, client: httpx.Client) -> None:
        partials.append(path)
        real(url, path, client)
        if len(partials) == 1:  # another one starts and ends while this one is between its bytes and its hash
            weights.fetch(weight(server, "/w"), tmp_path, client)
            assert path.read_bytes() == BYTES

    real = weights._download
    monkeypatch.setattr(weights, "_download", download)
    assert weights.fetch(weight(server, "/w"), tmp_path, client).read_bytes() == BYTES
    assert len(set(partials)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["w.pt"]


def test_a_full_disk_is_one_sentence(
    server: ThreadingHTTPServer, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(url: str, path: Path, client: httpx.Client) -> None:
        path.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights, "_download", full)
    with pytest.raises(EngineUnavailableError, match=r"w\.pt could not be kept in .*: No space left on device"):
        weights.fetch(weight(server, "/w"), tmp_path, client)
    assert list(tmp_path.iterdir()) == []
