"""Does a mouth move when, and only when, its sound is speech? Measured on pixels between the lips of a known face.

The head moves a little all the time, so each frame is first laid over the first one by its nose (phase correlation);
then the motion of the mouth is the mean change of its pixels from frame to frame, and the opening is their mean
distance from the mouth at rest.
"""

from __future__ import annotations

import cv2
import numpy as np

from comps.animation.engines.portrait.rig.rig import Rig
from tests.acceptance.media import FPS, Clip, Floats, envelope

_QUIET = 0.05
"""Share of the loudest level below which there is no speech."""
_MARGIN = round(0.24 * FPS)
"""Frames around speech in which lips may already, or still, move (lips open before the sound and close after it)."""
_WINDOW = round(0.6 * FPS)
"""In each window of this many frames of speech the lips must move. A consonant held on does not take as long."""
_LIVELY = 4.0
"""Speech moves the mouth at least this many times as much as the head's own motion does in pauses."""
_STILL = 1.6
"""Grey levels a mouth's pixels may change per frame in pauses, mean over a pause: noise of the encoder."""


def mouth_motion(frames: np.ndarray, rig: Rig) -> tuple[Floats, Floats]:
    """Motion and opening of each frame, in grey levels."""
    scale = frames.shape[2] / rig.size[0]
    nose = _box(np.concatenate([rig.group("nose_bridge"), rig.group("nose_base")]) * scale, 10, 10)
    lips = _box(rig.group("lips_outer") * scale, 4, 12)
    mouths = np.array([_laid_over(frame, frames[0], nose, lips) for frame in frames])
    motion = np.abs(np.diff(mouths, axis=0, prepend=mouths[:1])).mean((1, 2))
    return motion, np.abs(mouths - mouths[0]).mean((1, 2))


def _box(points: Floats, aside: int, below: int) -> tuple[slice, slice]:
    left, top = (points.min(0) - aside).astype(int)
    right, bottom = (points.max(0) + np.array([aside, below])).astype(int)
    return slice(top, bottom), slice(left, right)


def _laid_over(frame: np.ndarray, first: np.ndarray, nose: tuple[slice, slice], part: tuple[slice, slice]) -> Floats:
    """The `part` of `frame` as it is when its nose is where that of the first frame is."""
    one, other = first[nose].astype(np.float32), frame[nose].astype(np.float32)
    window = cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(one, other, window)
    rows, columns = part
    size = (columns.stop - columns.start, rows.stop - rows.start)
    centre = ((columns.start + columns.stop - 1) / 2 + x, (rows.start + rows.stop - 1) / 2 + y)
    return cv2.getRectSubPix(frame, size, centre, patchType=cv2.CV_32F).astype(np.float32)


def speech_and_pauses(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Frames surely in speech, and frames surely not, as booleans; those in between belong to neither."""
    level = np.resize(envelope(clip.sound, clip.rate), len(clip.frames))
    level[len(envelope(clip.sound, clip.rate)) :] = 0
    loud = level > _QUIET * level.max()
    kernel = np.ones((1, 2 * _MARGIN + 1), np.uint8)
    # short closures inside words are speech; its edges are neither
    row = loud[None].astype(np.uint8)
    speech = cv2.morphologyEx(row, cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_REPLICATE)[0] > 0
    near = cv2.dilate(row, kernel)[0] > 0
    return speech, ~near


def faults(clip: Clip, rig: Rig) -> list[str]:
    """What is wrong with the lips of `clip`; nothing when they move with its speech and rest without."""
    motion, opening = mouth_motion(clip.frames, rig)
    speech, pauses = speech_and_pauses(clip)
    assert speech.sum() >= FPS
    assert pauses.sum() >= FPS // 2, "this sound has no pauses to judge by"
    found = []
    still = float(motion[pauses].mean())
    if still > _STILL:
        found.append(f"moves in pauses: {still:.2f} grey levels per frame")
    if motion[speech].mean() < _LIVELY * max(still, 0.25):
        found.append(f"hardly moves in speech: {motion[speech].mean():.2f} against {still:.2f} in pauses")
    if idle := _idle_windows(motion, speech, still):
        found.append(f"rests while there is speech, from frames {idle}")
    if opening[speech].mean() < 2 * opening[pauses].mean():
        found.append(f"is as open in pauses ({opening[pauses].mean():.1f}) as in speech ({opening[speech].mean():.1f})")
    return found


def _idle_windows(motion: Floats, speech: np.ndarray, still: float) -> list[int]:
    starts = range(0, len(motion) - _WINDOW + 1)
    return [k for k in starts if speech[k : k + _WINDOW].all() and motion[k : k + _WINDOW].max() < 2 * max(still, 0.25)]
