from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from comps.core import settings_table
from comps.core.settings import ServiceSettings
from comps.core.settings_table import SETTINGS_CLASSES, main, render, settings_classes

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


class EchoSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AVATAR_ECHO_")

    also_read: ClassVar[Mapping[str, tuple[str, ...]]] = {"folder": ("OUTFILE",), "host": ("HOST_IP",)}

    max_concurrent: int = Field(2, description="echoes at once")
    folder: Path | None = Field(None, description="where | echoes are kept")


def test_the_document_is_what_the_classes_say() -> None:
    command = f"run  python -m comps.core.settings_table {DOCUMENT.name}"
    assert DOCUMENT.read_text(encoding="utf-8") == render(settings_classes()), command


def test_every_service_is_in_the_list() -> None:
    assert {name.partition(".settings")[0] for name in SETTINGS_CLASSES} == {
        *("comps.asr", "comps.llm", "comps.tts", "comps.animation", "comps.animation.audio2face.server", "gateway")
    }


def test_a_class_shows_what_it_adds_and_what_it_changes() -> None:
    text = render([EchoSettings])
    assert "| `AVATAR_MAX_CONCURRENT` | int > 0 | `32` |" in text
    assert "| `AVATAR_ECHO_MAX_CONCURRENT` | int | `2` | echoes at once |" in text
    assert "| `AVATAR_ECHO_FOLDER`, `OUTFILE` | Path | – | where \\| echoes are kept |" in text
    assert "| `AVATAR_ECHO_HOST`, `HOST_IP` |" in text
    assert "AVATAR_ECHO_LOG_LEVEL" not in text
    assert "| `AVATAR_ECHO_PORT` | int ≥ 0, ≤ 65535 | `8000` |" in text


def test_a_missing_service_is_left_out_but_a_broken_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_table, "SETTINGS_CLASSES", ("comps.nothing.settings:NothingSettings",))
    assert settings_classes() == []
    monkeypatch.setattr(settings_table, "SETTINGS_CLASSES", ("comps.core.settings:NothingSettings",))
    with pytest.raises(AttributeError):
        settings_classes()


def test_writing_it(tmp_path: Path) -> None:
    main(str(tmp_path / "settings.md"))
    assert (tmp_path / "settings.md").read_text(encoding="utf-8").startswith("# Settings")
