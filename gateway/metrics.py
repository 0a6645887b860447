"""Metrics of turns, under OPEA's names and our own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from comps.core.web.metrics import Metrics
from megaservice.flow.events import Event, MediaFragment, StageTiming, TextDelta, TurnDone


class TurnMetrics:
    """Fills ``megaservice_*`` from the events of turns.

    ``megaservice_first_token_latency``, ``megaservice_inter_token_latency`` and
    ``megaservice_request_latency`` are histograms in seconds, ``megaservice_request_pending`` a gauge;
    ``avatar_first_fragment_seconds`` and ``avatar_stage_seconds`` are ours.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._first_token = metrics.histogram("megaservice_first_token_latency", "Question to first text, seconds")
        self._inter_token = metrics.histogram("megaservice_inter_token_latency", "Between pieces of text, seconds")
        self._request = metrics.histogram("megaservice_request_latency", "Question to end of the answer, seconds")
        self._pending = metrics.gauge("megaservice_request_pending", "Turns being answered")
        self._first_fragment = metrics.histogram("avatar_first_fragment_seconds", "Question to first video fragment")
        self._stages = metrics.histogram("avatar_stage_seconds", "First input to last output of a stage", ("stage",))
        self._failures = metrics.counter("avatar_turn_failures", "Turns that failed, by service", ("failed_service",))

    @contextmanager
    def turn(self) -> Iterator[TurnWatch]:
        """Count one turn as pending while the block runs, however it ends."""
        with self._pending.track_inprogress():
            yield TurnWatch(self)

    def failed(self, service: str) -> None:
        """Count a failed turn."""
        self._failures.labels(service or "gateway").inc()


class TurnWatch:
    """Watches the events of one turn."""

    def __init__(self, metrics: TurnMetrics) -> None:
        self._metrics = metrics
        self._began = time.perf_counter()
        self._last_text: float | None = None
        self._pictured = False

    def note(self, event: Event) -> None:
        """Take one event into the metrics."""
        now = time.perf_counter()
        if isinstance(event, TextDelta):
            self._text(now)
        elif isinstance(event, MediaFragment) and not self._pictured:
            self._pictured = True
            self._metrics._first_fragment.observe(now - self._began)
        elif isinstance(event, StageTiming) and event.first_input_s is not None and event.finished_s is not None:
            self._metrics._stages.labels(event.stage).observe(event.finished_s - event.first_input_s)
        elif isinstance(event, TurnDone):
            self._metrics._request.observe(now - self._began)

    def _text(self, now: float) -> None:
        if self._last_text is None:
            self._metrics._first_token.observe(now - self._began)
        else:
            self._metrics._inter_token.observe(now - self._last_text)
        self._last_text = now
