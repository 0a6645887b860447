"""repair_image: a new picture in which what can be mended is: upright, cropped to the face, lit as a face should be."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.avatar_folder import encode_png
from comps.animation.coach.image import exposure, framing, rules
from comps.animation.coach.image.check import MAX_PIXELS
from comps.animation.coach.image.header import USUAL_FORMATS, read_header
from comps.animation.coach.image.reading import read_face
from comps.animation.coach.image.subject import Subject, find_subject
from comps.animation.coach.image.upscaler import Upscale
from comps.animation.coach.image.view import FaceView, Picture
from comps.animation.engines.portrait.rig.faces import reduced
from comps.animation.engines.portrait.rig.mesh import FindMeshes
from comps.animation.engines.portrait.rig.subject import CLEARLY_LARGER
from comps.core.errors import AvatarError
from comps.core.media.image import decode_image

_log = logging.getLogger(__name__)

MIDDLE = 118.0
"""Mean brightness, of 255, that a face too dark or too bright is brought to."""
SPAN = 150.0
"""Levels of brightness that a flat face is stretched to."""
SIDE = 6.2
"""Side of the crop in eye distances: head and shoulders."""
EYE_LEVEL = 0.42
"""Height of the eyes in the crop, as a share of its side."""


@dataclass(frozen=True, slots=True)
class RepairedImage:
    """`data`, a PNG or, where nothing was done, the file as it came; `steps`, a sentence on each change, in order."""

    data: bytes
    steps: tuple[str, ...]


def repair_image(
    data: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    upscale: Upscale | None = None,
    find_meshes: FindMeshes | None = None,
) -> RepairedImage:
    """Mend the picture in `data`; its bytes are never changed, a new file is returned.

    A picture without a face, or one that cannot be read, comes back as it is. Without `upscale` nothing is enlarged:
    plain interpolation adds pixels, but no detail. With `find_meshes` the face is found by its landmarks, as in the check.
    Blocks; raises nothing on account of the picture.
    """
    try:
        picture = decode_image(data, max_pixels=max_pixels)
    except AvatarError:
        return RepairedImage(data, ())
    steps = list(_as_stored(data))
    for mend in (_upright, _cropped, _lit):
        subject = find_subject(picture, find_meshes)
        if subject.view is not None:
            picture, done = mend(subject, subject.view)
            steps += done
    picture, done = _enlarged(picture, upscale)
    steps += done
    return RepairedImage(encode_png(picture), tuple(steps)) if steps else RepairedImage(data, ())


TURNED_PIXELS = 12_000_000
"""Most of a picture that was turned, which grows by its corners: a larger one is made smaller, no video shows more."""
Step = tuple[Picture, tuple[str, ...]]


def _as_stored(data: bytes) -> tuple[str, ...]:
    """What writing the decoded picture as a PNG changes by itself."""
    header = read_header(data)
    if header is None or (header.format in USUAL_FORMATS and (not header.animated or header.format == "MPO")):
        return ()
    return (f"stored as PNG instead of {header.format}",)


def _upright(_: Subject, view: FaceView) -> Step:
    roll = read_face(view).pose.roll
    if rules.FACE_LEANING.passes(abs(roll)):
        return view.picture, ()
    quarter = 90.0 * round(roll / 90)
    # A picture on its side is set upright and no more: how the head is held in it is the person's own.
    angle = quarter if rules.FACE_LEANING.passes(abs(roll - quarter)) else roll
    return _turned(view.picture, angle), (f"turned by {-angle:.0f} degrees",)


def _turned(picture: Picture, degrees: float) -> Picture:
    """`picture` rotated counter-clockwise; the corners that open are filled with its own border."""
    quarter = round(degrees / 90)
    if abs(degrees - 90 * quarter) < 3:
        return np.ascontiguousarray(np.rot90(picture, quarter))
    sin, cos = np.abs((np.sin(np.radians(degrees)), np.cos(np.radians(degrees))))
    height, width = picture.shape[:2]
    opened = (height * sin + width * cos) * (height * cos + width * sin)
    if opened > TURNED_PIXELS:
        scale = float(np.sqrt(TURNED_PIXELS / opened))
        picture = reduced(picture, scale)
        height, width = picture.shape[:2]
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), np.float64)
    size = int(height * sin + width * cos), int(height * cos + width * sin)
    matrix[:, 2] += (np.array(size) - (width, height)) / 2
    turned = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _cropped(subject: Subject, view: FaceView) -> Step:
    """Head and shoulders, where the face is small in its picture or another one is in it."""
    picture = view.picture
    others = subject.sighting.faces[1:]
    largest = subject.sighting.faces[0].eye_distance
    if others and largest < CLEARLY_LARGER * others[0].eye_distance:
        return picture, ()  # which of two alike is meant, only a person can tell
    if not others and rules.FACE_FAR.passes(framing.face_share(view)):
        return picture, ()
    left, top, right, bottom = _window(view)
    if right - left >= picture.shape[1] and bottom - top >= picture.shape[0]:
        return picture, ()
    crop = np.ascontiguousarray(picture[top:bottom, left:right])
    return crop, (
        f"cropped to the face: {right - left} x {bottom - top} of {picture.shape[1]} x {picture.shape[0]} pixels",
    )


def _window(view: FaceView) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of head and shoulders inside the picture."""
    height, width = view.picture.shape[:2]
    side = SIDE * view.face.eye_distance * max(1.0, 0.92 * view.mouth[1])
    side = max(side, rules.SMALL.least or 0.0)  # what is cropped further would be called small for it
    wide, tall = min(width, round(side)), min(height, round(side))
    x, y = view.face.centre
    left = int(np.clip(x - wide / 2, 0, width - wide))
    top = int(np.clip(y - EYE_LEVEL * tall, 0, height - tall))
    return left, top, left + wide, top + tall


def _lit(_: Subject, view: FaceView) -> Step:
    """Contrast stretched and brightness brought to the middle, where the face breaks those rules."""
    levels = view.luma[view.area]
    curve, done = np.arange(256, dtype=np.float64), []
    mean, span = exposure.luminance(levels), exposure.contrast(levels)
    exposed = rules.FACE_DARK.passes(mean) and rules.FACE_BRIGHT.passes(mean)
    if exposed and not rules.FACE_FLAT.passes(span):
        curve = np.clip(MIDDLE + (curve - mean) * SPAN / max(span, 8.0), 0, 255)
        done.append(f"contrast stretched {SPAN / max(span, 8.0):.1f} times")
    elif not exposed:
        curve = _gamma(levels)
        done.append(
            f"{'brightened' if mean < MIDDLE else 'darkened'}: the mean of the face goes from {mean:.0f} to {MIDDLE:.0f}"
        )
    if not done:
        return view.picture, ()
    return np.asarray(cv2.LUT(view.picture, np.round(curve).astype(np.uint8)), np.uint8), tuple(done)


def _gamma(levels: NDArray[np.float32]) -> NDArray[np.float64]:
    """The power curve, black and white kept, that brings the mean of `levels` to `MIDDLE`."""
    low, high = 0.1, 8.0
    for _ in range(20):
        gamma = float(np.sqrt(low * high))
        too_bright = float((255 * (levels / 255.0) ** gamma).mean()) > MIDDLE
        low, high = (gamma, high) if too_bright else (low, gamma)
    return np.asarray(255 * (np.arange(256) / 255.0) ** gamma)


def _enlarged(picture: Picture, upscale: Upscale | None) -> Step:
    least = rules.SMALL.least or 0.0
    shorter = min(picture.shape[:2])
    if upscale is None or shorter >= least:
        return picture, ()
    try:
        large = np.asarray(upscale(picture, least / shorter))
    except Exception:  # noqa: BLE001 - the boundary to code of others: the rest of the mending is kept
        _log.exception("the upscaler failed")
        return picture, ()
    if large.dtype != np.uint8 or large.ndim != 3 or large.shape[2] != 3 or min(large.shape[:2]) < shorter:
        _log.error("the upscaler returned %s %s of %s", large.dtype, large.shape, picture.shape)
        return picture, ()
    return large, (
        f"enlarged from {picture.shape[1]} x {picture.shape[0]} to {large.shape[1]} x {large.shape[0]} pixels",
    )
