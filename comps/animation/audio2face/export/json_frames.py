"""Frames as JSON: a line each (NDJSON), or one document.

    {"type": "header", "names": [...], "emotions": [...], "fps": 30, "sample_rate": 16000}
    {"type": "frame", "index": 0, "time_code": 0.0, "weights": [...], "emotions": [...], "gaze": [yaw, pitch], "head": [...]}
    {"type": "end", "frames": 31}

`weights` and `emotions` are in the header's order; `gaze` and the first three of `head` are degrees (`FaceMotion`).
With `echo` a frame has its slice of the audio as base64 PCM16 in `audio`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from comps.animation.audio2face.export.exporter import Exporter
from comps.animation.audio2face.export.take import Poses, Take
from comps.animation.audio2face.names import FACE_EMOTIONS

Json = dict[str, Any]


def header(take: Take) -> Json:
    """What comes before the frames."""
    about = {"fps": take.fps, "sample_rate": take.sample_rate}
    return {"type": "header", "names": take.names, "emotions": FACE_EMOTIONS, **about}


def frames(poses: Poses, fps: int, *, echo: bool = False) -> Iterator[Json]:
    """Every frame; arrays are numpy's, for `dumps`."""
    columns = (
        np.ascontiguousarray(array, np.float32) for array in (poses.weights, poses.emotions, poses.gaze, poses.head)
    )
    for row, (weights, emotions, gaze, head) in enumerate(zip(*columns, strict=True)):
        index = poses.first + row
        frame = {
            "type": "frame", "index": index, "time_code": index / fps,
            "weights": weights, "emotions": emotions, "gaze": gaze, "head": head,
        }  # fmt: skip
        yield {**frame, "audio": base64.b64encode(poses.audio[row]).decode()} if echo else frame


def dumps(message: Json) -> bytes:
    """A message as bytes; numbers have the digits of single precision."""
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)


class JsonLines(Exporter):
    """NDJSON; with `echo` the audio of every frame too."""

    def __init__(self, take: Take, *, echo: bool = False) -> None:
        super().__init__(take)
        self._echo = echo
        self._frames = 0

    def begin(self) -> bytes:
        """The header's line."""
        return dumps(header(self.take)) + b"\n"

    def write(self, poses: Poses) -> bytes:
        """A line for every frame."""
        self._frames += len(poses)
        return b"".join(dumps(frame) + b"\n" for frame in frames(poses, self.take.fps, echo=self._echo))

    def end(self) -> bytes:
        """The last line, without which a file is cut short."""
        return dumps({"type": "end", "frames": self._frames}) + b"\n"


class JsonDocument(Exporter):
    """The header's fields and a list of `frames`."""

    def __init__(self, take: Take) -> None:
        super().__init__(take)
        self._before = b"\n"

    def begin(self) -> bytes:
        """Everything up to the list."""
        fields = {name: value for name, value in header(self.take).items() if name != "type"}
        return dumps(fields)[:-1] + b', "frames": ['

    def write(self, poses: Poses) -> bytes:
        """Elements of the list."""
        text = b""
        for frame in frames(poses, self.take.fps):
            del frame["type"]
            text += self._before + dumps(frame)
            self._before = b",\n"
        return text

    def end(self) -> bytes:
        """The end of the list."""
        return b"\n]}\n"
