"""The labelled prompts: every planted fault is found and named, and good prompts, traps and all, raise no alarm."""

from __future__ import annotations

import pytest

from comps.animation.coach.prompt.check import check_prompt
from tests.animation.coach.prompts import LabelledPrompt, faulty_prompts, good_prompts

GOOD, FAULTY = good_prompts(), faulty_prompts()


def test_the_set_is_large_enough() -> None:
    assert len(GOOD) >= 15
    assert len(FAULTY) >= 40


@pytest.mark.parametrize("labelled", FAULTY, ids=lambda labelled: labelled.name)
def test_every_planted_fault_is_found_and_no_other(labelled: LabelledPrompt) -> None:
    report = check_prompt(labelled.text)
    assert report.codes() == labelled.planted
    said = " ".join(str(finding.measured) for finding in report.findings)
    assert all(word in said for word in labelled.named)


def test_good_prompts_raise_no_alarm() -> None:
    alarms = [labelled.name for labelled in GOOD if check_prompt(labelled.text).codes() != labelled.planted]
    assert len(alarms) <= 0.05 * len(GOOD), alarms


@pytest.mark.parametrize("labelled", FAULTY, ids=lambda labelled: labelled.name)
def test_only_an_empty_prompt_is_an_error(labelled: LabelledPrompt) -> None:
    assert check_prompt(labelled.text).usable == ("prompt_empty" not in labelled.planted)
