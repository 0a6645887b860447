"""Long videos at the command line: jobs that are begun, watched, fetched and gone on with."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.calls import call, call_json, place
from gateway.cli.download import download
from gateway.cli.explained import about_files, check_body
from gateway.cli.failure import FailureError, UsageFailureError, print_json, run
from gateway.cli.named_avatar import id_of
from gateway.cli.output import check_writable, read_input
from gateway.cli.presets import plan_of
from gateway.cli.progress import AnswerProgress, answer_progress, duration
from gateway.cli.session import gateway_client

if TYPE_CHECKING:
    import httpx

    from gateway.cli.make import Look

LONG_S = 60.0
"""Recordings longer than this are jobs unless the user says otherwise."""
POLL_S = 0.5
_ANIMATION = ("animation",)

JobOf = Callable[["httpx.AsyncClient", AnswerProgress], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the video goes, which gateway makes it (empty: this process), and how the result is told."""

    output: Path
    url: str = ""
    as_json: bool = False

    def how_to_go_on(self, job_id: str) -> str:
        """The command that goes on with a job, or fetches it."""
        return f"avatarchatbot jobs resume {job_id} -o {self.output}" + (f" --url {self.url}" if self.url else "")


def is_long(recording: Path) -> bool:
    """Whether a recording is so long that its video is better made as a job; False for what cannot be read."""
    import av

    with suppress(av.FFmpegError, OSError, ValueError), av.open(str(recording)) as container:
        return container.duration is not None and container.duration / 1e6 > LONG_S
    return False


def animate_as_job(speech: Path, look: Look, delivery: Delivery) -> None:
    """`avatarchatbot animate --job`."""

    def body() -> dict[str, Any]:
        return {"audio": base64.b64encode(read_input(speech)).decode(), **look.body()}

    run(lambda: _make(body, _ANIMATION, look, delivery, speech))


def say_as_job(text: str, voice: dict[str, str], look: Look, delivery: Delivery) -> None:
    """`avatarchatbot say --job`."""

    def body() -> dict[str, Any]:
        if not text.strip():
            raise UsageFailureError("there is nothing to say")
        return {"text": text, **voice, **look.body()}

    run(lambda: _make(body, ("tts", "animation"), look, delivery, None))


def resume_job(job_id: str, delivery: Delivery) -> None:
    """`avatarchatbot jobs resume`."""

    async def resumed(client: httpx.AsyncClient, _: AnswerProgress) -> dict[str, Any]:
        job: dict[str, Any] = await call_json(client, "POST", f"{place('/v1/jobs', job_id)}/resume")
        return job

    run(lambda: _followed(resumed, _ANIMATION, delivery))


def show_job(job_id: str, url: str, *, as_json: bool) -> None:
    """`avatarchatbot jobs show`."""
    _tell(run(lambda: _asked("GET", job_id, url)), as_json)


def cancel_job(job_id: str, url: str, *, purge: bool, as_json: bool) -> None:
    """`avatarchatbot jobs cancel`."""
    job = run(lambda: _asked("DELETE", job_id, url, "?purge=true" if purge else ""))
    if job:
        _tell(job, as_json)
    elif as_json:
        print_json({"id": job_id, "removed": True})
    else:
        sys.stdout.write(f"{job_id}: removed\n")


async def _asked(method: str, job_id: str, url: str, query: str = "") -> dict[str, Any]:
    path = f"{place('/v1/jobs', job_id)}{query}"
    async with gateway_client(url, _ANIMATION) as client:
        answer = await call(client, method, path)
        job: dict[str, Any] = answer.json() if answer.content else {}
        return job


async def _make(
    body: Callable[[], dict[str, Any]], stages: tuple[str, ...], look: Look, delivery: Delivery, sound: Path | None
) -> None:
    from gateway.request import JobRequest

    wanted = body()
    check_body(JobRequest, wanted)

    async def made(client: httpx.AsyncClient, progress: AnswerProgress) -> dict[str, Any]:
        if "avatar" in wanted:
            wanted["avatar"] = await id_of(client, wanted["avatar"])
        progress.expect(await plan_of(client, look))
        with about_files(sound=sound):
            job: dict[str, Any] = await call_json(client, "POST", "/v1/jobs", json=wanted)
        progress.begun()
        return job

    await _followed(made, stages, delivery)


async def _followed(job_of: JobOf, stages: tuple[str, ...], delivery: Delivery) -> None:
    """Watch a job to its end, fetch its video, and remove it from the gateway."""
    if delivery.output.suffix.lower() != ".mp4":
        raise UsageFailureError(f"{delivery.output} does not end in .mp4; only MP4 can be written")
    check_writable(delivery.output)
    async with gateway_client(delivery.url, stages) as client:
        with answer_progress(quiet=delivery.as_json) as progress:
            job = await _ended(client, await job_of(client, progress), delivery, progress)
            await download(client, job["video_path"], delivery.output)
        await call(client, "DELETE", f"/v1/jobs/{job['id']}?purge=true")
    if delivery.as_json:
        print_json({"output": str(delivery.output), **{name: job[name] for name in job if name != "video_path"}})
        return
    sys.stdout.write(f"{delivery.output}: {job['total_s']:.2f} s at {job['fps']} fps\n")


async def _ended(
    client: httpx.AsyncClient, job: dict[str, Any], delivery: Delivery, progress: AnswerProgress
) -> dict[str, Any]:
    """The job once it is done; raises FailureError when it ends otherwise."""
    progress.say("job", f"{job['id']}; if this is interrupted: {delivery.how_to_go_on(job['id'])}")
    try:
        while job["state"] in ("queued", "running"):
            progress.job(job)
            await asyncio.sleep(POLL_S)
            job = await call_json(client, "GET", f"/v1/jobs/{job['id']}")
    except asyncio.CancelledError:
        kept = "the job goes on there; to fetch it" if delivery.url else "what is finished is kept; to go on"
        progress.say("job", f"{kept}: {delivery.how_to_go_on(job['id'])}")
        raise
    progress.job(job)
    if job["state"] != "done":
        why = job["error"]["message"] if job["error"] else "somebody stopped it"
        raise FailureError(f"the job is {job['state']}: {why}. To go on: {delivery.how_to_go_on(job['id'])}")
    return job


def _tell(job: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    facts = [
        f"{job['segments_done']} of {job['segments_total']} segments",
        f"{job['done_s']:g} of {job['total_s']:g} s",
    ]
    if job["remaining_s"]:
        facts.append(f"about {duration(job['remaining_s'])} of work left")
    if job["error"]:
        facts.append(job["error"]["message"])
    sys.stdout.write(f"{job['id']}: {job['state']}, {', '.join(facts)}\n")
