"""The labelled recordings: every planted fault is found, clean ones raise no alarm, and what is measured is true."""

from __future__ import annotations

from functools import cache

import pytest

from comps.animation.coach.finding import Report
from comps.animation.coach.sound.check import check_audio
from tests.animation.coach.sounds import Labelled, clean_set, faulty_set

CLEAN = clean_set()
FAULTY = faulty_set()
TOLERANCE = {
    "level_dbfs": 1.0,
    "snr_db": 1.0,
    "noise_dbfs": 1.0,
    "clipped_percent": 0.05,
    "offset_percent": 0.05,
    "longest_pause_s": 0.05,
    "length_s": 0.005,
    "rate_hz": 0.0,
    "depth_bits": 0.0,
}
SILENCE_POINTS = 1.5
"""Every silence ends within 0.02 s of its true place, and a gap between words is one or is none."""


@cache
def checked(data: bytes) -> Report:
    return check_audio(data)


def off(labelled: Labelled, report: Report) -> list[str]:
    return [
        f"{name} {report.measured[name]} instead of {true:.3f}"
        for name, true in labelled.values.items()
        if name in TOLERANCE and abs(float(report.measured[name]) - true) > TOLERANCE[name]
    ]


def test_the_set_is_large_enough() -> None:
    assert len(CLEAN) >= 20
    assert len(FAULTY) >= 40


@pytest.mark.parametrize("labelled", FAULTY, ids=lambda labelled: labelled.name)
def test_every_planted_fault_is_found_at_its_size(labelled: Labelled) -> None:
    report = checked(labelled.data)
    assert report.codes() == labelled.planted
    assert not off(labelled, report)


@pytest.mark.parametrize("labelled", CLEAN, ids=lambda labelled: labelled.name)
def test_clean_recordings_measure_true(labelled: Labelled) -> None:
    assert not off(labelled, checked(labelled.data))


def test_clean_recordings_raise_no_alarm() -> None:
    alarms = [labelled.name for labelled in CLEAN if checked(labelled.data).findings]
    assert len(alarms) <= 0.05 * len(CLEAN), alarms


def test_silence_is_measured_to_a_point_or_so() -> None:
    gaps = [labelled for labelled in (*CLEAN, *FAULTY) if "silence_percent" in labelled.values]
    errors = sorted(
        abs(float(checked(labelled.data).measured["silence_percent"]) - labelled.values["silence_percent"])
        for labelled in gaps
    )
    assert errors[len(errors) // 2] < 1.0
    assert errors[int(0.9 * len(errors))] < SILENCE_POINTS


def test_syllables_are_counted_to_a_few_percent() -> None:
    spoken = [labelled for labelled in (*CLEAN, *FAULTY) if "tempo_per_s" in labelled.values]
    errors = sorted(
        abs(float(checked(labelled.data).measured["tempo_per_s"]) / labelled.values["tempo_per_s"] - 1)
        for labelled in spoken
    )
    assert sum(errors) / len(errors) < 0.04
    assert errors[int(0.9 * len(errors))] < 0.1
    assert errors[-1] < 0.2
