"""`avatarchatbot up` ended by Ctrl-C in the middle of an answer: without a traceback, and wholly."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import httpx

from tests.acceptance.stack import alive, all_free, product


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    with product(tmp_path, AVATAR_GATEWAY_SHUTDOWN_GRACE_S="1") as running:
        assert len(alive(tmp_path)) == 5
        answering = threading.Event()

        def ask() -> None:
            body = {"text": "This is one of many long sentences. " * 50}
            with (
                suppress(httpx.HTTPError),
                httpx.stream("POST", f"{running.urls['gateway']}/v1/say", json={**body, "stream": True}) as reply,
            ):
                for _ in reply.iter_bytes():
                    answering.set()

        thread = threading.Thread(target=ask)
        thread.start()
        assert answering.wait(30)
        assert running.ctrl_c() == 0
        thread.join()
        assert alive(tmp_path) == []
        assert all_free(running.ports())
        said = running.log.read_text()
        assert "Traceback" not in said, said
        assert list((tmp_path / "avatarchatbot").rglob("*.part")) == []
