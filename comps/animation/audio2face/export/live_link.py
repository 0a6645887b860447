"""The CSV that Epic's Live Link Face app records, for Unreal, Maya, Blender and whatever else reads its takes.

`Timecode` is ``hours:minutes:seconds:frame.thousandths of a frame``, `BlendShapeCount` 61: the 52 shapes in the app's own
order and with Apple's mouthClose, then nine angles in radians, turned as Unreal's rotators are (yaw to the subject's
right, pitch up, roll to the subject's right).
"""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.export.client_csv import short
from comps.animation.audio2face.export.exporter import Exporter
from comps.animation.audio2face.export.take import Poses
from comps.animation.audio2face.names import ARKIT_SHAPES

Array = NDArray[np.float64]

_SWAPPED = {"JawLeft": "JawRight", "JawRight": "JawLeft", "MouthLeft": "MouthRight", "MouthRight": "MouthLeft"}
"""Neighbours that the app has in the other order."""
COLUMNS: tuple[str, ...] = tuple(_SWAPPED.get(name, name) for name in ARKIT_SHAPES)
"""The 52 shapes in the app's order."""
ANGLES: tuple[str, ...] = tuple(
    f"{part}{turn}" for part in ("Head", "LeftEye", "RightEye") for turn in ("Yaw", "Pitch", "Roll")
)
_ORDER = [ARKIT_SHAPES.index(name) for name in COLUMNS]


class LiveLinkCsv(Exporter):
    """A take; tongue shapes other than TongueOut have no column. Weights are cut to 0..1, as the app's are."""

    def begin(self) -> bytes:
        """The names of the columns."""
        return ",".join(["Timecode", "BlendShapeCount", *COLUMNS, *ANGLES]).encode() + b"\n"

    def write(self, poses: Poses) -> bytes:
        """A row for every frame."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        values = np.concatenate([np.clip(poses.arkit[:, _ORDER], 0, 1), _angles(poses)], 1)
        for row, numbers in enumerate(values.tolist()):
            writer.writerow([timecode(poses.first + row, self.take.fps), len(numbers), *map(short, numbers)])
        return text.getvalue().encode()


def timecode(frame: int, fps: int) -> str:
    """The app's time code of a frame, from the start of the clip; frames lie on the grid, so thousandths are 0."""
    seconds, rest = divmod(frame, fps)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"


def _angles(poses: Poses) -> Array:
    """Radians `[n, 9]`: head, then both eyes, which turn alike and never roll."""
    unreal = np.radians(poses.head[:, :3]) * (-1, 1, -1)
    eye = np.concatenate([np.radians(poses.gaze) * (-1, 1), np.zeros((len(poses), 1))], 1)
    angles: Array = np.concatenate([unreal, eye, eye], 1) + 0.0  # no -0
    return angles
