"""Where clips are computed: in threads of this process, or in processes of their own, as one interpreter computes one thing at a time."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import signal
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.pipeline import Audio2Face, ClipPipeline, Frames
from comps.animation.audio2face.server.failures import INTERNAL_MESSAGE
from comps.animation.audio2face.server.replies import frame_messages
from comps.animation.audio2face.server.workers import Workers
from comps.core.errors import AvatarError, EngineUnavailableError

LoadFace = Callable[[], Audio2Face]

_READY = "ready"
_GRACE_S = 5.0
"""Time that a process gets to end by itself."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Consecutive frames from number `first`, each a serialised message."""

    first: int
    messages: list[bytes]


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of a clip that was opened; `ignored` are the face keys of its request that no parameter has."""

    sample_rate: int
    fps: int
    ignored: tuple[str, ...]


class Work(ABC):
    """One clip's computation, wherever it happens. Its methods block, and are for one thread at a time."""

    opened: Opened

    @abstractmethod
    def push(self, pcm: bytes, keyframes: Sequence[Key]) -> Encoded:
        """See `ClipPipeline.push`."""

    @abstractmethod
    def finish(self) -> Encoded:
        """See `ClipPipeline.finish`."""

    def leave(self) -> None:
        """The clip is over or given up; does not block."""


class Bench(ABC):
    """A place where clips are computed, and the threads that wait for it."""

    workers: Workers

    @abstractmethod
    def open(self, sample_rate: int, request: StreamRequest) -> Work:
        """Begins a clip; raises what `Audio2Face.open` does. Blocks."""

    async def close(self) -> None:
        """Ends threads and processes."""
        await self.workers.close()


class _LocalWork(Work):
    def __init__(self, pipeline: ClipPipeline) -> None:
        self._pipeline = pipeline
        self.opened = _opened(pipeline)

    def push(self, pcm: bytes, keyframes: Sequence[Key]) -> Encoded:
        return _encoded(self._pipeline.push(pcm, keyframes))

    def finish(self) -> Encoded:
        return _encoded(self._pipeline.finish())


class LocalBench(Bench):
    """Computes in threads of this process."""

    def __init__(self, face: Audio2Face, workers: Workers) -> None:
        self._face = face
        self.workers = workers

    def open(self, sample_rate: int, request: StreamRequest) -> Work:
        """See `Bench`."""
        return _LocalWork(self._face.open(sample_rate, request))


class ProcessBench(Bench):
    """Computes in a process of its own, which `load` gives its face. A process that died is replaced for the next clip.

    Made in the event loop; `start` blocks until the process has loaded.
    """

    def __init__(self, load: LoadFace) -> None:
        self.workers = Workers(1)
        self._load = load
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._left: deque[int] = deque()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        """Raises EngineUnavailableError when the process does not come up."""
        context = multiprocessing.get_context("spawn")
        if self._pipe is not None:
            self._pipe.close()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_compute, args=(theirs, self._load), daemon=True, name="audio2face")
        self._process.start()
        theirs.close()
        try:
            if self._pipe.recv() == _READY:
                return
        except (EOFError, OSError):
            log.exception("a process of the inference ended while it loaded")
        raise EngineUnavailableError("a process of the inference could not start; the log says why")

    def open(self, sample_rate: int, request: StreamRequest) -> Work:
        """See `Bench`."""
        with self._lock:
            if self._process is not None and not self._process.is_alive():
                log.error("a process of the inference has ended; another takes its place")
                self.start()
        number = next(self._numbers)
        return _RemoteWork(self, number, self.asked("open", number, sample_rate, request))

    def asked(self, what: str, number: int, *given: Any) -> Any:
        """What the process answers; raises what it raised."""
        left = [self._left.popleft() for _ in range(len(self._left))]
        assert self._pipe is not None
        with self._lock:
            try:
                self._pipe.send((what, number, given, left))
                answer = self._pipe.recv()
            except (EOFError, OSError) as error:
                log.error("a process of the inference ended in the middle of a clip")
                raise AvatarError(INTERNAL_MESSAGE) from error
        if isinstance(answer, AvatarError):
            raise answer
        return answer

    def forget(self, number: int) -> None:
        """A clip is over; told with the next question."""
        self._left.append(number)

    async def close(self) -> None:
        """See `Bench`."""
        await super().close()
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(_GRACE_S)
            self._process.kill()
            self._process.join()


class _RemoteWork(Work):
    def __init__(self, bench: ProcessBench, number: int, opened: Opened) -> None:
        self._bench, self._number, self.opened = bench, number, opened

    def push(self, pcm: bytes, keyframes: Sequence[Key]) -> Encoded:
        encoded: Encoded = self._bench.asked("push", self._number, pcm, keyframes)
        return encoded

    def finish(self) -> Encoded:
        encoded: Encoded = self._bench.asked("finish", self._number)
        return encoded

    def leave(self) -> None:
        self._bench.forget(self._number)


def _compute(pipe: Connection, load: LoadFace) -> None:
    """The process: answers questions until nobody is left to ask them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    face = load()
    pipe.send(_READY)
    clips: dict[int, Work] = {}
    while True:
        try:
            what, number, given, left = pipe.recv()
        except (EOFError, OSError):
            return
        for gone in left:
            clips.pop(gone, None)
        pipe.send(_answer(face, clips, what, number, given))


def _answer(face: Audio2Face, clips: dict[int, Work], what: str, number: int, given: tuple[Any, ...]) -> Any:
    try:
        if what == "open":
            clips[number] = _LocalWork(face.open(*given))
            return clips[number].opened
        return getattr(clips[number], what)(*given)
    except AvatarError as error:
        return _plain(error)
    except Exception:  # process boundary: the stream ends with INTERNAL, the log has the trace
        log.exception("a clip could not be animated")
        return AvatarError(INTERNAL_MESSAGE)


def _plain(error: AvatarError) -> AvatarError:
    """The error without its trace, as it can be sent."""
    kind = type(error)
    return kind(error.message, service=error.service, param=error.param, retry_after_s=error.retry_after_s)


def _opened(pipeline: ClipPipeline) -> Opened:
    return Opened(pipeline.sample_rate, pipeline.fps, pipeline.parameters.ignored)


def _encoded(frames: Frames) -> Encoded:
    return Encoded(frames.first, frame_messages(frames))
