from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.statistics import WINDOW, LatencyWindow, Statistics, register_statistics, statistics_dict

KEYS = {f"{kind}_latency{suffix}" for kind in ("p50", "p99", "average") for suffix in ("", "_first_token")}


def test_an_empty_window_is_null_under_every_key() -> None:
    assert LatencyWindow().summary() == dict.fromkeys(KEYS)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=50))
def test_summary_agrees_with_numpy(latencies: list[float]) -> None:
    window = LatencyWindow()
    for latency in latencies:
        window.append_latency(latency, latency / 2)
    summary = window.summary()
    assert summary["p50_latency"] == pytest.approx(np.percentile(latencies, 50))
    assert summary["p99_latency"] == pytest.approx(np.percentile(latencies, 99))
    assert summary["average_latency_first_token"] == pytest.approx(np.mean(latencies) / 2)


def test_the_window_is_bounded_and_forgets_the_oldest() -> None:
    window = LatencyWindow()
    for latency in range(3 * WINDOW):
        window.append_latency(latency)
    assert len(window._total) == WINDOW
    assert window.summary()["average_latency"] == pytest.approx(2.5 * WINDOW - 0.5)
    assert window.summary()["p50_latency_first_token"] is None


def test_the_decorator_opens_windows_and_leaves_the_function_alone() -> None:
    statistics = Statistics()

    @register_statistics(names=["opea_service@a", "opea_service@b"], statistics=statistics)
    def work(value: int) -> int:
        return value + 1

    assert work(1) == 2
    assert list(statistics) == ["opea_service@a", "opea_service@b"]
    assert "opea_service@a" in statistics
    statistics["opea_service@a"].append_latency(0.5, None)
    assert statistics.summary()["opea_service@a"]["p50_latency"] == 0.5
    assert "opea_service@a" not in statistics_dict


def test_registering_again_keeps_what_was_noted() -> None:
    statistics = Statistics()
    statistics.register("a").append_latency(1)
    statistics.register("a")
    assert statistics.summary()["a"]["average_latency"] == 1
    with pytest.raises(KeyError):
        statistics["b"]
