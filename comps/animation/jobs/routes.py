"""``/v1/jobs``: long videos made in the background. There is no list: who knows an id may use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from comps.animation.jobs.intake import JobIntake
from comps.animation.jobs.job import JobView
from comps.animation.jobs.runner import JobRunner
from comps.animation.jobs.store import JobStore, store_of
from comps.animation.pace.keeper import PaceKeeper
from comps.animation.requests import AnimationRequest
from comps.animation.studio import Studio
from comps.core.errors import NotFoundError
from comps.core.web.json_body import JsonRoute
from comps.core.web.video_file import VideoFile


@dataclass(frozen=True, slots=True)
class JobDesk:
    """What the routes need; made once when the service starts."""

    intake: JobIntake
    runner: JobRunner
    store: JobStore
    studio: Studio

    @classmethod
    def build(cls, studio: Studio, keeper: PaceKeeper) -> JobDesk:
        """By the settings of `studio`; needs a running event loop."""
        store = store_of(studio.settings)
        runner = JobRunner(studio, store, keeper)
        return cls(JobIntake(studio, store, runner), runner, store, studio)


def keep_desk(app: FastAPI, desk: JobDesk) -> None:
    """Give the app its jobs."""
    app.state.jobs = desk


def _desk_of(request: Request) -> JobDesk:
    desk: JobDesk = request.app.state.jobs
    return desk


Desk = Annotated[JobDesk, Depends(_desk_of)]
router = APIRouter(prefix="/v1/jobs", tags=["animation"], route_class=JsonRoute)


@router.post("", status_code=202, summary="Animate a recording in the background")
async def create(wanted: AnimationRequest, response: Response, desk: Desk) -> JobView:
    """The job; it goes on when the client leaves, and can be stopped and gone on with."""
    return _accepted(await desk.intake.recording(wanted), response)


@router.post("/speech", status_code=202, summary="Animate speech with its phones in the background")
async def create_of_speech(request: Request, response: Response, desk: Desk) -> JobView:
    """The body is framed messages, those of a live session: `start`, `speech`..., `end`."""
    return _accepted(await desk.intake.speech(request.stream()), response)


def _accepted(job: JobView, response: Response) -> JobView:
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


@router.get("/place", status_code=204, summary="Whether the line has a place for another job", response_class=Response)
async def place(desk: Desk) -> None:
    """204, or 429 when it is full; for callers who have much to do before they can make a job."""
    desk.runner.require_place()


@router.get("/{job_id}", summary="How far a job has come")
async def show(job_id: str, desk: Desk) -> JobView:
    """State, finished segments, and the seconds of work that are left."""
    return await desk.runner.view(job_id)


@router.delete("/{job_id}", summary="Stop a job, or remove it", response_model=JobView)
async def cancel(job_id: str, desk: Desk, purge: bool = False) -> JobView | Response:
    """Stop; finished segments stay, unless `purge` removes everything (204)."""
    if not purge:
        return await desk.runner.cancel(job_id)
    await desk.runner.purge(job_id)
    return Response(status_code=204)


@router.post("/{job_id}/resume", summary="Go on with a job that was stopped or failed")
async def resume(job_id: str, desk: Desk) -> JobView:
    """From its first segment that is missing; a job that is in line, running or done stays as it is."""
    return await desk.runner.resume(job_id)


@router.get("/{job_id}/video.mp4", summary="The video of a finished job", response_class=Response)
async def video(job_id: str, desk: Desk) -> Response:
    """Progressive MP4, index first; range requests are served."""
    job = await desk.studio.in_thread(desk.store.load, job_id)
    if job.state != "done":
        raise NotFoundError(f"this job is {job.state}: there is no video yet")
    return VideoFile(str(desk.store.video(job)), "animation")
