from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.context import budget_s, deadline_var, remaining_s, request_id, request_id_from


@given(st.text(max_size=200))
def test_ids_are_always_safe_to_log_and_to_echo(header: str) -> None:
    identity = request_id_from(header)
    assert identity.isascii()
    assert identity.isprintable()
    assert 0 < len(identity) <= 128
    assert request_id_from(identity) == identity


def test_made_ids_differ() -> None:
    assert len({request_id_from(None) for _ in range(100)}) == 100
    assert request_id() == ""


@pytest.mark.parametrize(
    ("header", "budget"),
    [("1500", 1.5), ("0", 0), ("999999999999999", 60), (None, 60), ("-5", 60), ("1e3", 60), ("٣", 60), ("", 60)],
)
def test_a_deadline_is_at_most_the_services_limit(header: str | None, budget: float) -> None:
    assert budget_s(header, 60) == budget


def test_time_left_never_goes_below_zero() -> None:
    assert remaining_s() is None
    token = deadline_var.set(time.monotonic() - 5)
    try:
        assert remaining_s() == 0
    finally:
        deadline_var.reset(token)
