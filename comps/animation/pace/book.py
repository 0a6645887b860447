"""PaceBook: seconds of work for a second of speech, on file."""

from __future__ import annotations

import json
import logging
import math
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

NEW_SHARE = 0.3
"""Weight of one real answer in what is expected of the next: others may have used the machine meanwhile."""
LEAST_CHANGE = 0.05
"""Share by which a pace must change to be written again."""
_MOST_FILES = 256


class PaceBook:
    """The paces in `folder`, a small file for each key. Every method blocks; a file that cannot be read is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> float | None:
        """Seconds of work for a second of speech, None where none is known."""
        try:
            pace = float(json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))["work_s"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pace if math.isfinite(pace) and pace > 0 else None

    def put(self, key: str, pace: float) -> None:
        """Write a pace in one step, so that no other process reads half of it; a full disk does not matter."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._folder, suffix=".tmp", delete=False) as part:
                part.write(json.dumps({"work_s": pace}))
            Path(part.name).replace(self._folder / f"{key}.json")
            kept = sorted(self._folder.glob("*.json"), key=lambda each: each.stat().st_mtime)
            for old in kept[:-_MOST_FILES]:
                old.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("what was measured cannot be kept in %s: %s", self._folder, error)

    def learn(self, key: str, pace: float) -> None:
        """Correct what is expected by an answer that took `pace` seconds of work for each of its seconds."""
        if not math.isfinite(pace) or pace <= 0:
            return
        known = self.get(key)
        expected = pace if known is None else known + NEW_SHARE * (pace - known)
        if known is None or abs(expected - known) > LEAST_CHANGE * known:
            self.put(key, expected)
