"""Names like one that does not exist."""

from __future__ import annotations

import pytest

from comps.core.errors import UnknownChoiceError
from comps.core.language.closest import closest
from comps.core.language.espeak import voice_for_language
from comps.tts.engines.espeak_voices import choose_voice


def test_likest_first_and_capitals_do_not_matter() -> None:
    assert closest("ALLOI", ["nova", "alloy", "Alloys", "echo", "alloy"], 2) == ["alloy", "Alloys"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [("zzz", ["abc"]), ("nobody", ["nb", "Andy", "UniRobot"]), ("e", ["el"]), ("robotics", ["rob"])],
)
def test_what_is_no_mistyping_is_not_close(wanted: str, names: list[str]) -> None:
    assert closest(wanted, names) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("frensh", "French (France)"), ("nowa", "nova"), ("german2", "German"), ("klingon2", "Klingon")],
)
def test_an_unknown_voice_is_refused_with_the_likest(wanted: str, found: str) -> None:
    with pytest.raises(UnknownChoiceError, match="no voice is called") as caught:
        choose_voice(wanted, "")
    assert caught.value.message.partition("closest: ")[2].startswith(found)


@pytest.mark.parametrize(("wanted", "found"), [("Spanisch", "es (Spanish"), ("englsh", "en-us (English")])
def test_an_unknown_language_is_refused_with_the_likest(wanted: str, found: str) -> None:
    with pytest.raises(UnknownChoiceError, match="no voice speaks") as caught:
        voice_for_language(wanted)
    assert caught.value.message.partition("closest: ")[2].startswith(found)
