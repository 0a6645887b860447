"""A real HTTP server that gives one file, as well or as badly as a test asks it to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from comps.core.weights import WeightFile

CONTENT = bytes(range(256)) * 1200
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Answer:
    """How one request is answered: `cut` bytes of the body at most, then the connection ends, or stays silent."""

    status: int = 0
    cut: int | None = None
    silent: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class FileServer(ThreadingHTTPServer):
    """Gives `content`, with the answers of `plan` first and plain ones after them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.etag: str | None = '"one"'
        self.last_modified: str | None = None
        self.ranges = True
        self.lengths = True
        self.plan: list[Answer] = []
        self.seen: list[tuple[str, Message]] = []
        self.started = threading.Event()
        self.released = threading.Event()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def file(self, **changes: Any) -> WeightFile:
        row = {"name": "w.pth", "urls": (f"{self.base}/w.pth",), "sha256": SHA256, "size": len(CONTENT), **changes}
        return WeightFile(**row)

    @property
    def asked(self) -> list[str | None]:
        """The Range of each request."""
        return [headers["Range"] for _, headers in self.seen]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server = self.server
        server.seen.append((self.path, self.headers))
        answer = server.plan.pop(0) if server.plan else Answer()
        if answer.status:
            self.send_response(answer.status)
            self._end(answer, b"no")
            return
        start = self._start()
        if start is not None and start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self._end(answer, b"")
            return
        self.send_response(200 if start is None else 206)
        if start is not None:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        for name, value in (("ETag", server.etag), ("Last-Modified", server.last_modified)):
            if value:
                self.send_header(name, value)
        self._end(answer, server.content[start or 0 :])

    def _start(self) -> int | None:
        asked, condition = self.headers["Range"], self.headers["If-Range"]
        if not asked or not self.server.ranges:
            return None
        if condition and condition not in (self.server.etag, self.server.last_modified):
            return None
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def _end(self, answer: Answer, body: bytes) -> None:
        if self.server.lengths:
            self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if answer.cut is None else body[: answer.cut])
        self.wfile.flush()
        self.server.started.set()
        if answer.silent:
            self.server.released.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[FileServer]:
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
