"""The published numbers that every part of Audio2Face is compared with (tests/data/audio2face, read only)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "data" / "audio2face"
TOLERANCE = 1e-6


@cache
def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def named(cases: list[Any]) -> dict[str, Any]:
    """The cases by name, for parametrised tests."""
    return {case["name"]: case for case in cases}
