from __future__ import annotations

import sys
from pathlib import Path

import pytest

from comps.asr.engine import AsrOptions
from comps.asr.engines.whisper_calls import TEMPERATURES, arguments, joined, model_name, require_language, transcript
from comps.asr.settings import AsrSettings
from comps.asr.table import OPEA_NAMES, TABLE
from comps.core.errors import EngineUnavailableError, UnknownChoiceError


def test_options_become_arguments() -> None:
    given = arguments(AsrOptions(language="de-AT", prompt="AvatarChatbot", temperature=0.3))
    assert (given["language"], given["initial_prompt"], given["temperature"]) == ("de", "AvatarChatbot", 0.3)
    assert given["word_timestamps"] is True


def test_nothing_wished_means_detection_and_fallback() -> None:
    given = arguments(AsrOptions())
    assert (given["language"], given["initial_prompt"], given["temperature"]) == (None, None, TEMPERATURES)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("openai/whisper-small", "small"), ("", "small"), ("whisper-tiny.en", "tiny.en"), ("large-v3", "large-v3"),
        ("/models/mine.pt", "/models/mine.pt"),
    ],
)  # fmt: skip
def test_models_by_opeas_names_and_whispers(wanted: str, name: str) -> None:
    assert model_name(wanted) == name


def test_a_path_that_exists_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_name("whisper-small") == "small"
    (tmp_path / "whisper-small").mkdir()
    assert model_name("whisper-small") == "whisper-small"


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [("<|endoftext|>", None), ("a <|0.00|>b", "a  b"), ("x <| y |> z", "x   z"), ("2 < 3 | 4 > 1", "2 < 3 | 4 > 1")],
)
def test_control_tokens_leave_the_prompt(prompt: str, sent: str | None) -> None:
    assert arguments(AsrOptions(prompt=prompt))["initial_prompt"] == sent


def test_words_end_with_the_recording() -> None:
    made = transcript(
        "Bye now", [{"word": " Bye", "start": 0.2, "end": 0.9}, {"word": " now", "start": 1.2, "end": 9}], "en", 1.0
    )
    assert [(word.start, word.end) for word in made.words] == [(0.2, 0.9), (1.0, 1.0)]


def test_unknown_languages_are_refused_with_the_known_ones() -> None:
    require_language("whisper", "en-GB", ["en"])
    require_language("whisper", "", ["en"])
    with pytest.raises(UnknownChoiceError, match="it hears: de, en"):
        require_language("whisper", "tlh", ["en", "de"])


def test_segments_become_a_transcript() -> None:
    text = joined([" Hello there.", " How are you?"])
    words = [{"word": " Hello", "start": 0.0, "end": 0.4}, {"word": " there.", "start": 0.4, "end": 0.8}]
    made = transcript(text, words, "en", 3.0)
    assert made.text == "Hello there. How are you?"
    assert [(w.text, w.char_start, w.char_end) for w in made.words] == [("Hello", 0, 5), ("there.", 6, 12)]
    assert (made.language, made.duration, made.final) == ("en", 3.0, True)


@pytest.mark.parametrize(("name", "extra"), [("whisper", "whisper"), ("faster_whisper", "faster-whisper")])
def test_a_missing_library_names_its_extra(name: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed, whether or not it is
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, f"comps.asr.engines.{name}", raising=False)
    with pytest.raises(EngineUnavailableError, match=rf"pip install 'avatarchatbot\[{extra}\]'"):
        TABLE.create(name, AsrSettings())


def test_opeas_component_names_are_engines() -> None:
    assert set(OPEA_NAMES.values()) <= set(TABLE.names)
