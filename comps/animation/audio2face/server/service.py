"""What the endpoints of one Audio2Face service share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from comps.animation.audio2face.configuration.layers import Layers
from comps.animation.audio2face.pipeline import Audio2Face, ClipPipeline
from comps.animation.audio2face.server.clip import Clip
from comps.animation.audio2face.server.metrics import StreamMetrics
from comps.animation.audio2face.server.pacing import Pace
from comps.animation.audio2face.server.replies import frame_messages
from comps.animation.audio2face.server.slots import Slots
from comps.animation.audio2face.server.workers import Workers
from comps.core.errors import NotReadyError


@dataclass
class Service:
    """The state of a running service; `face` is None until the models have loaded.

    `stopping` is set when the service shuts down: streams end with UNAVAILABLE.
    """

    layers: Layers
    workers: Workers
    metrics: StreamMetrics
    slots: Slots
    face: Audio2Face | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def ready(self) -> Audio2Face:
        """The loaded pipeline; NotReadyError before it is loaded and while the service stops."""
        if self.stopping.is_set():
            raise NotReadyError("the service is shutting down")
        if self.face is None:
            raise NotReadyError("the service is still loading")
        return self.face

    def clip(self, pipeline: ClipPipeline) -> Clip:
        """A clip that the workers advance."""
        room = self.layers.configuration.advanced.pipeline_parameters.queue_size_after_a2f
        times = self.metrics.stream(pipeline.fps, self.ready().look_ahead_s)
        return Clip(pipeline, self.workers, frame_messages, room=room, made=times.made)

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
