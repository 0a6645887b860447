"""The files that NVIDIA's sample client (2.0) writes: frames, emotions of every frame, and the keyframes it sent.

All three are tables with the row's number in a first column without a name, and dotted names for what was nested.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from comps.animation.audio2face.export.exporter import Exporter
from comps.animation.audio2face.export.take import Poses, Take
from comps.animation.audio2face.names import FACE_EMOTIONS

FRAMES, SMOOTHED, INPUT = "animation_frames.csv", "a2f_3d_smoothed_emotion_output.csv", "a2f_3d_input_emotions.csv"
"""Names of the files, which programs that read a folder of the client look for."""


class FramesCsv(Exporter):
    """`timeCode` in seconds and `blendShapes.<name>`, a row per frame."""

    def begin(self) -> bytes:
        """The names of the columns."""
        return _rows([["", "timeCode", *(f"blendShapes.{name}" for name in self.take.names)]])

    def write(self, poses: Poses) -> bytes:
        """A row for every frame; weights as the wire has them, in single precision."""
        rows = (
            [poses.first + row, (poses.first + row) / self.take.fps, *map(short, weights)]
            for row, weights in enumerate(poses.weights.tolist())
        )
        return _rows(rows)


class EmotionsCsv(Exporter):
    """`time_code` in seconds and `emotion_values.<name>` for the ten emotions that drove each frame."""

    def begin(self) -> bytes:
        """The names of the columns."""
        return _emotion_columns(FACE_EMOTIONS)

    def write(self, poses: Poses) -> bytes:
        """A row for every frame."""
        rows = (
            [poses.first + row, (poses.first + row) / self.take.fps, *map(short, emotions)]
            for row, emotions in enumerate(poses.emotions.tolist())
        )
        return _rows(rows)


class KeyframesCsv(Exporter):
    """The client's keyframes, a row each; columns are the emotions that they name, so all are known only at the end."""

    def __init__(self, take: Take) -> None:
        super().__init__(take)
        self._keys: list[tuple[float, dict[str, float]]] = []

    def write(self, poses: Poses) -> bytes:
        """Keeps the keyframes that arrived; there are at most `keyframes.MOST_KEYS` of them."""
        self._keys += [(time, dict(emotions)) for time, emotions in poses.keyframes]
        return b""

    def end(self) -> bytes:
        """The whole table; a missing emotion is an empty cell."""
        if not self._keys:
            return b'""\n'
        names = list(dict.fromkeys(name for _, emotions in self._keys for name in emotions))
        rows = (
            [index, time, *(emotions.get(name, "") for name in names)]
            for index, (time, emotions) in enumerate(self._keys)
        )
        return _emotion_columns(names) + _rows(rows)


def short(value: float) -> float:
    """A number to seven digits, which is what single precision holds."""
    return float(f"{value:.7g}")


def _emotion_columns(names: Sequence[str]) -> bytes:
    return _rows([["", "time_code", *(f"emotion_values.{name}" for name in names)]])


def _rows(rows: Iterable[Sequence[object]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
