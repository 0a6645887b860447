"""Work that goes on for as long as a service runs."""

from __future__ import annotations

import logging
import threading

import anyio
import pytest

from comps.core.regularly import LEAST_S, MOST_S, interval_for, regularly


async def test_it_is_done_again_after_a_failure_and_not_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    threads: list[int] = []

    def work() -> None:
        threads.append(threading.get_ident())
        if len(threads) == 1:
            raise OSError("the disk is away")

    with caplog.at_level(logging.WARNING):
        async with regularly(work, 0.001):
            with anyio.fail_after(20):
                while len(threads) < 3:  # noqa: ASYNC110 - it is a thread that works
                    await anyio.sleep(0.001)
    done = len(threads)
    await anyio.sleep(0.05)
    assert len(threads) == done
    assert threading.get_ident() not in threads
    assert "the disk is away" in caplog.text


def test_a_look_comes_well_before_the_age_is_up() -> None:
    assert (interval_for(3600), interval_for(20), interval_for(0.01)) == (MOST_S, 10, LEAST_S)
