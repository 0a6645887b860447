"""The labelled set over the shipped presenters: every planted fault is found, good pictures pass, values are true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from benchmarks.coach_images import differences, numbers, serious
from comps.animation.coach.finding import Report
from comps.animation.coach.image.check import check_image
from tests.animation.coach.labelled import Case, cases
from tests.animation.coach.plants import png, presenter


@cache
def checked(name: str, other: str) -> Sequence[tuple[Case, Report]]:
    """Every case of a presenter with what the coach says of it."""
    picture, rig = presenter(name)
    labelled = cases(picture, rig, presenter(other), numbers(check_image(png(picture))))
    return [(case, check_image(case.make())) for case in labelled]


PRESENTERS = pytest.mark.parametrize(("name", "other"), [("ada", "noor"), ("noor", "ada")])


@pytest.mark.timeout(300)
@PRESENTERS
def test_planted_faults_are_found(name: str, other: str) -> None:
    missed, alarms, wrong, values = [], [], [], 0
    for case, report in checked(name, other):
        told = replace(case, values={name: value for name, value in case.values.items() if name != "yaw"})
        wrong += [f"{case.name}: {off}" for off in differences(told, report)]
        values += len(told.values)
        if case.expected and not case.expected & report.codes():
            missed.append((case.name, sorted(report.codes())))
        if not case.expected and serious(report):
            alarms.append((case.name, sorted(serious(report))))
    assert sum(bool(case.expected) for case, _ in checked(name, other)) >= 32
    assert missed == []
    assert alarms == []
    # one value of forty may miss its 1 % when the eyes of a drawing are seen at another place; turns have a test of their own
    assert len(wrong) <= values / 40, wrong


@pytest.mark.timeout(300)
@PRESENTERS
def test_turns_are_told_without_landmarks(name: str, other: str) -> None:
    off = {
        case.name: abs(numbers(report)["yaw"] - case.values["yaw"])
        for case, report in checked(name, other)
        if case.name.startswith("turned") and "yaw" in case.values
    }
    assert len(off) == 8
    assert max(off.values()) < 6, off
    assert sum(degrees <= 3 for degrees in off.values()) >= 5, off
