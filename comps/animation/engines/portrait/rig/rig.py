"""Rig: where the features of one portrait are, in its own pixels.

The points are the 68 of the iBUG 300-W scheme (Sagonas et al., 2013) by their usual group names,
with two irises and the crown of the head. "Left" and "right" are the *subject's* as in ARKit, so
`right_eye` is on the left of the picture.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

GROUPS: dict[str, int] = {
    "jaw": 17,
    "right_brow": 5,
    "left_brow": 5,
    "nose_bridge": 4,
    "nose_base": 5,
    "right_eye": 6,
    "left_eye": 6,
    "lips_outer": 12,
    "lips_inner": 8,
}
"""Group name to number of points, in iBUG order (0-16 jaw ... 60-67 inner lips)."""

POINTS = sum(GROUPS.values())
FORMAT = "avatarchatbot-rig/1"


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """Feature points of one picture.

    `points` float32 `[68, 2]` (x, y) pixels; `irises` float32 `[2, 3]` (x, y, radius) right then left;
    `crown` float32 `[2]`; `confidence` float32 `[68]` 0..1; `size` (width, height) of the picture;
    `source` says who found the points (``haar``, ``mediapipe``, ``edited``, ``drawn``).
    """

    size: tuple[int, int]
    points: NDArray[np.float32]
    irises: NDArray[np.float32]
    crown: NDArray[np.float32]
    confidence: NDArray[np.float32]
    source: str

    def group(self, name: str) -> NDArray[np.float32]:
        """The points of one group, float32 `[n, 2]`."""
        start = 0
        for key, count in GROUPS.items():
            if key == name:
                return self.points[start : start + count]
            start += count
        raise KeyError(name)

    @property
    def eye_distance(self) -> float:
        """Distance between the centres of the eyes, in pixels: the unit of every facial measure here."""
        return float(np.linalg.norm(self.group("right_eye").mean(0) - self.group("left_eye").mean(0)))

    def to_json(self) -> str:
        """The rig as a JSON document people can edit."""
        document = {
            "format": FORMAT,
            "size": list(self.size),
            "source": self.source,
            "points": {name: np.round(self.group(name).astype(float), 2).tolist() for name in GROUPS},
            "irises": np.round(self.irises.astype(float), 2).tolist(),
            "crown": np.round(self.crown.astype(float), 2).tolist(),
            "confidence": np.round(self.confidence.astype(float), 3).tolist(),
        }
        return json.dumps(document, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Rig:
        """Read a rig; raises ValueError that names the field when it is not one."""
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"not a rig: 'format' must be '{FORMAT}'")
        try:
            groups = [_array(document["points"][name], (count, 2), name) for name, count in GROUPS.items()]
            width, height = (int(v) for v in document["size"])
            return cls(
                size=(width, height),
                points=np.concatenate(groups),
                irises=_array(document["irises"], (2, 3), "irises"),
                crown=_array(document["crown"], (2,), "crown"),
                confidence=_array(document.get("confidence", [1.0] * POINTS), (POINTS,), "confidence"),
                source=str(document.get("source", "edited")),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the rig lacks {error}") from error

    @classmethod
    def load(cls, path: Path) -> Rig:
        """Read a rig file."""
        return cls.from_json(path.read_text(encoding="utf-8"))


def _array(value: object, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
    array = np.asarray(value, dtype=np.float32)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"'{name}' must be finite numbers of shape {list(shape)}, not {list(array.shape)}")
    return array
