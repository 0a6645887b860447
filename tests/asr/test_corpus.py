from __future__ import annotations

from pathlib import Path

from comps.asr.adaptation.corpus import ANSWER_WEIGHT, QUESTION_WEIGHT, build_corpus, read_folder

BASE = """---
language: en
---
# Zorblax

## what Zorblax is {#what offer}

- What is Zorblax?
- Tell me about [Zorblax](http://example.com/hidden)

It polishes moons with the FooBar tool. Is it clean? Ask Zorblax.

```python
secret_code()
```
"""


def _base(folder: Path) -> str:
    (folder / "en").mkdir()
    (folder / "en" / "base.md").write_text(BASE, encoding="utf-8")
    return read_folder(folder)


def test_questions_count_more_than_answers(tmp_path: Path) -> None:
    weights = {sentence.words: sentence.weight for sentence in build_corpus(_base(tmp_path)).sentences}
    assert weights["what", "is", "zorblax"] >= QUESTION_WEIGHT
    assert weights["is", "it", "clean"] == QUESTION_WEIGHT
    assert weights["it", "polishes", "moons", "with", "the", "foobar", "tool"] == ANSWER_WEIGHT


def test_code_links_and_attributes_are_not_spoken(tmp_path: Path) -> None:
    words = {word for sentence in build_corpus(_base(tmp_path)).sentences for word in sentence.words}
    assert not words & {"secret", "code", "http", "example", "hidden", "offer", "language"}
    assert "zorblax" in words


def test_names_keep_their_spelling(tmp_path: Path) -> None:
    spellings = build_corpus(_base(tmp_path)).spellings
    assert spellings["foobar"] == "FooBar"
    assert spellings["zorblax"] == "Zorblax"
    assert "moons" not in spellings


def test_names_are_asked_about_in_ways_the_base_does_not_have(tmp_path: Path) -> None:
    said = {sentence.words for sentence in build_corpus(_base(tmp_path)).sentences}
    assert ("how", "do", "i", "install", "foobar") in said


def test_only_english_is_read(tmp_path: Path) -> None:
    _base(tmp_path)
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "base.md").write_text("# product\n\nwords of another language", encoding="utf-8")
    (tmp_path / "de.md").write_text("---\nlanguage: de\n---\nWas ist das?", encoding="utf-8")
    (tmp_path / "plain.md").write_text("# Plain\n\nWhat is plain?", encoding="utf-8")
    (tmp_path / "cjk.md").write_text("你好,世界。这是什么?", encoding="utf-8")
    text = read_folder(tmp_path)
    assert "plain" in text
    assert not {"another", "Was", "你好"} & set(text.split())


def test_an_empty_folder_gives_only_small_talk(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == ""
    assert build_corpus("").spellings == {}
