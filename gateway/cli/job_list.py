"""`avatarchatbot jobs list`: the jobs in this user's own folder, which a running `avatarchatbot up` shares."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import Any

from gateway.cli.failure import print_json, run_plain

_NONE = "there are no jobs; long recordings and `--job` make them\n"


def list_jobs(*, as_json: bool) -> None:
    """Print the jobs, the newest first."""
    jobs = run_plain(_jobs)
    if as_json:
        print_json(jobs)
        return
    if not jobs:
        sys.stdout.write(_NONE)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    table.add_column("Job", no_wrap=True)  # an id in two lines cannot be copied
    for title in ("Begun", "State", "Segments", "Length", "Engine"):
        table.add_column(title)
    for job in jobs:
        begun = datetime.fromisoformat(job["created"]).astimezone().strftime("%Y-%m-%d %H:%M")
        segments = f"{job['segments_done']} of {job['segments_total']}"
        table.add_row(job["id"], begun, job["state"], segments, f"{job['total_s']:.0f} s", job["engine"])
    Console().print(table)


def _jobs() -> list[dict[str, Any]]:
    from comps.animation.jobs.store import store_of
    from comps.animation.settings import AnimationSettings

    store = store_of(AnimationSettings())
    return [
        {
            "id": job.id,
            "created": datetime.fromtimestamp(job.created, timezone.utc).isoformat(timespec="seconds"),
            "state": job.state,
            "segments_done": store.finished(job),
            "segments_total": job.segments,
            "total_s": round(job.duration, 3),
            "engine": job.engine,
            "preset": job.options.preset,
            "fps": job.options.fps,
        }
        for job in store.newest()
    ]
