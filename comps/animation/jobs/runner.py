"""JobRunner: works on jobs one after the other, keeping every segment that is finished."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from comps.animation.engine import FrameBatch
from comps.animation.jobs.job import RESUMABLE, Job, JobError, JobView, Trouble
from comps.animation.jobs.lock import FileLock
from comps.animation.jobs.store import JobStore
from comps.animation.pace.keeper import PaceKeeper
from comps.animation.session import AnimationSession
from comps.animation.studio import Studio
from comps.core.context import deadline_var
from comps.core.error_shape import public_error
from comps.core.errors import AvatarError, BusyError
from comps.core.media.segments import SegmentWriter, join_segments
from comps.core.threads import run_to_end

logger = logging.getLogger(__name__)

EXPECTED_S = 3.0
"""Seconds of video as much as which the expected speed counts beside the one that is seen: the first frames are slow."""
LOCK_TRIES, LOCK_WAIT_S = 10, 0.02
"""Whoever only looks whether a job is worked on holds its lock for a moment."""


@dataclass(slots=True, eq=False)
class _Run:
    """A job in work or in line; `frames` of it are done, of which the first timed ones were at `since`."""

    job: Job
    lock: FileLock
    frames: int = 0
    task: asyncio.Task[None] | None = None
    since: tuple[float, int] | None = None

    def note(self, frames: int) -> None:
        """So many frames of the job are done now."""
        self.frames = frames
        self.since = self.since or (time.monotonic(), frames)

    @property
    def seen(self) -> tuple[float, int]:
        """Seconds of work since the first batch of this run, and the frames drawn in them."""
        if self.since is None:
            return 0.0, 0
        return time.monotonic() - self.since[0], self.frames - self.since[1]


class JobRunner:
    """The jobs of one service. Use as an async context manager; what runs when it is left is cancelled, and kept.

    Args:
        studio: the service's.
        store: where jobs are.
        keeper: tells how long a job will take before there is anything to tell it from, and learns how long it took.
    """

    def __init__(self, studio: Studio, store: JobStore, keeper: PaceKeeper) -> None:
        self._studio = studio
        self._keeper = keeper
        self._store = store
        self._runs: dict[str, _Run] = {}
        self._held = 0
        self._working = asyncio.Semaphore(studio.settings.jobs_running)

    async def close(self) -> None:
        """Cancel all jobs; what is finished of them stays."""
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def require_place(self) -> None:
        """Raise BusyError when the line is full."""
        settings, waiting = self._studio.settings, len(self._runs) + self._held
        if waiting >= settings.jobs_running + settings.jobs_queued:
            raise BusyError(f"{waiting} jobs are waiting, which is as many as fit", retry_after_s=30)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the line while a job is being made for it; raises BusyError when the line is full."""
        self.require_place()
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    async def start(self, job: Job) -> JobView:
        """Put a job in line, from where it stopped; one that is there, or is done, stays as it is.

        Raises:
            BusyError: the line is full, or another process works on this job.
        """
        if job.id not in self._runs and job.state != "done":
            with self.place():
                await self.enqueue(job)
        return await self.view(job.id)

    async def enqueue(self, job: Job) -> None:
        """Put a job in line whose `place` is held; one that is there stays as it is.

        Raises:
            BusyError: another process works on this job.
            OSError: it cannot be written, and is not in line.
        """
        lock = await self._locked(job)
        if job.id in self._runs:  # another request was quicker
            lock.release()
            return
        run = _Run(replace(job, state="queued", error=None), lock)
        try:
            self._store.save(run.job)
        except BaseException:
            lock.release()
            raise
        self._runs[job.id] = run
        run.task = asyncio.create_task(self._work(run), name=f"job:{job.id}")
        run.task.add_done_callback(lambda _: self._ended(run))

    def _ended(self, run: _Run) -> None:
        """Let go of a job whose task is over, also of one that was cancelled before it began."""
        if run.job.state in ("queued", "running"):
            self._become(run, replace(run.job, state="cancelled"))
        run.lock.release()
        del self._runs[run.job.id]

    async def _locked(self, job: Job) -> FileLock:
        for _ in range(LOCK_TRIES):
            try:
                return FileLock(self._store.lock_of(job.id))
            except BusyError as error:
                problem = error
            await asyncio.sleep(LOCK_WAIT_S)
        raise problem

    async def resume(self, job_id: str) -> JobView:
        """Go on with a cancelled or failed job; any other is only told of."""
        if job_id in self._runs:
            return await self.view(job_id)
        job = await self._studio.in_thread(self._store.load, job_id)
        return await self.start(job) if job.state in RESUMABLE else await self.view(job_id)

    async def cancel(self, job_id: str) -> JobView:
        """Stop a job; its finished segments stay. One that does not run is only told of."""
        run = self._runs.get(job_id)
        if run is not None and run.task is not None:
            run.task.cancel()
            await asyncio.wait([run.task])
        return await self.view(job_id)

    async def purge(self, job_id: str) -> None:
        """Stop a job and remove all of it; raises BusyError when another process works on it."""
        await self.cancel(job_id)
        job = await self._studio.in_thread(self._store.load, job_id)
        lock = await self._locked(job)
        try:
            await self._studio.in_thread(self._store.remove, job)
        finally:
            lock.release()

    async def view(self, job_id: str) -> JobView:
        """How far a job has come; raises NotFoundError."""
        run = self._runs.get(job_id)
        job = run.job if run is not None else await self._studio.in_thread(self._store.load, job_id)
        segments = await self._studio.in_thread(self._store.finished, job)
        frames = min(job.frames, max(run.frames if run is not None else 0, segments * job.segment_frames))
        done = job.state == "done"
        frame_s = None if done else await self._frame_s(job, run, segments)
        left_s = None if frame_s is None else round((job.frames - frames) * frame_s, 1)
        return JobView(
            id=job.id,
            state=job.state,
            segments_done=segments,
            segments_total=job.segments,
            done_s=round(frames / job.options.fps, 3),
            total_s=round(job.duration, 3),
            remaining_s=0.0 if done else left_s,
            engine=job.engine,
            preset=job.options.preset,
            fps=job.options.fps,
            video_path=f"/v1/jobs/{job.id}/video.mp4" if done else None,
            notes=list(job.notes),
            error=None if job.error is None else JobError(code=job.error.code, message=job.error.message),
        )

    async def _frame_s(self, job: Job, run: _Run | None, segments: int) -> float | None:
        """Seconds of work for a frame: what is expected, and more and more what was seen in this run."""
        expected: float | None = None
        if segments and job.worked_s:
            expected = job.worked_s / min(job.frames, segments * job.segment_frames)
        elif (pace := await self._keeper.known(job.engine, job.options)) is not None:
            expected = pace / job.options.fps
        seconds, frames = run.seen if run is not None else (0.0, 0)
        weight = EXPECTED_S * job.options.fps
        if expected is None:
            return seconds / frames if frames >= weight / 3 else None
        return (expected * weight + seconds) / (weight + frames)

    async def _work(self, run: _Run) -> None:
        """The task of one job: it ends only with the job in a state that says how."""
        deadline_var.set(None)  # that of the request which began the job
        try:
            async with self._working:
                self._become(run, replace(run.job, state="running"))
                with self._studio.occupancy.work() as work:
                    await self._make(run)
                if work.alone:
                    await self._learn(run)
                self._become(run, replace(run.job, state="done"))
        except asyncio.CancelledError:
            self._become(run, replace(run.job, state="cancelled"))
        except AvatarError as error:
            self._become(run, replace(run.job, state="failed", error=Trouble(error.code, error.message)))
        except Exception as error:
            # Task boundary: nobody awaits the job, and whoever asks for it must learn that it ended.
            logger.exception("job %s failed", run.job.id)
            shown = public_error(error)
            self._become(run, replace(run.job, state="failed", error=Trouble(shown.code, shown.message)))

    async def _learn(self, run: _Run) -> None:
        """What a job took that had the service to itself."""
        (seconds, frames), fps = run.seen, run.job.options.fps
        if frames >= fps:
            await self._keeper.learn(run.job.engine, run.job.options, seconds / frames * fps)

    def _become(self, run: _Run, job: Job) -> None:
        # A few hundred bytes, which must also be written when the task is being cancelled.
        run.job = job
        try:
            self._store.save(job)
        except (OSError, AvatarError) as error:
            logger.warning("the state of job %s cannot be kept: %s", job.id, error)

    async def _make(self, run: _Run) -> None:
        job, studio = run.job, self._studio
        engine, enhancer = await studio.engines.get(job.engine), await studio.enhancer(job.options.enhancer)
        avatar = await studio.in_thread(self._store.avatar, job)
        session = await AnimationSession.open(engine, avatar, job.options, job.sample_rate, studio.workers, enhancer)
        width, height = session.size
        if job.width and (job.width, job.height) != (width, height):
            raise AvatarError("the engine now draws another size than it did: begin again with a new job")
        self._become(run, replace(job, width=width, height=height))
        await studio.in_thread(self._store.drop_damaged, job)
        segments = await studio.in_thread(self._store.finished, job)
        if segments < job.segments:
            await self._draw(run, session, segments)
        await run_to_end(partial(self._join, run.job), studio.workers.encode)

    async def _draw(self, run: _Run, session: AnimationSession, segments: int) -> None:
        """Draw what is missing after so many finished segments."""
        run.frames = segments * run.job.segment_frames
        pen = _Pen(run, self._store, self._studio)
        try:
            async with (
                aclosing(self._store.speech(run.job)) as speech,
                aclosing(session.frames(speech, run.frames)) as batches,
            ):
                async for batch in batches:
                    for part in _parted(batch, run.job.segment_frames):
                        await pen.add(part)
                        if pen.full:
                            self._become(run, await pen.commit())
        finally:
            await pen.discard()
        self._become(run, replace(run.job, notes=session.notes))
        if run.frames != run.job.frames:
            raise AvatarError(f"the engine drew {run.frames} of {run.job.frames} frames")

    def _join(self, job: Job) -> None:
        paths = [self._store.segment(job, number) for number in range(job.segments)]
        if not self._store.video(job).is_file():
            join_segments(paths, self._store.sound(job), job.spec, self._store.video(job))
        self._store.drop_segments(job)


class _Pen:
    """Writes the segment that is being drawn."""

    def __init__(self, run: _Run, store: JobStore, studio: Studio) -> None:
        self._run, self._store, self._studio = run, store, studio
        self._writer: SegmentWriter | None = None
        self._begun = time.monotonic()

    async def add(self, batch: FrameBatch) -> None:
        """Encode the next frames, which are of one segment."""
        await run_to_end(partial(self._encode, batch), self._studio.workers.encode)
        self._run.note(batch.first + len(batch.frames))

    def _encode(self, batch: FrameBatch) -> None:
        if self._writer is None:
            job = self._run.job
            self._store.check_room()
            self._writer = SegmentWriter(self._store.segment(job, batch.first // job.segment_frames), job.spec)
        self._writer.add(batch.frames, batch.pixel_format)

    @property
    def full(self) -> bool:
        """Whether the segment is complete."""
        job, frames = self._run.job, self._run.frames
        return self._writer is not None and (frames % job.segment_frames == 0 or frames == job.frames)

    async def commit(self) -> Job:
        """Keep the segment; the job with the work it took."""
        assert self._writer is not None
        await run_to_end(self._writer.commit, self._studio.workers.encode)
        self._writer = None
        began, self._begun = self._begun, time.monotonic()
        return replace(self._run.job, worked_s=self._run.job.worked_s + self._begun - began)

    async def discard(self) -> None:
        """Give up what is not complete; waits for no other encoder, as this may be all that is left to do."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await run_to_end(writer.discard)


def _parted(batch: FrameBatch, segment_frames: int) -> list[FrameBatch]:
    """The batch, cut where segments begin."""
    end = batch.first + len(batch.frames)
    cuts = [batch.first, *range((batch.first // segment_frames + 1) * segment_frames, end, segment_frames), end]
    return [
        FrameBatch(start, batch.frames[start - batch.first : stop - batch.first], batch.pixel_format)
        for start, stop in pairwise(cuts)
    ]
