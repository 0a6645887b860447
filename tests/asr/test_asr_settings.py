from __future__ import annotations

from pathlib import Path

import pytest

from comps.asr.settings import SHIPPED_KNOWLEDGE, AsrSettings


def test_it_works_as_it_comes() -> None:
    settings = AsrSettings()
    assert (settings.engine, settings.port) == ("pocketsphinx", 7066)
    assert settings.knowledge_dir == SHIPPED_KNOWLEDGE
    assert list(SHIPPED_KNOWLEDGE.rglob("*.md"))


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("AVATAR_ASR_ENGINE", "whisper", "engine"),
        ("ASR_COMPONENT_NAME", "OPEA_WHISPER_ASR", "engine"),
        ("AVATAR_ASR_MODEL", "base", "model"),
        ("ASR_MODEL_PATH", "openai/whisper-small", "model"),
        ("ASR_ENDPOINT", "http://whisper:7066/v1", "url"),
        ("AVATAR_ASR_URL", "http://whisper:7066/v1", "url"),
    ],
)
def test_names_of_the_environment(variable: str, value: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(AsrSettings(), field) == value


@pytest.mark.parametrize("variable", ["AVATAR_KNOWLEDGE_DIR", "AVATAR_ASR_KNOWLEDGE_DIR"])
def test_the_knowledge_folder_is_the_language_models(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/srv/knowledge")
    assert AsrSettings().knowledge_dir == Path("/srv/knowledge")


def test_models_lie_where_weights_are_fetched_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_WEIGHTS_DIR", "/weights")
    assert AsrSettings().model_dir == Path("/weights")
