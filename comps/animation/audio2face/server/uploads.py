"""Clips that authoring tools have uploaded, by their SHA-256, for a while."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from comps.core.errors import NotFoundError, TooLargeError

KEPT_S = 3600.0
"""How long a clip is kept after its upload or its last use."""
MOST_BYTES = 512 * 1024 * 1024
"""Room for all clips together; the one unused for longest makes way."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A clip: PCM16 mono at `sample_rate` Hz."""

    pcm: bytes
    sample_rate: int


class Uploads:
    """Keeps clips for `kept_s` seconds, as many as `most_bytes` hold."""

    def __init__(
        self, kept_s: float = KEPT_S, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept_s, self._most_bytes, self._clock = kept_s, most_bytes, clock
        self._clips: OrderedDict[str, tuple[float, Upload]] = OrderedDict()
        self._bytes = 0

    def add(self, clip: Upload) -> str:
        """Keeps a clip; its id. TooLargeError when it alone is larger than all the room."""
        if len(clip.pcm) > self._most_bytes:
            raise TooLargeError(f"the clip has {len(clip.pcm)} bytes; there is room for {self._most_bytes}")
        digest = hashlib.sha256(clip.pcm).hexdigest()
        self._drop(digest)
        self._clips[digest] = (self._clock(), clip)
        self._bytes += len(clip.pcm)
        self._make_room()
        return digest

    def get(self, digest: str) -> Upload:
        """The clip; NotFoundError for one that was never uploaded or is no longer kept."""
        self._make_room()
        if digest not in self._clips:
            raise NotFoundError(f"no clip '{digest[:64]}': upload it first; clips are kept for {self._kept_s:g} s")
        _, clip = self._clips.pop(digest)
        self._clips[digest] = (self._clock(), clip)
        return clip

    def _make_room(self) -> None:
        oldest = self._clock() - self._kept_s
        while self._clips:
            digest, (used, _) = next(iter(self._clips.items()))
            if used >= oldest and self._bytes <= self._most_bytes:
                return
            self._drop(digest)

    def _drop(self, digest: str) -> None:
        if digest in self._clips:
            _, clip = self._clips.pop(digest)
            self._bytes -= len(clip.pcm)
