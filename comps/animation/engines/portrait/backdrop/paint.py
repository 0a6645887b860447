"""Puts another backdrop behind the person of a portrait."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.direction.backdrop import COLOURS, Backdrop
from comps.animation.engines.portrait.backdrop.person import Person, cut_out
from comps.animation.engines.portrait.rig.rig import Rig

Bytes = NDArray[np.uint8]

LEAST_DISTINCT = 0.9
"""Below this the person cannot be told from what is behind: a wall would show where the cut went wrong."""
_BLUR = 0.03  # of the longer side: standard deviation of the picture's own background out of focus


def with_backdrop(picture: Bytes, rig: Rig, backdrop: Backdrop) -> Bytes:
    """`picture` (uint8 `[h, w, 3]` RGB) with `backdrop` behind its person; itself where that is the picture's own.

    Where the person cannot be told from the background, a wall or a studio becomes the picture's own background out
    of focus, which forgives a wrong edge. Blocks, about a second.
    """
    if backdrop.kind == "own":
        return picture
    person = cut_out(picture, rig)
    if backdrop.kind == "blurred" or person.distinct < LEAST_DISTINCT:
        return _before(person, _out_of_focus(picture, person))
    wall = _plain(picture.shape[:2], backdrop.colour)
    return _before(person, _lit(wall, rig) if backdrop.kind == "studio" else wall)


def _before(person: Person, ground: NDArray[np.float32]) -> Bytes:
    share = person.alpha[..., None]
    mixed: Bytes = np.clip(person.colour * share + ground * (1 - share) + 0.5, 0, 255).astype(np.uint8)
    return mixed


def _out_of_focus(picture: Bytes, person: Person) -> NDArray[np.float32]:
    """The background blurred by itself, so that the person leaves no glow in it."""
    sigma = _BLUR * max(picture.shape[:2])
    scale = min(1.0, 6 / sigma)  # what is this blurred has no detail to lose

    def blurred(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        small = cv2.resize(plane, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), sigma * scale, borderType=cv2.BORDER_REPLICATE)
        return cv2.resize(soft, (plane.shape[1], plane.shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)

    behind = np.where(person.alpha < 0.02, np.float32(1), np.float32(1e-4))
    soft = blurred(picture.astype(np.float32) * behind[..., None]) / blurred(behind)[..., None]
    return soft.astype(np.float32)


def _plain(shape: tuple[int, int], colour: str) -> NDArray[np.float32]:
    wall = np.empty((*shape, 3), np.float32)
    wall[:] = COLOURS[colour]
    return wall


def _lit(wall: NDArray[np.float32], rig: Rig) -> NDArray[np.float32]:
    """A lamp on the wall behind the head, and corners that fall off; a little noise, or the ramp shows as bands."""
    height, width = wall.shape[:2]
    x, y = rig.points.mean(0)
    reach = 0.75 * max(height, width)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    away = np.hypot(columns - x, rows - y) / reach
    light = (0.70 + 0.38 * np.exp(-2.2 * away**2)).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.7, (height, width)).astype(np.float32)
    lit: NDArray[np.float32] = wall * light[..., None] + noise[..., None]
    return lit
