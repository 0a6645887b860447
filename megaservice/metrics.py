"""Prometheus metrics of orchestration, under the names OPEA's dashboards use.

They belong to the process, as several orchestrators may serve one gateway; the ``/metrics`` of every
megaservice of the process shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge, Histogram

from comps.core.statistics import statistics_dict
from comps.core.web.metrics import LATENCY_BUCKETS_S, PROCESS_REGISTRY

STATISTICS_NAME = "megaservice"


class MegaserviceMetrics:
    """Latencies in seconds, and how many requests are being worked on."""

    def __init__(self) -> None:
        self.first_token = _histogram("megaservice_first_token_latency", "From request to the first token")
        self.inter_token = _histogram("megaservice_inter_token_latency", "Between tokens")
        self.request = _histogram("megaservice_request_latency", "From request to the end of the answer")
        self.node = _histogram("megaservice_node_latency", "From a node's input to its output", ("node",))
        self.pending = Gauge("megaservice_request_pending", "Requests being worked on", registry=PROCESS_REGISTRY)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count one request as pending while the body runs, whatever comes of it."""
        self.pending.inc()
        try:
            yield
        finally:
            self.pending.dec()

    def finished(self, total_s: float, first_s: float | None = None) -> None:
        """Note a request that went well: seconds to its end, and to the first token or fragment."""
        self.request.observe(total_s)
        statistics_dict.register(STATISTICS_NAME).append_latency(total_s, first_s)


def _histogram(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Histogram:
    return Histogram(name, help_text, labels, registry=PROCESS_REGISTRY, buckets=LATENCY_BUCKETS_S)


metrics = MegaserviceMetrics()
