"""Paces on file, and what they depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from comps.animation.engine import AnimationOptions
from comps.animation.pace.book import PaceBook
from comps.animation.pace.circumstances import key_of, machine
from comps.animation.settings import AnimationSettings


def test_what_is_put_is_got_by_another_book_of_the_same_folder(tmp_path: Path) -> None:
    PaceBook(tmp_path / "deep" / "folder").put("a", 0.25)
    assert PaceBook(tmp_path / "deep" / "folder").get("a") == 0.25
    assert PaceBook(tmp_path / "deep" / "folder").get("b") is None
    assert [path.name for path in (tmp_path / "deep" / "folder").iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"work_s": "fast"}', b'{"work_s": -1}', b'{"work_s": NaN}', b"\xff\xfe"]
)
def test_a_file_that_cannot_be_read_is_none_and_is_written_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    book = PaceBook(tmp_path)
    assert book.get("a") is None
    book.learn("a", 2.0)
    assert book.get("a") == 2.0


def test_real_work_corrects_what_is_expected(tmp_path: Path) -> None:
    book = PaceBook(tmp_path)
    book.learn("a", 1.0)
    book.learn("a", 2.0)
    assert book.get("a") == pytest.approx(1.3)
    for _ in range(20):
        book.learn("a", 2.0)
    assert book.get("a") == pytest.approx(2.0, rel=0.2)
    before = (tmp_path / "a.json").stat().st_mtime_ns
    book.learn("a", book.get("a") or 0)
    book.learn("a", float("inf"))
    book.learn("a", 0.0)
    assert (tmp_path / "a.json").stat().st_mtime_ns == before


def test_the_folder_stays_small(tmp_path: Path) -> None:
    book = PaceBook(tmp_path)
    for number in range(300):
        (tmp_path / f"old{number}.json").write_text(json.dumps({"work_s": 1.0}))
    book.put("new", 1.0)
    assert len(list(tmp_path.iterdir())) == 256
    assert book.get("new") == 1.0


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    book = PaceBook(tmp_path / "file")
    book.put("a", 1.0)
    assert book.get("a") is None


def test_the_key_knows_what_the_speed_depends_on(tmp_path: Path) -> None:
    settings, options = AnimationSettings(), AnimationOptions()
    keys = [
        key_of("portrait", options, settings),
        key_of("wav2lip", options, settings),
        key_of("portrait", replace(options, size=256), settings),
        key_of("portrait", replace(options, fps=30), settings),
        key_of("portrait", replace(options, video_preset="fast"), settings),
        key_of("portrait", replace(options, enhancer="gfpgan"), settings),
        key_of("wav2lip", options, settings.model_copy(update={"wav2lip_batch": 3})),
    ]
    assert len(set(keys)) == len(keys)
    same = key_of("portrait", replace(options, emotion="joy", seed=4), settings.model_copy(update={"wav2lip_batch": 3}))
    assert same == keys[0]
    assert machine().split()[0].isdigit()
