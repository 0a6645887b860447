"""Prometheus metrics of one application, in a registry of its own so that several share a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase

CONTENT_TYPE = CONTENT_TYPE_LATEST
LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

PROCESS_REGISTRY = CollectorRegistry()
"""Metrics that belong to the process, not to one application; megaservices show them with their own."""

MetricT = TypeVar("MetricT", bound=MetricWrapperBase)


class Metrics:
    """The metrics of one application: the ``http_*`` ones, and those its service adds.

    `histogram`, `gauge` and `counter` give the metric of that name, making it on first use.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._own: dict[str, MetricWrapperBase] = {}
        labels = ("method", "route", "status")
        self.requests = self.counter("http_requests", "HTTP requests served", labels)
        self.durations = self.histogram("http_request_duration_seconds", "Time from request to last byte", labels[:2])
        self.first_bytes = self.histogram("http_response_first_byte_seconds", "Time to first byte", labels[:2])
        self.in_progress = self.gauge("http_requests_in_progress", "HTTP requests and WebSockets being served")

    def histogram(
        self, name: str, help_text: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS_S
    ) -> Histogram:
        """A histogram; `buckets` are upper bounds, seconds by default."""
        return self._add(name, lambda: Histogram(name, help_text, labels, registry=self.registry, buckets=buckets))

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        """A value that goes up and down."""
        return self._add(name, lambda: Gauge(name, help_text, labels, registry=self.registry))

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """A count that only grows; exported as ``<name>_total``."""
        return self._add(name, lambda: Counter(name, help_text, labels, registry=self.registry))

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def _add(self, name: str, make: Callable[[], MetricT]) -> MetricT:
        if name not in self._own:
            self._own[name] = make()
        return cast("MetricT", self._own[name])
