"""Latency statistics by service name, over a bounded window, under the names OPEA uses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

WINDOW = 1024
"""Requests remembered per name."""

CallbackT = TypeVar("CallbackT", bound=Callable[..., object])


class LatencyWindow:
    """The last `window` latencies of one service, in seconds."""

    def __init__(self, window: int = WINDOW) -> None:
        self._total: deque[float] = deque(maxlen=window)
        self._first: deque[float] = deque(maxlen=window)

    def append_latency(self, latency: float, first_token_latency: float | None = None) -> None:
        """Note one request: seconds to its last byte and, when it streamed, to its first."""
        self._total.append(latency)
        if first_token_latency is not None:
            self._first.append(first_token_latency)

    def summary(self) -> dict[str, float | None]:
        """Median, 99th percentile and mean of both latencies in seconds; None where nothing was noted."""
        return _summary(self._total, "") | _summary(self._first, "_first_token")


def _summary(values: deque[float], suffix: str) -> dict[str, float | None]:
    p50: float | None = None
    p99: float | None = None
    mean: float | None = None
    if values:
        p50, p99, mean = float(np.percentile(values, 50)), float(np.percentile(values, 99)), float(np.mean(values))
    return {f"p50_latency{suffix}": p50, f"p99_latency{suffix}": p99, f"average_latency{suffix}": mean}


class Statistics:
    """Latency windows by service name; behaves as the read-only mapping OPEA's code indexes."""

    def __init__(self) -> None:
        self._windows: dict[str, LatencyWindow] = {}

    def register(self, name: str) -> LatencyWindow:
        """The window of `name`, made on first use."""
        return self._windows.setdefault(name, LatencyWindow())

    def __getitem__(self, name: str) -> LatencyWindow:
        return self._windows[name]

    def __contains__(self, name: object) -> bool:
        return name in self._windows

    def __iter__(self) -> Iterator[str]:
        return iter(self._windows)

    def summary(self) -> dict[str, dict[str, float | None]]:
        """What ``GET /v1/statistics`` answers."""
        return {name: window.summary() for name, window in self._windows.items()}


statistics_dict = Statistics()


def register_statistics(
    names: list[str] | str, statistics: Statistics = statistics_dict
) -> Callable[[CallbackT], CallbackT]:
    """Decorator that opens a window for each of `names`; the function itself stays as it is."""

    def decorate(callback: CallbackT) -> CallbackT:
        for name in [names] if isinstance(names, str) else names:
            statistics.register(name)
        return callback

    return decorate
