from __future__ import annotations

import asyncio

import pytest

from comps.animation.engines.liveavatar.groups import Groups
from comps.core.errors import BusyError
from tests.animation.liveavatar.conftest import eventually


async def test_one_answer_at_a_time_in_their_order() -> None:
    groups, order = Groups(["only"], 10, 60), []

    async def use(name: int) -> None:
        async with groups.one() as member:
            order.append((name, member))
            await asyncio.sleep(0)

    await asyncio.gather(*(use(name) for name in range(5)))
    assert order == [(name, "only") for name in range(5)]
    assert groups.waiting == 0


async def test_a_member_that_suits_is_preferred() -> None:
    groups = Groups(["a", "b", "c"], 0, 60)
    async with groups.one(lambda member: member == "b") as first, groups.one(lambda member: member == "b") as second:
        assert (first, second) == ("b", "a")


async def test_the_queue_ends() -> None:
    groups = Groups(["only"], 1, 60)
    async with groups.one():
        waiting = asyncio.create_task(groups.one().__aenter__())
        await eventually(lambda: groups.waiting == 1)
        with pytest.raises(BusyError) as caught:
            async with groups.one():
                raise AssertionError("there was no room")
        assert (caught.value.status, caught.value.retryable) == (429, True)
        with pytest.raises(BusyError):
            groups.check()
    assert await waiting == "only"


async def test_nobody_waits_for_ever() -> None:
    groups = Groups(["only"], 1, 0.05)
    async with groups.one():
        with pytest.raises(BusyError, match="became free within"):
            async with groups.one():
                raise AssertionError("it was lent twice")
        assert groups.waiting == 0
    async with groups.one() as member:
        assert member == "only"


async def test_who_leaves_the_queue_takes_nothing_along() -> None:
    groups = Groups(["only"], 2, 60)
    async with groups.one():
        leaving = asyncio.create_task(groups.one().__aenter__())
        await eventually(lambda: groups.waiting == 1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert groups.waiting == 0
    async with groups.one() as member:
        assert member == "only"


async def test_who_is_cancelled_in_the_moment_of_lending_gives_it_back() -> None:
    groups = Groups(["only"], 2, 60)
    async with groups.one():
        leaving = asyncio.create_task(groups.one().__aenter__())
        await eventually(lambda: groups.waiting == 1)
    leaving.cancel()  # it was just lent, and the task has not run since
    assert isinstance((await asyncio.gather(leaving, return_exceptions=True))[0], asyncio.CancelledError)
    async with groups.one() as member:
        assert member == "only"
