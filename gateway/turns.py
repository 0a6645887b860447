"""Turns: runs the flow, keeps its video, and bounds how many run at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from av.error import FFmpegError

from comps.core.context import request_id
from comps.core.error_shape import is_disk_full, public_error
from comps.core.errors import AvatarError, BusyError, TooLargeError, UpstreamError
from comps.core.media.video import remux_to_file
from gateway.live import LiveVideos
from gateway.metrics import TurnMetrics, TurnWatch
from gateway.turn_reply import Account
from gateway.video_store import VideoStore
from megaservice.flow.events import Event, MediaFragment, MediaInit, TurnFailed
from megaservice.flow.flow import AvatarFlow
from megaservice.flow.request import TurnRequest

RETRY_AFTER_S = 2.0
LONGER = "POST /v1/jobs makes longer videos of a text or a recording"
Build = Callable[[], Awaitable[TurnRequest]]


@dataclass(slots=True)
class Admission:
    """Counts the turns being answered."""

    limit: int
    running: int = 0

    def enter(self) -> None:
        """Take a place; raises BusyError when all are taken."""
        if self.running >= self.limit:
            raise BusyError(
                f"{self.running} answers are being made, which is as many as fit; try again shortly",
                retry_after_s=RETRY_AFTER_S,
            )
        self.running += 1

    def leave(self) -> None:
        """Give the place back."""
        self.running -= 1

    @contextmanager
    def place(self) -> Iterator[None]:
        """`enter` and `leave` around a block."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


class Turns:
    """Answers requests one event at a time.

    Args:
        flow: the megaservice's flow.
        store: where the finished video goes.
        admission: how many run at once.
        metrics: told of each turn and its events.
    """

    def __init__(self, flow: AvatarFlow, store: VideoStore, admission: Admission, metrics: TurnMetrics) -> None:
        self._flow = flow
        self._store = store
        self._admission = admission
        self._metrics = metrics
        self.live = LiveVideos()

    async def run(self, build: Build, account: Account) -> AsyncGenerator[Event, None]:
        """Yield the turn's events; after the last one its video is in the store.

        `build` is only called once there is a place: decoding what a client sent costs something too.
        Closing the iterator stops the work and leaves no file. `account` is filled on the way.

        Raises:
            AvatarError: what a failed stage said, with its service's name, or what `build` raised.
            BusyError: too many turns are running.
        """
        self._admission.enter()
        try:
            async with aclosing(self._measured(await build(), account)) as events:
                async for event in events:
                    yield event
        finally:
            self._store.discard(account.video_id)
            self._admission.leave()

    async def _measured(self, request: TurnRequest, account: Account) -> AsyncGenerator[Event, None]:
        try:
            with self._metrics.turn() as watch:
                async with aclosing(self._recorded(request, account, watch)) as events:
                    async for event in events:
                        yield event
        except AvatarError as error:
            self._metrics.failed(error.service)
            raise
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._metrics.failed("gateway")
            raise public_error(error) from error

    async def _recorded(self, request: TurnRequest, account: Account, watch: TurnWatch) -> AsyncGenerator[Event, None]:
        spool = self._store.spool(account.video_id)
        async with (
            await anyio.open_file(spool, "wb", buffering=0) as file,
            self.live.following(account.video_id, spool) as growing,
            self._flow.turn(request, request_id()) as turn,
        ):
            async for event in turn:
                if isinstance(event, TurnFailed):
                    raise _with_remedy(event.error)
                account.note(event)
                watch.note(event)
                # the client first: it must not wait for our disk
                yield event
                if isinstance(event, MediaInit | MediaFragment):
                    await file.write(event.payload)
                    growing.wake()
        await self._keep(spool, account)

    async def _keep(self, spool: Path, account: Account) -> None:
        if account.done is None or not account.fragments:
            raise UpstreamError("the answer ended before there was a picture", service="animation")
        finished = self._store.unfinished(account.video_id)
        try:
            await anyio.to_thread.run_sync(remux_to_file, spool, finished)
        except FFmpegError as error:
            if is_disk_full(error):
                raise
            raise UpstreamError("animation sent a video that cannot be read", service="animation") from error
        await anyio.to_thread.run_sync(self._store.commit, account.video_id, finished)


def _with_remedy(error: AvatarError) -> AvatarError:
    """What a stage said; for speech that got too long to be animated at once, with what takes more."""
    if isinstance(error, TooLargeError) and (error.service, error.param) == ("animation", None):
        error.message = f"{error.message}; {LONGER}"
    return error
