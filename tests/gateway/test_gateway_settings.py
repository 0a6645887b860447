from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import OPEA_HOSTS, GatewaySettings, _opea_values


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("AVATAR_") or name.endswith(("_HOST_IP", "_SERVER_PORT", "_SERVICE_PORT")):
            monkeypatch.delenv(name)


def test_the_defaults_are_the_usual_ports() -> None:
    settings = GatewaySettings()
    assert settings.port == 3009
    assert settings.asr_url == "http://127.0.0.1:7066"
    assert settings.animation_url == "http://127.0.0.1:9066"
    assert settings.outputs_dir.name == "outputs"


@pytest.mark.parametrize(
    ("stem", "field"),
    [
        ("WHISPER_SERVER", "asr_url"),
        ("ASR_SERVICE", "asr_url"),
        ("LLM_SERVER", "llm_url"),
        ("LLM_SERVICE", "llm_url"),
        ("SPEECHT5_SERVER", "tts_url"),
        ("TTS_SERVICE", "tts_url"),
        ("ANIMATION_SERVICE", "animation_url"),
    ],
)
def test_opeas_hosts_and_ports_are_honoured(monkeypatch: pytest.MonkeyPatch, stem: str, field: str) -> None:
    monkeypatch.setenv(f"{stem}_HOST_IP", "voice.example")
    monkeypatch.setenv(f"{stem}_PORT", "1234")
    assert getattr(GatewaySettings(), field) == "http://voice.example:1234"


def test_a_wildcard_host_is_reached_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_SERVER_HOST_IP", "0.0.0.0")
    assert GatewaySettings().asr_url == "http://127.0.0.1:7066"


def test_the_newer_opea_name_wins_over_the_older(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_SERVICE_PORT", "1")
    monkeypatch.setenv("LLM_SERVER_PORT", "2")
    assert GatewaySettings().llm_url == "http://127.0.0.1:2"


def test_our_own_variable_wins_over_opeas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_SERVER_PORT", "2")
    monkeypatch.setenv("AVATAR_GATEWAY_LLM_URL", "http://127.0.0.1:3")
    assert GatewaySettings().llm_url == "http://127.0.0.1:3"
    assert GatewaySettings(llm_url="local").llm_url == "local"


@pytest.mark.parametrize(("given", "bound"), [("127.0.0.1", "127.0.0.1"), ("10.1.2.3", "0.0.0.0"), ("", "127.0.0.1")])
def test_opeas_gateway_address(monkeypatch: pytest.MonkeyPatch, given: str, bound: str) -> None:
    monkeypatch.setenv("MEGA_SERVICE_HOST_IP", given)
    monkeypatch.setenv("MEGA_SERVICE_PORT", "8888")
    settings = GatewaySettings()
    assert (settings.host, settings.port) == (bound, 8888)


def test_opeas_output_file_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTFILE", "/outputs/result.mp4")
    assert GatewaySettings().outputs_dir == Path("/outputs")


def test_opeas_frame_rate_and_reply_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPS", "10")
    monkeypatch.setenv("DEFAULT_RESPONSE_FORMAT", "object")
    settings = GatewaySettings()
    assert (settings.fps, settings.default_response_format) == (10, "object")


def test_every_name_that_is_read_is_documented() -> None:
    class Noted(dict[str, str]):
        """An environment that notes what it is asked for."""

        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            asked.add(name)
            return default

    asked: set[str] = set()
    _opea_values(Noted())
    hosts = {f"{stem}_{part}" for stems in OPEA_HOSTS.values() for stem in stems for part in ("HOST_IP", "PORT")}
    documented = {name for names in GatewaySettings.also_read.values() for name in names}
    assert asked - hosts <= documented
