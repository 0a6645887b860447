"""Which services to start, and how, from what was asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from comps.core.client import create_client

PORTS: Mapping[str, int] = {"asr": 7066, "llm": 3006, "tts": 7055, "animation": 9066}
_URL_VARIABLES = {"asr": "AVATAR_ASR_URL", "llm": "AVATAR_LLM_OPENAI_BASE_URL", "tts": "AVATAR_TTS_URL"}
_PROBE_S = 3.0


class PlanError(Exception):
    """The services cannot be started as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service to be started as a process.

    `module` is run as a program; `env` is added to the environment. The service must listen on
    `host`:`port` and answer `/readyz`.
    """

    name: str
    port: int
    module: str = ""
    host: str = "127.0.0.1"
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its base URL as seen from this machine."""
        host = "127.0.0.1" if self.host in ("", "0.0.0.0") else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def command(self) -> tuple[str, ...]:
        """Program and arguments."""
        return (sys.executable, "-m", "megaservice.supervisor.leash", self.module or f"comps.{self.name}")

    @property
    def variables(self) -> dict[str, str]:
        """What is added to the environment: address and `env`."""
        prefix = f"AVATAR_{self.name.upper()}"
        return {f"{prefix}_HOST": self.host, f"{prefix}_PORT": str(self.port), "PYTHONUNBUFFERED": "1", **self.env}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, and the base URL of every stage once it runs."""

    services: tuple[ServiceSpec, ...]
    urls: Mapping[str, str]


async def make_plan(
    urls: Mapping[str, str] | None = None, base_port: int = 0, env: Mapping[str, Mapping[str, str]] | None = None
) -> Plan:
    """A plan for the four stages.

    A stage with a URL in `urls` is not started when one of our services answers there; otherwise our
    service is started with its engine ``openai`` pointed at the URL.

    Args:
        urls: stage to URL; empty or missing means start the stage here.
        base_port: the first of four ports in a row; 0 means the usual ones.
        env: stage to variables added to its environment.

    Raises:
        PlanError: what is given is no URL, nothing answers at it, or it cannot serve its stage.
    """
    services, where = [], {}
    async with create_client() as client:
        for offset, (stage, usual_port) in enumerate(PORTS.items()):
            url = _checked(stage, (urls or {}).get(stage, "").strip())
            if url and await _is_ours(client, stage, url):
                where[stage] = url
                continue
            added = {**(env or {}).get(stage, {}), **(_openai(stage, url) if url else {})}
            spec = ServiceSpec(stage, base_port + offset if base_port else usual_port, env=added)
            services.append(spec)
            where[stage] = spec.url
    return Plan(tuple(services), where)


def _checked(stage: str, url: str) -> str:
    """`url` without slashes at its end, ``""`` as it is; raises PlanError for what cannot be asked over HTTP."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise PlanError(f"{stage}: '{url}' is not a URL: {error}") from error
    if url and (parsed.scheme not in ("http", "https") or not parsed.host):
        raise PlanError(
            f"{stage}: '{url}' is not a URL; one looks like http://localhost:8080 or https://example.com/v1"
        )
    return url.rstrip("/")


async def _is_ours(client: httpx.AsyncClient, stage: str, url: str) -> bool:
    """True when what answers at `url` is one of our services, ready or still loading."""
    try:
        answer = await client.get(f"{url}/readyz", timeout=_PROBE_S)
        body = answer.json() if answer.status_code in (200, 503) else {}
    except ValueError:
        return False
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PlanError(f"{stage}: nothing answers at {url} ({type(error).__name__}); check the URL") from error
    return isinstance(body, dict) and body.get("status") in ("ready", "loading")


def _openai(stage: str, url: str) -> dict[str, str]:
    if stage == "animation":
        raise PlanError(f"animation: {url} is not an animation service of this project; other servers cannot be used")
    base = url if url.endswith("/v1") else f"{url}/v1"
    return {f"AVATAR_{stage.upper()}_ENGINE": "openai", _URL_VARIABLES[stage]: base}
