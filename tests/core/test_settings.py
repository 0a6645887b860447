from __future__ import annotations

import os
from typing import Literal

import pytest
from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import SettingsConfigDict

from comps.core.errors import SettingsError
from comps.core.settings import SHARED_FIELDS, ServiceSettings


class EchoSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AVATAR_ECHO_")

    port: int = Field(7066, validation_alias=AliasChoices("AVATAR_ECHO_PORT", "ECHO_SERVER_PORT"))
    engine: str = Field("plain", validation_alias=AliasChoices("AVATAR_ECHO_ENGINE", "ECHO_COMPONENT_NAME"))
    text: str = "hello"
    size: Literal[256, 512] = 256
    url: str = Field("http://here", validation_alias=AliasChoices("url", "AVATAR_ECHO_URL", "ECHO_ENDPOINT"))
    fps: int = Field(25, validation_alias=AliasChoices("fps", "AVATAR_ECHO_FPS", "FPS"))


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AVATAR_", "ECHO_")):
            monkeypatch.delenv(name)


def test_a_number_of_several_may_come_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ECHO_SIZE", "512")
    assert EchoSettings().size == 512
    monkeypatch.setenv("AVATAR_ECHO_SIZE", "300")
    with pytest.raises(SettingsError, match=r"^AVATAR_ECHO_SIZE must be 256 or 512$"):
        EchoSettings()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AVATAR_MAX_PIXELS": "-3"}, "AVATAR_MAX_PIXELS must be more than 0"),
        ({"AVATAR_MAX_PIXELS": "4", "AVATAR_ECHO_MAX_PIXELS": "0"}, "AVATAR_ECHO_MAX_PIXELS must be more than 0"),
        ({"ECHO_SERVER_PORT": "many"}, "ECHO_SERVER_PORT must be a whole number"),
        ({"FPS": "x"}, "FPS must be a whole number"),
        ({"avatar_allowed_origins": "here"}, "AVATAR_ALLOWED_ORIGINS: 'here' is no origin of a page"),
        (
            {"AVATAR_MAX_PIXELS": "a", "FPS": "b"},
            "AVATAR_MAX_PIXELS must be a whole number; FPS must be a whole number",
        ),
    ],
)
def test_the_variable_at_fault_is_named(variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        EchoSettings()
    assert caught.value.message.startswith(said)
    assert "input_value" not in caught.value.message


def test_a_fault_of_the_caller_is_no_fault_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        EchoSettings(fps="x")  # type: ignore[arg-type]
    monkeypatch.setenv("FPS", "30")
    with pytest.raises(ValidationError):
        EchoSettings(fps="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(("flag", "level"), [("True", "debug"), ("1", "debug"), ("false", "info"), ("", "info")])
def test_opeas_flag_makes_the_log_wordy(monkeypatch: pytest.MonkeyPatch, flag: str, level: str) -> None:
    monkeypatch.setenv("LOGFLAG", flag)
    assert EchoSettings().log_level == level
    monkeypatch.setenv("AVATAR_LOG_LEVEL", "error")
    assert EchoSettings().log_level == "error"
    monkeypatch.setenv("AVATAR_ECHO_LOG_LEVEL", "warning")
    assert EchoSettings().log_level == "warning"


def test_defaults_bind_to_loopback_only() -> None:
    settings = EchoSettings()
    assert (settings.host, settings.port, settings.engine) == ("127.0.0.1", 7066, "plain")


def test_own_variable_then_common_variable_then_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_LOG_LEVEL", "error")
    monkeypatch.setenv("AVATAR_MAX_AUDIO_S", "20")
    monkeypatch.setenv("AVATAR_ECHO_MAX_AUDIO_S", "10")
    settings = EchoSettings()
    assert (settings.log_level, settings.max_audio_s, settings.log_format) == ("error", 10, "json")
    assert EchoSettings(log_level="debug").log_level == "debug"


def test_the_common_prefix_reaches_common_fields_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_TEXT", "not for echo")
    monkeypatch.setenv("AVATAR_PORT", "1")
    settings = EchoSettings()
    assert (settings.text, settings.port) == ("hello", 7066)
    assert "port" not in SHARED_FIELDS


def test_opea_names_count_after_our_own_and_the_constructor_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_SERVER_PORT", "9001")
    monkeypatch.setenv("ECHO_COMPONENT_NAME", "OPEA_ECHO")
    assert (EchoSettings().port, EchoSettings().engine) == (9001, "OPEA_ECHO")
    monkeypatch.setenv("AVATAR_ECHO_PORT", "9002")
    assert EchoSettings().port == 9002
    assert EchoSettings(port=0, engine="other").model_dump()["port"] == 0


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ECHO_TEXT", "")
    monkeypatch.setenv("AVATAR_LOG_FORMAT", "")
    assert EchoSettings().text == "hello"


@pytest.mark.parametrize(
    ("field", "value"),
    [("port", 70000), ("max_body_bytes", 0), ("max_audio_s", -1), ("log_format", "xml"), ("max_concurrent", 0)],
)
def test_nonsense_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        ServiceSettings(**{field: value})  # type: ignore[arg-type]


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        EchoSettings().text = "other"  # type: ignore[misc]


def test_variables_without_a_prefix_are_read_only_when_listed_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "http://elsewhere")
    monkeypatch.setenv("FPS", "30")
    assert (EchoSettings().url, EchoSettings().fps) == ("http://here", 30)
    monkeypatch.setenv("ECHO_ENDPOINT", "http://opea")
    assert EchoSettings().url == "http://opea"
    assert EchoSettings(url="http://given").url == "http://given"
