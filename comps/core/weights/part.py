"""A file on its way: the bytes that have arrived, and what the server said they are a part of."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """What a server said of the whole file.

    Args:
        url: the address asked.
        validator: strong ETag, else Last-Modified, for ``If-Range``; empty when it gave neither.
        total: bytes of the whole, None when it did not say.
    """

    url: str
    validator: str
    total: int | None


class Part:
    """``NAME.part`` with the bytes and ``NAME.part.json`` with their origin; both outlive the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.in_pieces = self.have > 0
        """Whether its bytes came in more than one answer, so that a wrong whole may be wrong only in the seam."""

    @property
    def have(self) -> int:
        """Bytes that have arrived."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def origin(self) -> Origin | None:
        """Where they came from; None when that is not known, and they cannot be continued."""
        try:
            return Origin(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def differs(self, total: int | None) -> bool:
        """Whether a whole of `total` bytes cannot be the one that these bytes are a part of."""
        origin = self.origin
        return bool(origin and origin.total is not None and total is not None and origin.total != total)

    def starts(self, origin: Origin) -> None:
        """A first answer begins: what was there goes."""
        self.clear()
        self._note.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def clear(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.in_pieces = False

    def becomes(self, target: Path) -> None:
        """Give the whole its name, replacing what has it, in one step that survives a power cut."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        self.path.replace(target)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")
