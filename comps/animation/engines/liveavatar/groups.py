"""Groups: who may use which group of GPUs; the rest waits in a queue with an end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from comps.core.errors import BusyError

MemberT = TypeVar("MemberT")
RETRY_S = 30.0
"""What a client that is turned away is told to wait."""


class Groups(Generic[MemberT]):
    """Lends each of `members` to one answer at a time, first come first served.

    Args:
        members: what is lent.
        room: answers that may wait.
        patience_s: longest wait.
    """

    def __init__(self, members: Sequence[MemberT], room: int, patience_s: float) -> None:
        self.members = tuple(members)
        self._free = list(members)
        self._room, self._patience_s = room, patience_s
        self._waiting: deque[asyncio.Future[MemberT]] = deque()

    @property
    def waiting(self) -> int:
        """Answers that wait."""
        return len(self._waiting)

    def has(self, suits: Callable[[MemberT], bool]) -> bool:
        """Whether a member that `suits` is free now."""
        return any(suits(member) for member in self._free)

    def check(self) -> None:
        """Raise BusyError when one more answer would be turned away."""
        if not self._free and len(self._waiting) >= self._room:
            raise BusyError(
                f"all GPUs of LiveAvatar are busy and {len(self._waiting)} answers wait, which is as many as may",
                retry_after_s=RETRY_S,
            )

    @asynccontextmanager
    async def one(self, suits: Callable[[MemberT], bool] = lambda _: True) -> AsyncIterator[MemberT]:
        """A member, if possible one that `suits`; raises BusyError when the queue is full or the wait too long."""
        self.check()
        member = self._pick(suits) if self._free else await self._wait()
        try:
            yield member
        finally:
            self._give_back(member)

    def _pick(self, suits: Callable[[MemberT], bool]) -> MemberT:
        index = next((index for index, member in enumerate(self._free) if suits(member)), 0)
        return self._free.pop(index)

    async def _wait(self) -> MemberT:
        place: asyncio.Future[MemberT] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            # Not wait_for, which on some versions of Python loses a cancellation that comes with the result.
            if not (await asyncio.wait([place], timeout=self._patience_s))[0]:
                raise BusyError(
                    f"no GPU of LiveAvatar became free within {self._patience_s:g} s", retry_after_s=RETRY_S
                )
            return place.result()
        except asyncio.CancelledError:
            if place.done():  # lent in the same moment
                self._give_back(place.result())
            raise
        finally:
            if place in self._waiting:
                self._waiting.remove(place)

    def _give_back(self, member: MemberT) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(member)
                return
        self._free.append(member)
