"""What one request carries through every call made for it: its id and its deadline."""

from __future__ import annotations

import re
import time
import uuid
from contextvars import ContextVar

REQUEST_ID_HEADER = "X-Request-ID"
DEADLINE_HEADER = "X-Deadline-Ms"

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,127}")

request_id_var: ContextVar[str] = ContextVar("request_id", default="")
deadline_var: ContextVar[float | None] = ContextVar("deadline", default=None)
"""`time.monotonic` seconds after which nobody waits for the answer any more."""


def request_id() -> str:
    """Id of the request being served, or ``""`` outside of one."""
    return request_id_var.get()


def request_id_from(header: str | None) -> str:
    """The client's id when it is short and plain enough to log and echo, else a new one."""
    if header and _SANE_ID.fullmatch(header):
        return header
    return uuid.uuid4().hex


def remaining_s() -> float | None:
    """Seconds left before the deadline (not below 0), or None when there is none."""
    deadline = deadline_var.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def budget_s(header: str | None, limit_s: float) -> float:
    """Seconds a request may take: the `X-Deadline-Ms` it came with, at most `limit_s`; nonsense is ignored."""
    if header and header.isascii() and header.isdigit():
        return min(int(header[:12]) / 1000, limit_s)
    return limit_s
