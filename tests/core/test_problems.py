"""Sentences about a request's fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from comps.core.web.problems import MOST_LETTERS, MOST_NAMED, fields_at_fault, refusal, sentence_of


class Part(BaseModel):
    text: str


class Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fps: int | None = Field(None, ge=5, le=60)
    size: int = Field(64, multiple_of=2)
    rate: float = Field(1.0, gt=0, lt=2, allow_inf_nan=False)
    name: str = Field("a", min_length=1, max_length=4)
    code: str = Field("ab", pattern="^[a-z]+$", min_length=2)
    form: Literal["url", "json"] = "url"
    stop: Annotated[list[str], Field(max_length=1)] = []
    parts: str | list[Part] = ""
    loud: bool = False
    mood: str = ""

    @field_validator("mood")
    @classmethod
    def _known(cls, mood: str) -> str:
        if mood == "odd":
            raise ValueError("a mood is one of joy, anger")
        return mood


def problems(**fields: Any) -> list[Any]:
    with pytest.raises(ValidationError) as caught:
        Wish.model_validate(fields)
    return list(caught.value.errors())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"fps": 3}, "fps must be at least 5"),
        ({"fps": 61}, "fps must be at most 60"),
        ({"fps": "many"}, "fps must be a whole number"),
        ({"fps": 5.5}, "fps must be a whole number"),
        ({"size": 65}, "size must be even"),
        ({"rate": 0}, "rate must be more than 0.0"),
        ({"rate": 2}, "rate must be less than 2.0"),
        ({"rate": float("nan")}, "rate must be a finite number"),
        ({"rate": []}, "rate must be a number"),
        ({"name": ""}, "name must not be empty"),
        ({"name": "abcde"}, "name must have at most 4 characters"),
        ({"name": 3}, "name must be a text"),
        ({"code": "a"}, "code must have at least 2 characters"),
        ({"code": "A1"}, "code must match ^[a-z]+$"),
        ({"form": "xml"}, "form must be 'url' or 'json'"),
        ({"stop": ["a", "b"]}, "stop must have at most 1 entries"),
        ({"stop": "a"}, "stop must be a list"),
        ({"loud": "perhaps"}, "loud must be true or false"),
        ({"mood": "odd"}, "mood: a mood is one of joy, anger"),
        ({"parts": [{}]}, "parts.0.text is missing"),
        ({"other": 1}, "other is not known here"),
        (
            {"fps": 3, "size": 65, "form": "xml"},
            "fps must be at least 5; size must be even; form must be 'url' or 'json'",
        ),
    ],
)
def test_each_rule_is_a_plain_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert sentence_of(problems(**fields)) == sentence


def test_fields_can_be_called_by_other_names() -> None:
    found = problems(fps=3, mood="odd")
    assert sentence_of(found, lambda field: f"--{field}").startswith("--fps must be at least 5; --mood: a mood")


def test_the_first_field_is_the_param_and_the_sentence_has_a_bound() -> None:
    assert (refusal(problems(size=65, fps=3)).param, refusal(problems(size=65)).status) == ("fps", 422)
    many = problems(**{f"other{n}": n for n in range(MOST_NAMED + 3)})
    assert len(fields_at_fault(many)) == MOST_NAMED + 3
    assert sentence_of(many).endswith("; and 3 more")


@pytest.mark.parametrize("key", ["Image", "my field", "bool", "x" * 5000])
def test_an_unknown_field_is_named_whatever_it_looks_like(key: str) -> None:
    error = refusal(problems(**{key: 1}))
    assert error.param == key[:MOST_LETTERS]
    assert error.message == f"{key[:MOST_LETTERS]} is not known here"
