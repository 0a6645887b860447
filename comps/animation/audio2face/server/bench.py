"""Where clips are computed, and what passes between there and the event loop: audio turn by turn, and serialised frames."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.pipeline import Audio2Face, ClipPipeline
from comps.animation.audio2face.server.failures import INTERNAL_MESSAGE
from comps.animation.audio2face.server.frame_wire import frame_messages
from comps.animation.audio2face.server.workers import Workers
from comps.core.errors import AvatarError

Piece = tuple[bytes, Sequence[Key]]
"""Audio, and the keyframes that came with it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a clip is given at once; after the `last` one nothing comes."""

    pieces: tuple[Piece, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """Consecutive frames from number `first`, each a serialised message; less than `needed` bytes of audio make no more."""

    first: int
    messages: list[bytes]
    needed: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of a clip that was opened.

    `ignored` are the face keys of its request that no parameter has; less than `needed` bytes of audio make no frame.
    """

    sample_rate: int
    fps: int
    ignored: tuple[str, ...]
    needed: int


Told = Callable[[Encoded | AvatarError], None]


class Work(ABC):
    """One clip's computation, wherever it happens. Used in the event loop."""

    opened: Opened

    @abstractmethod
    def take(self, turn: Turn, told: Told) -> None:
        """Computes a turn and tells its frames, or why there are none, in the event loop; one turn at a time.

        Raises:
            NotReadyError: the service is shutting down.
        """

    @abstractmethod
    def leave(self) -> None:
        """The clip is over or given up."""


class Bench(ABC):
    """A place where clips are computed. Made and used in the event loop."""

    @abstractmethod
    async def open(self, sample_rate: int, request: StreamRequest) -> Work:
        """Begins a clip; raises what `Audio2Face.open` does."""

    @abstractmethod
    async def close(self) -> None:
        """Ends threads and processes."""


def opened(pipeline: ClipPipeline) -> Opened:
    """What is known of a clip at first."""
    return Opened(pipeline.sample_rate, pipeline.fps, pipeline.parameters.ignored, pipeline.needed)


def computed(pipeline: ClipPipeline, turn: Turn) -> Encoded | AvatarError:
    """A turn's frames, or what went wrong. Blocks."""
    try:
        made = [pipeline.push(pcm, keyframes) for pcm, keyframes in turn.pieces]
        if turn.last:
            made.append(pipeline.finish())
        messages = [message for frames in made for message in frame_messages(frames)]
        return Encoded(made[0].first if made else 0, messages, pipeline.needed)
    except AvatarError as error:
        return error
    except Exception:  # boundary of thread and process: the stream ends with INTERNAL, the log has the trace
        log.exception("a clip could not be animated")
        return AvatarError(INTERNAL_MESSAGE)


class LocalBench(Bench):
    """Computes in threads of this process."""

    def __init__(self, face: Audio2Face, workers: Workers) -> None:
        self._face, self._workers = face, workers

    async def open(self, sample_rate: int, request: StreamRequest) -> Work:
        """See `Bench`."""
        return _LocalWork(await asyncio.to_thread(self._face.open, sample_rate, request), self._workers)

    async def close(self) -> None:
        """See `Bench`."""
        await self._workers.close()


class _LocalWork(Work):
    def __init__(self, pipeline: ClipPipeline, workers: Workers) -> None:
        self._pipeline, self._workers = pipeline, workers
        self.opened = opened(pipeline)
        self._left = False

    def take(self, turn: Turn, told: Told) -> None:
        self._workers.submit(_LocalTurn(self, turn, told))

    def compute(self, turn: Turn) -> Encoded | AvatarError:
        return Encoded(0, [], 0) if self._left else computed(self._pipeline, turn)

    def leave(self) -> None:
        self._left = True


class _LocalTurn:
    """A job for the `Workers`."""

    def __init__(self, work: _LocalWork, turn: Turn, told: Told) -> None:
        self._work, self._turn, self._told = work, turn, told
        self._answer: Encoded | AvatarError = Encoded(0, [], 0)

    def work(self) -> None:
        self._answer = self._work.compute(self._turn)

    def delivered(self) -> None:
        self._told(self._answer)
