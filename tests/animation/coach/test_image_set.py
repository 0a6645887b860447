"""The labelled set over the shipped presenters: every planted fault is found, good pictures pass, values are true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.coach_images import differences, numbers, serious
from comps.animation.coach.image.check import check_image
from tests.animation.coach.labelled import Case, cases, looks
from tests.animation.coach.plants import png, presenter


def labelled(name: str, other: str) -> list[Case]:
    picture, rig = presenter(name)
    return list(cases(picture, rig, presenter(other), numbers(check_image(png(picture)))))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "other"), [("ada", "noor"), ("noor", "ada")])
def test_planted_faults_are_found(name: str, other: str) -> None:
    all_cases = labelled(name, other)
    missed, alarms, wrong, values = [], [], [], 0
    for case in all_cases:
        report = check_image(case.make())
        told = replace(case, values={name: value for name, value in case.values.items() if name != "yaw"})
        wrong += [f"{case.name}: {off}" for off in differences(told, report)]
        values += len(told.values)
        if case.expected and not case.expected & report.codes():
            missed.append((case.name, sorted(report.codes())))
        if not case.expected and serious(report):
            alarms.append((case.name, sorted(serious(report))))
    assert sum(bool(case.expected) for case in all_cases) >= 32
    assert missed == []
    assert alarms == []
    # one value of forty may miss its 1 % when the eyes of a drawing are seen at another place; turns have a test of their own
    assert len(wrong) <= values / 40, wrong


@pytest.mark.parametrize("name", ["ada", "noor"])
def test_turns_are_told_without_landmarks(name: str) -> None:
    picture, rig = presenter(name)
    turned = [case for case in looks(picture, rig, numbers(check_image(png(picture)))) if "yaw" in case.values]
    off = {case.name: abs(numbers(check_image(case.make()))["yaw"] - case.values["yaw"]) for case in turned}
    assert len(off) == 8
    assert max(off.values()) < 6, off
    assert sum(degrees <= 3 for degrees in off.values()) >= 5, off
