from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from comps.core.errors import EngineUnavailableError
from comps.llm.settings import LlmSettings
from comps.llm.table import LLM_ENGINES


def test_the_engines_are_those_documented() -> None:
    assert LLM_ENGINES.names == ["knowledge", "transformers", "openai"]
    assert [spec.extra for spec in LLM_ENGINES] == [None, "transformers", None]


@pytest.mark.parametrize("name", ["knowledge", "openai"])
def test_embedded_engines_need_nothing_else(name: str) -> None:
    assert LLM_ENGINES.create(name, LlmSettings()).capabilities == LLM_ENGINES.spec(name).capabilities


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed here")
def test_a_missing_extra_is_named() -> None:
    with pytest.raises(EngineUnavailableError, match=r"pip install 'avatarchatbot\[transformers\]'"):
        LLM_ENGINES.create("transformers", LlmSettings())


@pytest.mark.parametrize("variable", ["AVATAR_KNOWLEDGE_DIR", "AVATAR_LLM_KNOWLEDGE_DIR"])
def test_the_knowledge_folder_is_the_recognisers(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/srv/knowledge")
    assert LlmSettings().knowledge_dir == Path("/srv/knowledge")
    assert LlmSettings(knowledge_dir=Path("/own")).knowledge_dir == Path("/own")
