"""What had a service to itself, and what had not."""

from __future__ import annotations

import pytest

from comps.animation.occupancy import Occupancy


def test_what_began_beside_another_or_was_joined_was_not_alone() -> None:
    occupancy = Occupancy()
    with occupancy.work() as long:
        assert long.alone
        with occupancy.work() as short:
            pass
        assert not short.alone
        with pytest.raises(RuntimeError), occupancy.work() as failed:
            raise RuntimeError
    assert not long.alone
    assert not failed.alone
    with occupancy.work() as later:
        pass
    assert later.alone
