"""Running: a gateway that `avatarchatbot up` serves, noted in a small file so that `doctor` finds it on any port."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from comps.core.user_data import user_data

PROBE_S = 2.0
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


@dataclass(frozen=True, slots=True)
class Running:
    """Base URL of a gateway as seen from this machine, and of the service of each stage."""

    url: str
    services: Mapping[str, str]

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Host and port of the gateway and of every service on this machine, by name."""
        parts = {name: urlsplit(url) for name, url in {"gateway": self.url, **self.services}.items()}
        here = ("127.0.0.1", "localhost", "::1", urlsplit(self.url).hostname)
        return {
            name: (part.hostname, part.port)
            for name, part in parts.items()
            if part.hostname and part.port and part.hostname in here
        }


@contextmanager
def noted(listening: str, services: Mapping[str, str]) -> Iterator[None]:
    """Keep a note of a gateway, by the URL that it listens on, while the block runs; a full disk is not minded."""
    running = Running(_reachable(listening), dict(services))
    file = _folder() / _file_name(running.url)
    draft = file.with_suffix(".part")
    try:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(asdict(running)), encoding="utf-8")
            draft.replace(file)
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def find_running() -> list[Running]:
    """The gateways of this user that answer now, by address; notes of those that were killed are passed over. Blocks."""
    return [found for file in sorted(_folder().glob("*.json")) if (found := _read(file)) and answers(found.url)]


def answers(url: str) -> bool:
    """Whether a service of this program answers at a base URL. Blocks for `PROBE_S` at most."""
    import httpx

    try:
        report = httpx.get(f"{url}/v1/health_check", timeout=PROBE_S, trust_env=False).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False
    return isinstance(report, dict) and "Service Title" in report


def _folder() -> Path:
    return user_data() / "running"


def _file_name(url: str) -> str:
    """A name for each host and port, as gateways on several addresses may share a port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").replace(":", "_")  # which not every file system takes
    return f"{host}-{parts.port}.json"


def _read(file: Path) -> Running | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        running = Running(str(document["url"]), {str(name): str(url) for name, url in document["services"].items()})
        return running if running.addresses else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _reachable(listening: str) -> str:
    host = urlsplit(listening).hostname or ""
    return f"http://{_EVERY_INTERFACE[host]}:{urlsplit(listening).port}" if host in _EVERY_INTERFACE else listening
