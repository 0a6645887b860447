"""One try to get a file from one address, going on where an earlier try ended (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from comps.core.weights.part import Origin, Part
from comps.core.weights.watcher import Watcher

LARGEST = 16 * 1024**3
"""Bytes of the largest file taken when its size is not documented."""
_RESERVE = 64 * 1024**2
"""Bytes of disk left free."""
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class RefusedError(Exception):
    """This address will not give the file: it is not there, not allowed, or another file."""


class BrokenOffError(Exception):
    """The try ended early; another may work, after `wait_s` seconds if the server named a time."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class NoSpaceError(Exception):
    """The disk cannot hold the file."""


@dataclass(frozen=True, slots=True)
class Patience:
    """When a try is given up, and how many follow.

    Args:
        connect_s: longest wait for a connection.
        silence_s: longest wait for the next bytes.
        slowest: bytes per second; what stays below it for `slow_s` seconds counts as stalled.
        tries: in a row that gain less than `worthwhile` bytes, before the next address is tried.
        most_tries: at one address in all.
        first_wait_s: before the second try; doubled for each further one up to `longest_wait_s`.
    """

    connect_s: float = 10.0
    silence_s: float = 30.0
    slowest: float = 1024.0
    slow_s: float = 30.0
    tries: int = 4
    most_tries: int = 50
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0

    @property
    def worthwhile(self) -> float:
        """Bytes a try must gain not to count as lost; more than a stalled server sends before it is given up."""
        return max(1.0, self.slowest * self.slow_s)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of the file before it is fetched: `size` and `limit` in bytes.

    `proven` says that a hash will tell a right file from a wrong one, so that its pieces may come from anywhere.
    """

    name: str
    proven: bool
    size: int | None = None
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free

    @property
    def limit(self) -> int:
        """Most bytes taken."""
        return self.size if self.proven and self.size is not None else LARGEST


class Download:
    """Fetches `wanted` into `part` with `client`."""

    def __init__(self, client: httpx.Client, wanted: Wanted, part: Part, patience: Patience, watcher: Watcher) -> None:
        self._client = client
        self._wanted = wanted
        self._part = part
        self._patience = patience
        self._watcher = watcher

    def attempt(self, url: str) -> None:
        """Complete the part, or add to it what can be had.

        Raises:
            RefusedError, BrokenOffError, NoSpaceError: see there.
            OSError: the part cannot be written.
        """
        try:
            with self._client.stream("GET", url, headers=self._headers(url), follow_redirects=True) as response:
                self._take(url, response)
        except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise BrokenOffError(_reason(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RefusedError(_reason(error)) from error

    def _headers(self, url: str) -> dict[str, str]:
        # ranges count the bytes of an encoding: only the plain one has those of the file
        headers = {"Accept-Encoding": "identity"}
        have, origin = self._part.have, self._part.origin
        if not have:
            return headers
        validator = origin.validator if origin and origin.url == url else ""
        if not validator and not self._wanted.proven:
            return headers
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
        return headers

    def _take(self, url: str, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._past_the_end(response)
            return
        _refuse_failures(response)
        total = self._begin(url, response)
        self._check_space(total)
        self._watcher.fetches(self._wanted.name, self._part.have, total or self._wanted.size)
        self._write(response)
        if total is not None and self._part.have != total:
            raise BrokenOffError(f"ended after {self._part.have} of {total} bytes")

    def _past_the_end(self, response: httpx.Response) -> None:
        """A part that is as long as the whole is the whole; any other is useless."""
        _, total = _range(response)
        if total is None or total != self._part.have:
            self._part.clear()
            raise BrokenOffError("has another file than before")

    def _begin(self, url: str, response: httpx.Response) -> int | None:
        """Make the part fit the answer; returns the bytes of the whole, if the server says."""
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            start, total = _range(response)
            self._check_size(total)
            if start != self._part.have or self._part.differs(total):
                self._part.clear()
                raise BrokenOffError("has another file than before")
            self._part.in_pieces = True
            return total
        length = response.headers.get("content-length", "")
        total = int(length) if length.isdigit() else None
        self._check_size(total)
        self._part.starts(Origin(url, _validator(response), total))
        return total

    def _check_size(self, total: int | None) -> None:
        """Refuse another file before a byte of it is taken."""
        wanted = self._wanted
        if total is not None and (total > wanted.limit or (wanted.proven and wanted.size not in (None, total))):
            raise RefusedError(f"has a file of {total} bytes, not of {wanted.limit}")

    def _check_space(self, total: int | None) -> None:
        needed = (total or self._wanted.size or 0) - self._part.have
        free = self._wanted.free_bytes(self._part.path.parent)
        if needed + _RESERVE > free:
            message = f"{self._wanted.name} needs {megabytes(needed)} more and {megabytes(free)} are free"
            raise NoSpaceError(f"{message} in {self._part.path.parent}")

    def _write(self, response: httpx.Response) -> None:
        room = self._wanted.limit - self._part.have
        pace = _Pace(self._patience)
        with self._part.path.open("ab") as out:
            for block in response.iter_raw():
                room -= len(block)
                if room < 0:
                    raise RefusedError(f"sends more than the {self._wanted.limit} bytes expected")
                out.write(block)
                self._watcher.moved(len(block))
                pace.add(len(block))


class _Pace:
    """Notices a server that still sends, but too little to ever end."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since = time.monotonic()
        self._bytes = 0

    def add(self, count: int) -> None:
        self._bytes += count
        elapsed = time.monotonic() - self._since
        if elapsed < self._patience.slow_s:
            return
        if self._bytes < elapsed * self._patience.slowest:
            raise BrokenOffError(f"sent {self._bytes / elapsed:.0f} bytes per second")
        self._since, self._bytes = time.monotonic(), 0


def _refuse_failures(response: httpx.Response) -> None:
    status = response.status_code
    if status >= 500 or status in _WORTH_ANOTHER_TRY:
        wait = response.headers.get("retry-after", "")
        raise BrokenOffError(f"answers {status} {response.reason_phrase}", float(wait) if wait.isdigit() else None)
    if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise RefusedError(f"answers {status} {response.reason_phrase}")
    if response.headers.get("content-type", "").startswith("text/html"):
        raise RefusedError("answers with a web page, not with the file")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise RefusedError("sends the file encoded, so that no part of it can be continued or measured")


def _range(response: httpx.Response) -> tuple[int | None, int | None]:
    """Start and total of a Content-Range; None for what is not said."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None:
        return None, None
    start, total = found.groups()
    return (int(start) if start else None), (None if total == "*" else int(total))


def _validator(response: httpx.Response) -> str:
    """What may stand in If-Range: a strong ETag or a date."""
    etag = str(response.headers.get("etag", ""))
    return etag if etag.startswith('"') else str(response.headers.get("last-modified", ""))


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "cannot be reached in time"
    if isinstance(error, httpx.TimeoutException):
        return "fell silent"
    reason = str(error) or type(error).__name__
    return f"cannot be reached: {reason}" if isinstance(error, httpx.ConnectError) else f"fails: {reason}"


def megabytes(count: int) -> str:
    """A size for people, in decimal units as disks and browsers show it."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count} bytes"
