"""The program and what it needs stay in its own environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import comps.animation.engines.liveavatar as package
from comps.animation.engines.liveavatar.engine import CAPABILITIES, LiveAvatarEngine
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.animation.table import ENGINES

FOLDER = Path(package.__file__).parent
OURS = {"comps", "anyio", "av", "cv2", "numpy", "pydantic", "soxr"}
ELSEWHERE = {"torch"}
"""Imported inside a function of the bridge, which runs in the program's environment."""


def test_loading_every_module_imports_nothing_of_the_program() -> None:
    names = [
        ".".join(["comps.animation.engines.liveavatar", *path.relative_to(FOLDER).with_suffix("").parts])
        for path in sorted(FOLDER.rglob("*.py"))
        if path.stem != "__init__"
    ]
    code = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
    code += "found = {'torch', 'liveavatar', 'transformers', 'diffusers', 'peft'} & set(sys.modules)\nassert not found, found"
    assert len(names) > 20
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_known_packages_are_named() -> None:
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tops = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        tops |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        roots = {name.partition(".")[0] for name in tops} - set(sys.stdlib_module_names)
        allowed = OURS | (ELSEWHERE if path.name == "bridge.py" else set())
        assert roots <= allowed, (path.name, roots - allowed)


def test_what_the_programs_python_reads_needs_only_the_standard_library() -> None:
    code = f"import runpy; runpy.run_path({str(FOLDER / 'live' / 'bridge.py')!r}, run_name='read')"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_the_table_says_what_the_engine_says() -> None:
    assert ENGINES.spec("liveavatar").capabilities == CAPABILITIES
    assert type(ENGINES.create("liveavatar", LiveAvatarSettings())) is LiveAvatarEngine
