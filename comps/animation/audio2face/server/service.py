"""What the endpoints of one Audio2Face service share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from comps.animation.audio2face.configuration.layers import Layers, StreamRequest
from comps.animation.audio2face.pipeline import Audio2Face
from comps.animation.audio2face.server.bench import Bench, Opened
from comps.animation.audio2face.server.clip import Clip
from comps.animation.audio2face.server.metrics import StreamMetrics
from comps.animation.audio2face.server.pacing import Pace
from comps.animation.audio2face.server.slots import Slots
from comps.core.errors import NotReadyError


@dataclass
class Service:
    """The state of a running service; `face` is None and there are no `benches` until the models have loaded.

    `stopping` is set when the service shuts down: streams end with UNAVAILABLE.
    """

    layers: Layers
    metrics: StreamMetrics
    slots: Slots
    face: Audio2Face | None = None
    benches: list[Bench] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[int, int] = field(default_factory=dict)

    def ready(self) -> Audio2Face:
        """The loaded pipeline; NotReadyError before it is loaded and while the service stops."""
        if self.stopping.is_set():
            raise NotReadyError("the service is shutting down")
        if self.face is None or not self.benches:
            raise NotReadyError("the service is still loading")
        return self.face

    @asynccontextmanager
    async def clip(self, sample_rate: int, request: StreamRequest) -> AsyncIterator[tuple[Clip, Opened]]:
        """A clip that is computed where the fewest are; it is left with the context.

        Raises:
            NotReadyError, and what `Audio2Face.open` raises.
        """
        face = self.ready()
        place = min(range(len(self.benches)), key=lambda each: self._open.get(each, 0))
        self._open[place] = self._open.get(place, 0) + 1
        try:
            work = await self.benches[place].open(sample_rate, request)
            room = self.layers.configuration.advanced.pipeline_parameters.queue_size_after_a2f
            times = self.metrics.stream(work.opened.fps, face.look_ahead_s)
            clip = Clip(work, room=room, made=times.made)
            try:
                yield clip, work.opened
            finally:
                clip.leave()
        finally:
            self._open[place] -= 1

    def pace(self) -> Pace:
        """The pace of one stream's frames."""
        parameters = self.layers.configuration.advanced.pipeline_parameters
        return Pace(None if parameters.burst_mode else parameters.blendshape_streaming_fps)

    async def until_stopping(self, seconds: float) -> None:
        """Waits so long; NotReadyError as soon as the service shuts down."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except asyncio.TimeoutError:
            return
        raise NotReadyError("the service is shutting down")
