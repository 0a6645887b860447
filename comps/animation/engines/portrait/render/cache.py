"""FaceCache: prepared faces by content, so that the same portrait is never prepared twice in a row."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comps.animation.direction.backdrop import Backdrop
from comps.animation.engines.portrait.backdrop.paint import with_backdrop
from comps.animation.engines.portrait.render.face import Face, prepare
from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.errors import FaceError
from comps.core.media.image import decode_image

_OWN = Backdrop()
MOST_PIXELS = 64_000_000
"""Larger pictures are refused; uploads have a smaller limit of their own."""


class FaceCache:
    """Keeps the last `size` faces used. Threads that want the same face at once wait for one preparation."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._faces: OrderedDict[str, Future[Face]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._faces)

    def get(self, image: Path, rig: Path, size: int, backdrop: Backdrop = _OWN) -> Face:
        """The face in `image` by the points in `rig` (found in the picture when there is no such file), `size` pixels long,
        before `backdrop`.

        Blocks. Raises FaceError when the rig is broken or the picture shows no face.
        """
        picture = image.read_bytes()
        points = rig.read_bytes() if rig.is_file() else b""
        key = hashlib.sha256(f"{size} {backdrop} {len(points)} ".encode() + points + picture).hexdigest()
        with self._lock:
            known = self._faces.get(key)
            if known is None:
                own: Future[Face] = Future()
                self._faces[key] = own
            self._faces.move_to_end(key)
            while len(self._faces) > self._size:
                self._faces.popitem(last=False)
        return known.result() if known is not None else self._prepare(key, own, (picture, points, size, backdrop))

    def _prepare(self, key: str, own: Future[Face], what: tuple[bytes, bytes, int, Backdrop]) -> Face:
        try:
            own.set_result(_prepare(*what))
        except BaseException as error:  # noqa: BLE001 - a task boundary: handed to every thread that waits for this face
            own.set_exception(error)
            with self._lock:
                self._faces.pop(key, None)
        return own.result()


def _prepare(image: bytes, points: bytes, size: int, backdrop: Backdrop) -> Face:
    picture = decode_image(image, max_pixels=MOST_PIXELS)
    if not points:
        return _before(picture, find_rig(picture), size, backdrop)
    try:
        rig = Rig.from_json(points.decode())
    except ValueError as error:
        raise FaceError(f"the rig of this avatar cannot be read: {error}") from error
    if rig.size != (picture.shape[1], picture.shape[0]):
        raise FaceError(f"the rig is of a picture of {rig.size[0]}x{rig.size[1]}, not of this one: make it anew")
    try:
        with np.errstate(divide="raise", invalid="raise"):
            return _before(picture, rig, size, backdrop)
    except (ValueError, FloatingPointError) as error:  # points that are finite and in place may still make no face
        raise FaceError("the points of this avatar make no face that can be drawn: adjust them") from error


def _before(picture: NDArray[np.uint8], rig: Rig, size: int, backdrop: Backdrop) -> Face:
    return prepare(with_backdrop(picture, rig, backdrop), rig, size)
