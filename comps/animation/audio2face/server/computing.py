"""What a process of the inference does: it answers questions about its clips, one after the other.

question: ("open", number, sample rate, StreamRequest, left)        answer: Opened
          ("take", number, pieces, whether they are the last, left)         (first, messages, needed), see `Encoded`

`left` are the clips that are over. Instead of an answer there may be an AvatarError. On the wire each is its length, in
4 bytes, and a pickle.
"""

from __future__ import annotations

import gc
import logging
import pickle
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from comps.animation.audio2face.pipeline import Audio2Face, ClipPipeline
from comps.animation.audio2face.server.bench import Turn, computed, opened
from comps.animation.audio2face.server.failures import INTERNAL_MESSAGE
from comps.core.errors import AvatarError

LoadFace = Callable[[], Audio2Face]

_LENGTH = 4
_AT_ONCE = 1 << 16
"""Bytes read from the line at a time."""

log = logging.getLogger(__name__)


def packed(message: Any) -> bytes:
    """A message as it goes over the line."""
    pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(pickled).to_bytes(_LENGTH, "little") + pickled


def unpacked(came: bytearray) -> Iterator[Any]:
    """Takes the messages that are whole off the front of `came`."""
    while len(came) >= _LENGTH:
        end = _LENGTH + int.from_bytes(came[:_LENGTH], "little")
        if len(came) < end:
            return
        pickled = bytes(came[_LENGTH:end])
        del came[:end]
        # both ends of the line are this program
        yield pickle.loads(pickled)


def settle() -> None:
    """What has been loaded stays: searching it for garbage, which takes longer than a frame, would make frames late."""
    gc.collect()
    gc.freeze()


def compute(line: socket.socket, load: LoadFace) -> None:
    """The process: loads, says that it has, and answers until nobody is left to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clips = _Clips(load())
    settle()
    came, part = bytearray(), memoryview(bytearray(_AT_ONCE))
    try:
        line.sendall(packed(True))
        while size := line.recv_into(part):
            came += part[:size]
            for question in unpacked(came):
                line.sendall(packed(clips.answer(*question)))
    except ConnectionError:
        return


class _Clips:
    def __init__(self, face: Audio2Face) -> None:
        self._face = face
        self._open: dict[int, ClipPipeline] = {}

    def answer(self, what: str, number: int, first: Any, second: Any, left: list[int]) -> Any:
        for gone in left:
            self._open.pop(gone, None)
        if what == "open":
            return self._opened(number, first, second)
        if number not in self._open:
            return AvatarError(INTERNAL_MESSAGE)
        made = computed(self._open[number], Turn(first, second))
        return _plain(made) if isinstance(made, AvatarError) else (made.first, made.messages, made.needed)

    def _opened(self, number: int, sample_rate: int, request: Any) -> Any:
        try:
            pipeline = self._open[number] = self._face.open(sample_rate, request)
        except AvatarError as error:
            return _plain(error)
        except Exception:  # process boundary: the stream ends with INTERNAL, the log has the trace
            log.exception("a clip could not be opened")
            return AvatarError(INTERNAL_MESSAGE)
        return opened(pipeline)


def _plain(error: AvatarError) -> AvatarError:
    """The error without its trace, as it can be sent."""
    kind = type(error)
    return kind(error.message, service=error.service, param=error.param, retry_after_s=error.retry_after_s)
