"""Calls of one network from many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.audio2face.inference.onnx.shared_calls import SharedCalls, Tensors

_LONG = 20.0


class Doubling:
    """A network that doubles `x` along its first axis and counts up `state` along its second; it can be held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.inside = 0
        self.most_inside = 0
        self.entered = Event()
        self.go = Event()
        self.go.set()
        self._lock = Lock()

    def __call__(self, feed: Tensors) -> dict[str, NDArray[Any]]:
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self.entered.set()
        assert self.go.wait(_LONG)
        self.sizes.append(len(feed["x"]))
        with self._lock:
            self.inside -= 1
        if (feed["x"] < 0).any():
            raise ValueError("negative")
        return {"y": feed["x"] * 2, "state": feed["state"] + 1}


def feed(value: float, items: int = 1) -> Tensors:
    return {"x": np.full((items, 3), value), "state": np.full((2, items), value)}


@pytest.fixture
def network() -> Doubling:
    return Doubling()


@pytest.fixture
def calls(network: Doubling) -> SharedCalls:
    return SharedCalls(network, 4, {"state": 1})


def test_a_lone_feed_is_run_at_once(network: Doubling, calls: SharedCalls) -> None:
    answer = calls.run(feed(3, 2), 2)
    assert np.array_equal(answer["y"], np.full((2, 3), 6))
    assert np.array_equal(answer["state"], np.full((2, 2), 4))
    assert network.sizes == [2]


def test_what_waits_goes_together_up_to_the_limit(network: Doubling, calls: SharedCalls) -> None:
    network.go.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(calls.run, feed(0), 1)
        assert network.entered.wait(_LONG)
        others = [pool.submit(calls.run, feed(value, 1 + value % 2), 1 + value % 2) for value in range(1, 7)]
        while len(calls._queue) < 6:
            pass
        network.go.set()
        answers = [future.result(_LONG) for future in (first, *others)]
    assert network.most_inside == 1
    assert sum(network.sizes) == 1 + 9
    assert len(network.sizes) <= 5
    assert max(network.sizes) <= 4
    for value, answer in enumerate(answers):
        items = 1 + value % 2 if value else 1
        assert np.array_equal(answer["y"], np.full((items, 3), 2.0 * value))
        assert np.array_equal(answer["state"], np.full((2, items), value + 1.0))


def test_a_fault_reaches_only_who_caused_it(network: Doubling, calls: SharedCalls) -> None:
    network.go.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(calls.run, feed(1), 1)
        assert network.entered.wait(_LONG)
        good, bad = pool.submit(calls.run, feed(2), 1), pool.submit(calls.run, feed(-1), 1)
        while len(calls._queue) < 2:
            pass
        network.go.set()
        assert first.result(_LONG)["y"][0, 0] == 2
        assert good.result(_LONG)["y"][0, 0] == 4
        with pytest.raises(ValueError, match="negative"):
            bad.result(_LONG)
    assert calls.run(feed(5), 1)["y"][0, 0] == 10


def test_many_threads_get_their_own(calls: SharedCalls) -> None:
    def one(value: int) -> bool:
        return all(np.array_equal(calls.run(feed(value + n), 1)["y"], [[2 * (value + n)] * 3]) for n in range(20))

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(one, range(0, 2000, 100)))
