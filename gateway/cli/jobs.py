"""`avatarchatbot jobs`: long videos that were begun. What the commands do is imported when one of them runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

jobs_app = typer.Typer(
    help="Long videos: find one, go on with it, see how far it is, stop it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JobId = Annotated[str, typer.Argument(help="The job's id; `avatarchatbot jobs list` has it.")]
Url = Annotated[str, typer.Option("--url", help="The running gateway that has the job; without it, this user's own.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@jobs_app.command("resume")
def jobs_resume(
    job: JobId,
    output: Annotated[Path, typer.Option("-o", "--output", help="The MP4 to write.")] = Path("job.mp4"),
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Go on with a job where it stopped, and write its video when it is done."""
    from gateway.cli.job_runs import Delivery, resume_job

    resume_job(job, Delivery(output, url, as_json))


@jobs_app.command("list")
def jobs_list(as_json: AsJson = False) -> None:
    """List this user's own jobs, the newest first."""
    from gateway.cli.job_list import list_jobs

    list_jobs(as_json=as_json)


@jobs_app.command("show")
def jobs_show(job: JobId, url: Url = "", as_json: AsJson = False) -> None:
    """Say how far a job has come."""
    from gateway.cli.job_runs import show_job

    show_job(job, url, as_json=as_json)


@jobs_app.command("cancel")
def jobs_cancel(
    job: JobId,
    purge: Annotated[bool, typer.Option("--purge", help="Also remove what is finished of it.")] = False,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Stop a job; what is finished of it is kept, so that it can be gone on with."""
    from gateway.cli.job_runs import cancel_job

    cancel_job(job, url, purge=purge, as_json=as_json)
