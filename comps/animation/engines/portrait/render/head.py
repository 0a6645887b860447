"""Head: how a generic head surface moves the picture when it turns, seen from the front.

A head is an ellipsoid with a nose. Turning moves each point by its depth, so the nose travels and the
ears and the outline stay: parallax without tearing the background. Leaning and shifting move the
whole head, fading out around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import Anatomy

Points = NDArray[np.float64]

CENTRE = (0.0, -0.88)
"""Middle of the head in face axes (units from the middle of the mouth)."""
NECK = 1.15
"""Height of the joint the head leans about."""
WIDTH, DEPTH = 1.28, 0.95
"""Half width and depth of the ellipsoid, in units."""
ALONG = 0.22
"""Share of a turn that carries the whole head along, as a neck does."""
FADE = 0.85
"""Where, in head radii beyond the outline, the picture is still."""


def head_shapes(anatomy: Anatomy, points: Points) -> Points:
    """Displacement `[6, n, 2]` in face axes and units at video `points` `[n, 2]`.

    Rows: yaw, pitch, roll for one radian, then x, y, z for one unit (`FaceMotion.head`).
    """
    local = anatomy.local(points)
    x, y = local[:, 0], local[:, 1]
    still = np.zeros_like(x)
    depth, part = depth_at(anatomy, local), head_mask(anatomy, local)
    # FaceMotion's y and pitch grow upward, the picture's y downward.
    rows = (
        (depth + ALONG * part, still),
        (still, -(depth + ALONG * part)),
        (-(y - NECK) * part, x * part),
        (part, still),
        (still, -part),
        (x * part * 0.4, (y - CENTRE[1]) * part * 0.4),
    )
    return np.stack([np.stack(row, -1) for row in rows])


def depth_at(anatomy: Anatomy, local: Points) -> Points:
    """Depth toward the viewer, in units, of face points `[n, 2]`; 0 at the outline and beyond."""
    x, y = local[:, 0] - CENTRE[0], local[:, 1] - CENTRE[1]
    inside = np.clip(1 - (x / WIDTH) ** 2 - (y / _height(anatomy, y)) ** 2, 0, None)
    # The square root of an ellipsoid is infinitely steep at the outline; this is smooth there.
    round_ = np.sqrt(inside + 0.02) - np.sqrt(0.02) * np.exp(-inside * 20)
    nose = 0.32 * np.exp(-((local[:, 0] / 0.20) ** 2) - ((local[:, 1] + 0.40) / 0.26) ** 2)
    result: Points = DEPTH * np.clip(round_, 0, None) * np.minimum(1, inside * 12) + nose
    return result


def head_mask(anatomy: Anatomy, local: Points) -> Points:
    """1 on the head, falling smoothly to 0 around it, at face points `[n, 2]`."""
    x, y = local[:, 0] - CENTRE[0], local[:, 1] - CENTRE[1]
    radius = np.hypot(x / (WIDTH * 1.1), y / (_height(anatomy, y) * 1.05))
    fade = np.clip((radius - 1) / FADE, 0, 1)
    result: Points = 1 - fade * fade * (3 - 2 * fade)
    return result


def reach(anatomy: Anatomy) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of everything the head moves, in face axes."""
    up, down = (float(_height(anatomy, np.array([sign]))[0]) * 1.05 * (1 + FADE) for sign in (-1.0, 1.0))
    wide = WIDTH * 1.1 * (1 + FADE)
    return CENTRE[0] - wide, CENTRE[1] - up, CENTRE[0] + wide, CENTRE[1] + down


def _height(anatomy: Anatomy, y: Points) -> Points:
    """Half height of the ellipsoid: to the crown above, to just below the chin underneath."""
    crown = max(1.2, CENTRE[1] - float(anatomy.local(anatomy.crown)[1]) + 0.25)
    chin = max(1.2, float(anatomy.local(anatomy.points[8])[1]) - CENTRE[1] + 0.15)
    return np.where(y < 0, crown, chin)
