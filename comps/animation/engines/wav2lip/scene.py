"""Scene: an avatar made ready to be drawn at one size: its frames, and where the face is in each."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engine import Avatar
from comps.animation.engines.portrait.render.framing import MOST_UPSCALING, choose, face_unit
from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.wav2lip.boxes import (
    Boxes,
    FloatBoxes,
    Pads,
    checked,
    filled,
    padded,
    scaled,
    smoothed,
    smoothed_as_original,
    tracked,
)
from comps.animation.engines.wav2lip.picture import Face, Picture
from comps.animation.faces.face import FaceDetector
from comps.animation.footage import Footage, there_and_back
from comps.core.errors import FaceError
from comps.core.media.image import decode_image

logger = logging.getLogger(__name__)

MOST_PIXELS = 64_000_000
"""Larger pictures are refused; uploads have a smaller limit of their own."""
DETECTED_AT_ONCE = 16
"""Frames of a video searched for faces together."""
SHUT = 0.08
"""Height of the gap between the lips, as a share of the mouth's width, up to which a mouth is shut."""
FOREHEAD, CHIN = 0.9, 0.08
"""How far the box of a face reaches above the eyes and below the chin, in eye distances."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """How faces are boxed.

    `box` (top, bottom, left, right), in pixels of the avatar, replaces looking for them; `smooth` one of ``centred``,
    ``original``, ``none``; `static` uses only the first frame of a video; `loop` is ``there-and-back`` or ``repeat``,
    how a video shorter than the speech goes on; `size` is the longer side of the result.
    """

    size: int
    pads: Pads = field(default_factory=Pads)
    box: tuple[int, int, int, int] | None = None
    smooth: str = "centred"
    static: bool = False
    loop: str = "there-and-back"


@dataclass(frozen=True, eq=False)
class Scene:
    """Frames of `width` x `height` pixels, and a box for each.

    Args:
        boxes: int64 `[n, 4]`, x1 y1 x2 y2 in these frames.
        picture: the only frame, RGB uint8 `[h, w, 3]`; None for a film.
        film: its file; None for a picture.
        fps: of the film.
        rests: whether the picture's own mouth is shut, so that it can be shown in silence.
        lost: numbers of the frames in which no face was found and the box is that of their neighbours.
        loop: as in `SceneOptions`.
    """

    width: int
    height: int
    boxes: Boxes
    picture: Picture | None = None
    film: Path | None = None
    fps: int = 25
    rests: bool = False
    lost: frozenset[int] = frozenset()
    loop: str = "there-and-back"
    faces: dict[int, Face] = field(default_factory=dict)
    """What whoever draws it remembers of each frame."""

    def __len__(self) -> int:
        return len(self.boxes)

    def index(self, frame: int, fps: int) -> int:
        """Which of its frames is shown as frame number `frame` of a video of `fps`."""
        position = int(frame * self.fps / fps)
        return position % len(self) if self.loop == "repeat" else there_and_back(position, len(self))


class SceneReader:
    """Shows the frames of a scene, for one answer. `picture` blocks; to be closed."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._footage: Footage | None = None
        self._reading = threading.Lock()
        self._closed = False

    def picture(self, index: int) -> Picture:
        """A frame, RGB uint8 `[h, w, 3]`, not to be changed; raises RuntimeError once the reader was closed."""
        scene = self._scene
        if scene.picture is not None:
            return scene.picture
        with self._reading:
            try:
                return self._shown(index)
            finally:
                if self._closed:
                    self._drop()

    def close(self) -> None:
        """Close the film, without waiting: a thread that is just reading it does so when it has read."""
        self._closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._reading.release()

    def _shown(self, index: int) -> Picture:
        scene = self._scene
        if self._closed or scene.film is None:
            raise RuntimeError("this scene is not being shown any more")
        if self._footage is None:
            self._footage = Footage(scene.film)
        return resized(self._footage.frame(index), (scene.width, scene.height))

    def _drop(self) -> None:
        footage, self._footage = self._footage, None
        if footage is not None:
            footage.close()


def make_scene(avatar: Avatar, options: SceneOptions, detector: FaceDetector, rigs: bool = True) -> Scene:
    """Prepare an avatar; blocks, for a film about 20 ms a frame.

    Args:
        avatar: a picture, or a film beside it.
        options: how.
        detector: finds the face in each frame of a film, and in pictures when not `rigs`.
        rigs: take a picture's face from the avatar's points.

    Raises:
        FaceError: no face is found in any frame, or the box holds none.
        UnprocessableError: the film or the picture is damaged.
    """
    if avatar.video is not None and not options.static:
        return _moving(avatar.video, options, detector)
    return _still(avatar, options, detector, rigs)


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """`picture` at `size` (width, height)."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    way = cv2.INTER_AREA if picture.shape[1] > size[0] else cv2.INTER_CUBIC
    return cv2.resize(picture, size, interpolation=way).astype(np.uint8)


def rig_box(rig: Rig) -> FloatBoxes:
    """The box `[4]` of a face by its points: forehead to chin, cheek to cheek, as face detectors draw it."""
    unit = face_unit(rig)
    eyes = (rig.group("right_eye").mean(0) + rig.group("left_eye").mean(0)) / 2
    jaw = rig.group("jaw")
    top, bottom = eyes[1] - FOREHEAD * unit, jaw[:, 1].max() + CHIN * unit
    return np.array([jaw[:, 0].min(), top, jaw[:, 0].max(), bottom], np.float64)


def mouth_is_shut(rig: Rig) -> bool:
    """Whether the lips of a picture touch."""
    lips = rig.group("lips_inner")
    gap = np.linalg.norm(lips[[1, 2, 3]] - lips[[7, 6, 5]], axis=1).mean()
    return bool(gap <= SHUT * np.linalg.norm(lips[0] - lips[4]))


def _still(avatar: Avatar, options: SceneOptions, detector: FaceDetector, rigs: bool) -> Scene:
    picture = decode_image(avatar.image.read_bytes(), max_pixels=MOST_PIXELS)
    rig = _rig(avatar, picture)
    framing = choose(rig, options.size)
    if options.box is not None:
        box = _given(options.box)
    elif rigs:
        box = rig_box(rig)
    else:
        box = filled(tracked(_boxes_in(detector, iter([picture]))))[0][0]
    size = (framing.width, framing.height)
    placed = scaled(box[None], framing.scale, (framing.left, framing.top))
    boxes = checked(padded(placed, _no_pads(options), size))
    return Scene(*size, boxes, picture=framing.cut(picture), rests=mouth_is_shut(rig))


def _rig(avatar: Avatar, picture: Picture) -> Rig:
    if not avatar.rig.is_file():
        return find_rig(picture)
    try:
        rig = Rig.load(avatar.rig)
    except ValueError as error:
        raise FaceError(f"the rig of this avatar cannot be read: {error}") from error
    if rig.size != (picture.shape[1], picture.shape[0]):
        raise FaceError(f"the rig is of a picture of {rig.size[0]}x{rig.size[1]}, not of this one: make it anew")
    return rig


def _moving(film: Path, options: SceneOptions, detector: FaceDetector) -> Scene:
    with Footage(film) as footage:
        width, height = footage.size
        scale = min(options.size / max(width, height), MOST_UPSCALING)
        size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
        if options.box is not None:
            found, lost = np.repeat(_given(options.box)[None], len(footage), axis=0), frozenset[int]()
        else:
            found, lost = _found(film, footage, detector)
        fps = footage.fps
    if lost:
        logger.warning(
            "no face in %d of %d frames of a video avatar: their neighbours' are used", len(lost), len(found)
        )
    stretch = np.array([size[0] / width, size[1] / height] * 2)
    smooth: Callable[[Boxes], Boxes] = {"centred": smoothed, "original": smoothed_as_original}.get(
        options.smooth, lambda boxes: boxes
    )
    boxes = checked(smooth(padded(found * stretch, _no_pads(options), size)))
    return Scene(*size, boxes, film=film, fps=fps, lost=lost, loop=options.loop)


def _no_pads(options: SceneOptions) -> Pads:
    """A box that is given is taken as it is."""
    return options.pads if options.box is None else Pads(bottom=0)


def _given(box: tuple[int, int, int, int]) -> FloatBoxes:
    top, bottom, left, right = box
    return np.array([left, top, right, bottom], np.float64)


def _found(film: Path, footage: Footage, detector: FaceDetector) -> tuple[FloatBoxes, frozenset[int]]:
    """A box for each frame in the film's own pixels, and which frames had none; remembered beside the film."""
    notes = film.with_name(f"faces-{type(detector).__name__.lower()}.json")
    boxes = _remembered(notes, len(footage))
    if boxes is None:
        pictures = (footage.frame(index) for index in range(len(footage)))
        boxes = tracked(_boxes_in(detector, pictures))
        _remember(notes, boxes)
    return filled(boxes)


def _boxes_in(detector: FaceDetector, pictures: Iterator[Picture]) -> Iterator[list[FloatBoxes]]:
    while batch := list(islice(pictures, DETECTED_AT_ONCE)):
        for faces in detector.detect(batch):
            yield [face.box.astype(np.float64) for face in faces]


def _remembered(notes: Path, frames: int) -> list[NDArray[np.float64] | None] | None:
    try:
        boxes = json.loads(notes.read_text(encoding="utf-8"))
        found = [None if box is None else np.array(box, np.float64).reshape(4) for box in boxes]
    except (OSError, ValueError, TypeError):
        return None
    return found if len(found) == frames else None


def _remember(notes: Path, boxes: list[NDArray[np.float64] | None]) -> None:
    text = json.dumps([None if box is None else np.round(box, 2).tolist() for box in boxes])
    try:
        notes.write_text(text, encoding="utf-8")
    except OSError as error:  # a folder that cannot be written: it is looked for again next time
        logger.info("the faces of a video avatar are not kept: %s", error)
