from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.audio2face.parameters import (
    BEGINNING_EMOTION,
    BY_NAME,
    CHARACTERS,
    FACE,
    FACE_BY_FILE,
    FACE_BY_REQUEST,
    MAPS,
    SCALARS,
    TABLE,
    UNUSED_FACE_KEYS,
    WEIGHT_MULTIPLIERS,
    Parameter,
    check,
    check_entries,
    defaults,
    face_values,
)
from comps.core.errors import UnknownChoiceError, UnprocessableError
from tests.audio2face.vectors import named, read


def published_parameter(key: str) -> Parameter:
    row = next(row for row in read("face_params")["parameters"] if row["runtime"] == key)
    return BY_NAME[row["library_json"] or "blink_offset"]


@pytest.mark.parametrize("row", read("face_params")["parameters"], ids=lambda row: row["runtime"])
def test_a_face_parameter_has_the_published_names_range_and_default(row: dict[str, Any]) -> None:
    parameter = published_parameter(row["runtime"])
    assert parameter.file == row["deployment"]
    assert (parameter.request == row["runtime"]) if row["runtime_tunable"] else (parameter.request is None)
    assert (parameter.minimum, parameter.maximum, parameter.library) == (row["min"], row["max"], row["default"])


@pytest.mark.parametrize(
    "case", read("face_params")["validation"]["cases"], ids=lambda case: f"{case['key']}={case['value']}"
)
def test_published_values_are_taken_or_refused_for_the_published_reason(case: dict[str, Any]) -> None:
    parameter, value = published_parameter(case["key"]), float(case["value"])
    if case["accepted"]:
        assert check(parameter, value) == value
        return
    with pytest.raises(UnprocessableError) as refusal:
        check(parameter, value, called=case["key"])
    assert case["error"].replace("_", " ").replace("not a number", "is not a number") in refusal.value.message
    assert case["key"] in refusal.value.message
    assert parameter.range_text() in refusal.value.message
    assert refusal.value.param == case["key"]


@pytest.mark.parametrize("parameter", SCALARS, ids=lambda parameter: parameter.name)
def test_a_bound_that_went_over_the_wire_in_single_precision_is_still_allowed(parameter: Parameter) -> None:
    if parameter.kind == "switch":
        return
    for bound in (parameter.minimum, parameter.maximum):
        if math.isfinite(bound) and not parameter.open_minimum:
            assert check(parameter, float(np.float32(bound))) == float(np.float32(bound))


@pytest.mark.parametrize("parameter", SCALARS, ids=lambda parameter: parameter.name)
def test_every_default_is_allowed(parameter: Parameter) -> None:
    for value in (parameter.library, *parameter.characters):
        assert check(parameter, value) == value


@given(st.floats() | st.integers(-(10**400), 10**400) | st.booleans() | st.text() | st.none() | st.binary())
def test_whatever_comes_is_taken_within_the_range_or_refused(value: object) -> None:
    for parameter in TABLE:
        try:
            checked = check(parameter, value)
        except UnprocessableError:
            continue
        # whole numbers beyond 2^53 are rounded to what a float can say
        assert checked == (float(value) if isinstance(value, int) and parameter.kind == "number" else value)
        assert parameter.kind == "switch" or np.float32(parameter.minimum) <= np.float32(checked) <= np.float32(
            parameter.maximum
        )


def test_numbers_switches_and_whole_numbers_are_told_apart() -> None:
    assert check(BY_NAME["max_emotions"], 3.0) == 3
    for name, value in (("max_emotions", 2.5), ("max_emotions", 0), ("max_emotions", True), ("skin_strength", "1"),
                        ("enable_preferred_emotion", 1), ("live_transition_time", 0.0), ("live_transition_time", math.inf)):  # fmt: skip
        with pytest.raises(UnprocessableError, match=name.split("_")[0]):
            check(BY_NAME[name], value)
    assert check(BY_NAME["live_transition_time"], 1e-9) == 1e-9


def test_entries_of_maps_are_named_in_the_refusal() -> None:
    assert check_entries(BEGINNING_EMOTION, {"joy": 1, "nosuch": 0.5}) == {"joy": 1.0, "nosuch": 0.5}
    with pytest.raises(UnprocessableError, match=r"beginning_emotion\.joy = 1.2 is out of range; allowed is 0 to 1"):
        check_entries(BEGINNING_EMOTION, {"joy": 1.2})
    assert check_entries(WEIGHT_MULTIPLIERS, {"JawOpen": -3.0}) == {"JawOpen": -3.0}
    with pytest.raises(UnprocessableError, match=r"bs_weight_multipliers\.JawOpen"):
        check_entries(WEIGHT_MULTIPLIERS, {"JawOpen": math.nan})


def test_a_request_gives_values_by_name_and_the_keys_that_nothing_reads() -> None:
    values, unknown = face_values({"skinStrength": 0.5, "skin_strength": 9.0, "eyelidOpenOffset": -1})
    assert values == {"skin_strength": 0.5, "eyelid_open_offset": -1.0}
    assert unknown == ("skin_strength",)
    with pytest.raises(UnprocessableError, match=r"skinStrength = 2.5 is out of range; allowed is 0 to 2"):
        face_values({"skinStrength": 2.5})


def test_names_are_unique_and_files_may_use_the_newer_spellings() -> None:
    assert len(BY_NAME) == len(TABLE)
    assert len(FACE_BY_REQUEST) == 14
    assert FACE_BY_FILE["eyelid_offset"] is FACE_BY_FILE["eyelid_open_offset"]
    assert FACE_BY_FILE["lip_close_offset"] is FACE_BY_FILE["lip_open_offset"]
    assert not set(UNUSED_FACE_KEYS) & set(FACE_BY_FILE)
    assert all(parameter.each for parameter in MAPS)


def test_characters_have_the_values_of_their_files() -> None:
    mark = defaults(FACE, character="mark")
    assert (mark["input_strength"], mark["lower_face_strength"], mark["lip_open_offset"]) == (1.3, 1.4, -0.03)
    assert defaults(character="claire")["enable_preferred_emotion"] is True
    assert defaults()["enable_preferred_emotion"] is False
    assert CHARACTERS == ("claire", "james", "mark")
    with pytest.raises(UnknownChoiceError, match="claire, james, mark"):
        defaults(character="ben")


@pytest.mark.parametrize("case", ["nim_stylization_defaults", "sdk_defaults"])
def test_emotion_defaults_are_the_published_ones(case: str) -> None:
    published = dict(named(read("emotion_postprocess")["cases"])[case]["params"])
    del published["fixed_dt"]
    values = defaults(character="james" if case.startswith("nim") else "")
    assert {name: values[name] for name in published} == published
