from __future__ import annotations

import re
from pathlib import Path

import pytest

from comps.animation.table import ENGINES
from comps.core.errors import EngineUnavailableError
from comps.llm.knowledge import base as module
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.retriever import OFF_TOPIC


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_base_has_enough_topics_in_both_languages(base: KnowledgeBase) -> None:
    for language in ("en", "zh"):
        about = [t for t in base if t.language == language and not t.reserved]
        assert len(about) >= 60
        assert all(len(t.examples) >= 3 for t in about)
    assert set(base.languages) == {"en", "zh"}


def test_shipped_answers_are_short_and_can_be_said(base: KnowledgeBase) -> None:
    for topic in base:
        assert 1 <= len(topic.piece(0, 99)) <= 4, topic.id
        for sentence in topic.answer:
            assert len(sentence) <= 220, sentence
            assert not re.search(r"[*_`#\[\]<>|]|https?:|\bwww\.|\d{3,}(?!\d*\s*p)", sentence.replace("H264", "")), (
                sentence
            )


def test_shipped_topics_are_the_same_in_both_languages(base: KnowledgeBase) -> None:
    chinese = {t.id for t in base if t.language == "zh"}
    assert chinese <= {t.id for t in base if t.language == "en"}


def test_every_engine_of_faces_is_known_and_none_is_planned(base: KnowledgeBase) -> None:
    for language in ("en", "zh"):
        for name in ("liveavatar", "planned"):
            topic = base.get(name, language)
            assert topic is not None
            words = " ".join(topic.answer).lower()
            assert "not available" not in words
            assert "还不能" not in words
    told = {
        name.lower() for topic in base for name in " ".join(topic.answer).replace(",", " ").replace(".", " ").split()
    }
    assert set(ENGINES.names) <= told


def test_shipped_examples_belong_to_one_topic_each(base: KnowledgeBase) -> None:
    seen: dict[tuple[str, str], str] = {}
    for topic in base:
        for example in topic.examples:
            other = seen.setdefault((topic.language, example.lower().strip("?？.")), topic.id)
            assert other == topic.id, f"'{example}' is asked of {other} and {topic.id}"


def test_an_own_folder_gets_small_talk_but_nothing_about_the_product(tmp_path: Path) -> None:
    own = KnowledgeBase.load(write(tmp_path, pets="# Cats\nCats purr.\n"))
    assert own.get("cats", "en") is not None
    assert own.get("talk-hello", "en") is not None
    assert own.get("ports", "en") is None
    assert own.get(OFF_TOPIC, "en") is None
    assert "zh" not in {t.language for t in own}


def test_an_own_folder_may_replace_small_talk(tmp_path: Path) -> None:
    own = KnowledgeBase.load(write(tmp_path, a="# Hello {#talk-hello}\nWelcome to the zoo.\n", b="# Cats\nPurr.\n"))
    hello = own.get("talk-hello", "en")
    assert hello is not None
    assert hello.answer == ("Welcome to the zoo.",)


def test_equal_headings_stay_apart(tmp_path: Path) -> None:
    own = KnowledgeBase.load(write(tmp_path, a="# Overview\nOne.\n", b="# Overview\nTwo.\n"))
    assert own.get("overview", "en") is not None
    second = own.get("overview-2", "en")
    assert second is not None
    assert second.answer == ("Two.",)


def test_folders_below_are_read_and_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write(tmp_path / "deep" / "er", a="# Deep\nYes.\n")
    (tmp_path / "x.txt").write_text("# No\nNo.")
    own = KnowledgeBase.load(tmp_path)
    assert own.get("deep", "en") is not None
    assert own.get("no", "en") is None


def test_a_folder_that_cannot_be_used_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineUnavailableError, match="no knowledge folder"):
        KnowledgeBase.load(tmp_path / "missing")
    with pytest.raises(EngineUnavailableError, match="no Markdown"):
        KnowledgeBase.load(tmp_path)
    (tmp_path / "bad.md").write_bytes(b"# A\n\xff\xfe\n")
    with pytest.raises(EngineUnavailableError, match=r"bad\.md"):
        KnowledgeBase.load(tmp_path)
    (tmp_path / "bad.md").write_text("---\n- x\n---\n# A\nB.\n")
    with pytest.raises(EngineUnavailableError, match="front matter"):
        KnowledgeBase.load(tmp_path)
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 4)
    with pytest.raises(EngineUnavailableError, match="more than 4 bytes"):
        KnowledgeBase.load(tmp_path)


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a="# A\nOne.\n# B\nTwo.\n", b="# C\nThree.\n")
    monkeypatch.setattr(module, "MAX_TOPICS", 2)
    with pytest.raises(EngineUnavailableError, match="over 2 topics"):
        KnowledgeBase.load(tmp_path)
    monkeypatch.setattr(module, "MAX_FILES", 1)
    with pytest.raises(EngineUnavailableError, match="over 1 files"):
        KnowledgeBase.load(tmp_path)
