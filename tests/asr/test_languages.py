from __future__ import annotations

import pytest

from comps.asr.languages import english_only, language_tag, primary
from comps.core.errors import UnknownChoiceError


@pytest.mark.parametrize(
    ("name", "tag"),
    [("English", "en"), ("en", "en"), ("zh_CN", "zh-cn"), ("chinese", "zh"), ("auto", ""), ("", ""), (" DE ", "de")],
)
def test_names_and_tags(name: str, tag: str) -> None:
    assert language_tag(name) == tag


@pytest.mark.parametrize("name", ["klingonese", "e", "12", "en;drop", "x" * 500])
def test_what_is_no_language(name: str) -> None:
    with pytest.raises(UnknownChoiceError, match="is no language") as caught:
        language_tag(name)
    assert caught.value.param == "language"
    assert len(caught.value.message) < 900


def test_the_region_is_left_out() -> None:
    assert primary("en-GB") == "en"


def test_english_only_says_who_hears_the_rest() -> None:
    english_only("en-GB")
    english_only("")
    with pytest.raises(UnknownChoiceError, match=r"faster_whisper.*avatarchatbot\[faster-whisper\]"):
        english_only("zh")
