"""Colours: those of one picture's skin, lips and eyes, and from them those of what the picture does not show."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy
from comps.animation.engines.portrait.render.planes import Planes

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Colours:
    """Brightness and the two colour differences (video levels) of the parts inside a mouth; `crease`, brightness alone, is
    the line between closed lips.
    """

    crease: float
    cavity: tuple[float, float, float]
    tongue: tuple[float, float, float]
    teeth: tuple[float, float, float]


def sample_colours(anatomy: Anatomy, planes: Planes) -> Colours:
    """Colours of the inside from those of the lips, the skin and the whites of the eyes."""
    lips = np.median(_inside(planes, anatomy.points[[*range(48, 55), *range(59, 54, -1)]]), axis=0)
    skin = sample_skin(anatomy, planes)
    eyes = np.vstack([_inside(planes, anatomy.points[i]) for i in (range(36, 42), range(42, 48))])
    white = float(np.percentile(eyes[:, 0], 88))
    red = lips[1:] - 128
    bright = float(np.clip(0.55 * white + 0.40 * skin[0] + 27, 70, 228))
    tint = 128 + np.array([0.72, 0.45]) * (skin[1:] - 128) + np.array([-1.0, 0.5])
    return Colours(
        crease=16 + 0.42 * (float(lips[0]) - 16),
        cavity=(17 + 0.075 * float(lips[0]), float(128 + 0.35 * red[0]), float(128 + 0.55 * red[1] + 2)),
        tongue=(16 + 0.62 * float(lips[0]), float(128 + 0.8 * red[0]), float(128 + 0.85 * red[1] + 5)),
        teeth=(bright, float(tint[0]), float(tint[1])),
    )


def sample_skin(anatomy: Anatomy, planes: Planes) -> Points:
    """The median colour `[3]` of both cheeks."""
    cheeks = np.vstack([_inside(planes, anatomy.points[i]) for i in ([2, 3, 31, 41], [14, 13, 35, 46])])
    result: Points = np.median(cheeks, axis=0)
    return result


def _inside(planes: Planes, polygon: Points) -> NDArray[np.float64]:
    """Colours `[n, 3]` of the picture inside a polygon of video points."""
    height, width = planes.chroma.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(polygon / 2).astype(np.int32)], (255,))
    # A feature of a few pixels may cover no whole pixel: its middle always counts.
    middle = np.clip(polygon.mean(0) / 2, 0, (width - 1, height - 1)).astype(int)
    mask[middle[1], middle[0]] = 255
    small = cv2.resize(planes.luma, (width, height), interpolation=cv2.INTER_AREA)
    chosen = mask > 0
    return np.column_stack([small[chosen], planes.chroma[chosen]]).astype(np.float64)
