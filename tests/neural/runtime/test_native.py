"""Compiled code is that of its sources, and what cannot be had is looked for once."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path

import pytest

from comps.animation.neural import native
from comps.animation.neural.native import NativeCode, TriedOnce
from comps.core.errors import EngineUnavailableError

COMPILES = platform.system() == "Linux" and bool(shutil.which("g++"))
FOLDER = Path(native.__file__).parent


@pytest.mark.skipif(not COMPILES, reason="no g++ here; that it is missed is tested")
def test_a_header_that_changed_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    source, header = tmp_path / "answer.cpp", tmp_path / "answer.h"
    source.write_text('#include "answer.h"\nextern "C" int answer() { return ANSWER; }\n')
    code = NativeCode(source, (), "the answer", (header,))
    for answer in (41, 42, 41):
        header.write_text(f"#define ANSWER {answer}\n")
        assert code.library().answer() == answer
    assert len(list((tmp_path / "cache").rglob("*.so"))) == 2


@pytest.mark.torch
def test_every_header_is_known_to_who_builds_the_code() -> None:
    pytest.importorskip("torch")
    from comps.animation.neural import fused_winograd, int16_products

    known = {"winograd.cpp": fused_winograd._HEADERS, "int16.cpp": int16_products._HEADERS, "amx.cpp": ()}
    assert {file.name for file in FOLDER.glob("*.cpp")} == set(known)
    for source, headers in known.items():
        assert {header.name for header in headers} == included(FOLDER / source)


def included(file: Path) -> set[str]:
    names = set(re.findall(r'^#include "(.+)"', file.read_text(), re.MULTILINE))
    return names.union(*(included(FOLDER / name) for name in names))


def test_what_could_be_made_is_made_once() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    once = TriedOnce(make)
    assert once() is once() is made[0]
    assert once.is_here()
    once.forget()
    assert once() is made[1]


def test_what_could_not_be_made_is_told_each_time_and_tried_once() -> None:
    tries = []

    def make() -> object:
        tries.append(1)
        raise EngineUnavailableError("there is none")

    once = TriedOnce(make)
    for _ in range(2):
        with pytest.raises(EngineUnavailableError, match="there is none"):
            once()
    assert not once.is_here()
    assert len(tries) == 1
