"""What the service measures, for Prometheus."""

from __future__ import annotations

from comps.animation.audio2face.server.clip import Made
from comps.core.web.metrics import Metrics


class StreamMetrics:
    """Gauges and counters of all streams; they live in `metrics`.

    ``streams_in_use`` and ``streams_available`` are named as the original's.
    """

    def __init__(self, metrics: Metrics, total: int) -> None:
        self._total = total
        self._in_use = metrics.gauge("streams_in_use", "Streams being served")
        self._available = metrics.gauge("streams_available", "Streams that could be served besides")
        self._frames = metrics.counter("audio2face_frames", "Frames made")
        self._late = metrics.counter("audio2face_late_frames", "Frames made too late to be shown in time")
        self._calls = metrics.counter("audio2face_calls", "gRPC calls, by method and code", ("method", "code"))
        self._first = metrics.histogram(
            "audio2face_first_frame_seconds", "From the audio to the first frame that it makes"
        )
        self.in_use(0)

    def in_use(self, streams: int) -> None:
        """So many streams are being served."""
        self._in_use.set(streams)
        self._available.set(self._total - streams)

    def called(self, method: str, code: str) -> None:
        """A call of `method` ended with a gRPC code."""
        self._calls.labels(method, code).inc()

    def stream(self, fps: int, look_ahead_s: float) -> StreamTimes:
        """The measurements of one stream."""
        return StreamTimes(self, fps, look_ahead_s)

    def first_frame(self, seconds: float) -> None:
        """The first frame of a stream came so long after the audio that completed it."""
        self._first.observe(seconds)

    def frames(self, made: int, late: int) -> None:
        """So many frames were made, of them so many too late."""
        self._frames.inc(made)
        self._late.inc(late)


class StreamTimes:
    """Whether the frames of one stream are in time.

    A player shows frame k when its look-ahead has passed, k/fps after the first audio came. A frame is late when it is made
    more than a frame's time after that, and after its audio had come: a client's delay is not the service's.
    """

    def __init__(self, metrics: StreamMetrics, fps: int, look_ahead_s: float) -> None:
        self._metrics, self._fps, self._look_ahead_s = metrics, fps, look_ahead_s
        self._any = False

    def made(self, made: Made) -> None:
        """Counts the frames of a turn."""
        if not self._any:
            self._any = True
            self._metrics.first_frame(made.made - made.arrived)
        self._metrics.frames(made.frames, self._late(made))

    def _late(self, made: Made) -> int:
        if made.made <= made.arrived + 1 / self._fps:
            return 0
        due = int((made.made - made.began - self._look_ahead_s) * self._fps - 1e-6)
        return max(0, min(made.frames, due - made.first))
