"""What one stream may send, and how long it may take (`input_sanitization` of the advanced file)."""

from __future__ import annotations

import time
from collections.abc import Callable

from comps.animation.audio2face.clip_audio import BYTES_PER_SAMPLE
from comps.animation.audio2face.configuration.advanced import InputSanitization
from comps.animation.audio2face.server.failures import TooSlowError
from comps.core.errors import TooLargeError, UnprocessableError

_RATE_OF_LOW_FPS = 30
"""Frames of audio that real time has in a second, as `low_fps` counts them."""


class Intake:
    """The audio of one clip, buffer by buffer. Lengths in seconds at `sample_rate`."""

    def __init__(self, limits: InputSanitization, sample_rate: int) -> None:
        self._limits = limits
        self._bytes_per_second = sample_rate * BYTES_PER_SAMPLE
        self._received = 0
        self.messages = 0

    @property
    def received_s(self) -> float:
        """Length of what has been taken, s."""
        return self._received / self._bytes_per_second

    def take(self, size: int) -> None:
        """Counts a buffer of `size` bytes, or refuses it: UnprocessableError or TooLargeError."""
        if size % BYTES_PER_SAMPLE:
            raise UnprocessableError(f"a buffer has {size} bytes; PCM16 has an even number", param="audio_buffer")
        longest, clip = self._limits.max_audio_buffer_size_second, self._limits.max_audio_clip_size_second
        if size > longest * self._bytes_per_second:
            length = size / self._bytes_per_second
            raise TooLargeError(
                f"a buffer of {length:.3f} s is too long; allowed is {longest:g} s", param="audio_buffer"
            )
        if self._received + size > clip * self._bytes_per_second:
            raise TooLargeError(f"the clip is longer than {clip:g} s, which is the limit", param="audio_buffer")
        self._received += size
        self.messages += 1


class Patience:
    """How long a stream may keep the service waiting. Times come from `clock`, s.

    A client is too slow when for `low_fps_max_duration_second` on end it has supplied less than `low_fps` / 30 of the
    time since its first buffer; 0 in either switches that off. After `max_wait_time_idle_ms` without a message in
    either direction, or `max_processing_duration_second` in all, the stream is over.
    """

    def __init__(self, limits: InputSanitization, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._began = self._moved = clock()
        self._supplying_since: float | None = None
        self._supplied_s = 0.0
        self._behind_since: float | None = None

    @property
    def shortest_s(self) -> float:
        """The shortest of the limits, s."""
        limits = self._limits
        slow = limits.low_fps_max_duration_second or limits.max_processing_duration_second
        return min(slow, limits.max_processing_duration_second, limits.max_wait_time_idle_ms / 1000)

    def moved(self) -> None:
        """A message came or went."""
        self._moved = self._clock()

    def supplied(self, seconds: float) -> None:
        """So much audio has come by now, in all."""
        now = self._clock()
        if self._supplying_since is None:
            self._supplying_since = now
        self._supplied_s = seconds
        if not self._is_behind(now, self._supplying_since):
            self._behind_since = None

    def supply_ended(self) -> None:
        """No more audio comes; nobody waits for it."""
        self._supplying_since = self._behind_since = None

    def check(self) -> None:
        """Raises TooSlowError when one of the limits is exceeded; to be called again and again."""
        limits, now = self._limits, self._clock()
        if now - self._began > limits.max_processing_duration_second:
            raise TooSlowError(f"the call took longer than {limits.max_processing_duration_second:g} s")
        if now - self._moved > limits.max_wait_time_idle_ms / 1000:
            raise TooSlowError(f"nothing moved for {limits.max_wait_time_idle_ms / 1000:g} s")
        self._check_supply(now)

    def _is_behind(self, now: float, since: float) -> bool:
        return self._supplied_s < (now - since) * self._limits.low_fps / _RATE_OF_LOW_FPS

    def _check_supply(self, now: float) -> None:
        limits, since = self._limits, self._supplying_since
        if since is None or not limits.low_fps_max_duration_second or not self._is_behind(now, since):
            return
        share = limits.low_fps / _RATE_OF_LOW_FPS
        # it fell behind when what it had supplied was used up, which may be before anyone looked
        self._behind_since = self._behind_since or since + self._supplied_s / share
        if now - self._behind_since > limits.low_fps_max_duration_second:
            allowed = limits.low_fps_max_duration_second
            raise TooSlowError(f"audio came slower than {share:.3g} of real time for more than {allowed:g} s")
