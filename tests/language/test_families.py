"""Relatives among English words."""

from __future__ import annotations

import pytest

from comps.core.language.families import family


@pytest.mark.parametrize(
    "relatives",
    [
        "deliver delivery delivered delivering deliveries",
        "park parking parked",
        "cancel cancelled cancelling cancellation",
        "print printer printers printing",
        "pay paid payment paying",
        "city cities",
        "child children",
        "open opening opens",
        "insure insured insurance",
    ],
)
def test_relatives_are_one_family(relatives: str) -> None:
    assert len({family(word) for word in relatives.split()}) == 1


@pytest.mark.parametrize("strangers", ["water wat", "story store", "bus busy", "need needle", "park part", "card care"])
def test_strangers_are_not(strangers: str) -> None:
    one, other = strangers.split()
    assert family(one) != family(other)
