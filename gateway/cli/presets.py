"""What the presets are and cost: the command that lists them, and the plan of a video."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from gateway.cli.calls import call_json
from gateway.cli.failure import print_json, run
from gateway.cli.progress import Plan, duration
from gateway.cli.session import gateway_client

if TYPE_CHECKING:
    import httpx

    from gateway.cli.make import Look

_ANIMATION = ("animation",)
UNKNOWN = "not known yet"


def list_presets(engine: str, url: str, *, as_json: bool) -> None:
    """`avatarchatbot presets`."""
    found = run(lambda: _measured(engine, url, quiet=as_json))
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("Preset", "Longer side", "Frames/s", "Enhancer", "Work for a second of speech", box=None)
    for row in found["presets"]:
        table.add_row(row["name"], f"{row['size']} px", str(row["fps"]), row["enhancer"] or "none", cost(row["work_s"]))
    sys.stdout.write(f"Engine {found['engine']} on {found['machine']}\n\n")
    Console().print(table)
    if found.get("problem"):  # which an older gateway does not tell
        sys.stdout.write(f"\nIt cannot run here: {found['problem']}\n")


async def _measured(engine: str, url: str, *, quiet: bool) -> dict[str, Any]:
    from gateway.cli.progress import working

    async with gateway_client(url, _ANIMATION) as client:
        wanted = {"engine": engine} if engine else {}
        with working("measuring what is not known yet", quiet=quiet):
            found: dict[str, Any] = await call_json(client, "POST", "/v1/presets", json=wanted)
        return found


def cost(work_s: float | None) -> str:
    """Seconds of work for a second of speech, for people to read."""
    if work_s is None:
        return UNKNOWN
    return f"{work_s:.2f} s" if work_s < 60 else duration(work_s)


async def plan_of(client: httpx.AsyncClient, look: Look) -> Plan | None:
    """What the video will be and what a second of it costs; nothing is measured for that.

    A gateway that cannot tell is no reason to fail.
    """
    from comps.core.errors import AvatarError

    given = {"engine": look.engine, "size": look.size, "fps": look.fps}
    try:
        query = {name: value for name, value in given.items() if value}
        found = await call_json(client, "GET", "/v1/presets", params=query)
        row = next(row for row in found["presets"] if row["name"] == (look.preset or "standard"))
        work_s: float | None = row["work_s"]
        line = f"{found['engine']}, {row['name']}: {row['size']} px, {row['fps']} frames/s; {_time(work_s)}"
    except (AvatarError, LookupError, TypeError, StopIteration, RuntimeError):
        return None
    return Plan(line, work_s)


def _time(work_s: float | None) -> str:
    if work_s is None:
        return "how long it takes here is not known yet (`avatarchatbot presets` measures it)"
    return f"about {cost(work_s)} of work for a second of speech"
