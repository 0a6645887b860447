"""find_subject: the face of a picture that shall speak, looked at again where the first sighting is doubtful."""

from __future__ import annotations

from dataclasses import dataclass

from comps.animation.coach.image.framing import room
from comps.animation.coach.image.occlusion import eyes_seen, mouth_clarity
from comps.animation.coach.image.sighting import Sighting, even, look, look_turned, look_upside_down
from comps.animation.coach.image.view import FaceView, Picture, view

_CLEAR = 0.5
"""Clarity of a mouth from which the face is taken for upright without another look."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Every face that was seen, and the `view` of the largest; None without any."""

    sighting: Sighting
    view: FaceView | None


def find_subject(picture: Picture) -> Subject:
    """The face in `picture`, uint8 `[h, w, 3]` RGB."""
    evened = even(picture)
    sighting = look(evened)
    if not sighting.faces:
        return Subject(sighting, None)
    first = view(picture, evened, sighting.faces[0])
    if sighting.turned or eyes_seen(first):
        return Subject(sighting, first) if sighting.turned else _right_way_up(picture, evened, Subject(sighting, first))
    # Ruffles and leaves make faces too: one that lies on its side, with open eyes, is more likely.
    other = look_turned(evened)
    if other.faces:
        second = view(picture, evened, other.faces[0])
        if eyes_seen(second):
            return Subject(other, second)
    return _right_way_up(picture, evened, Subject(sighting, first))


def _right_way_up(picture: Picture, evened: Picture, seen: Subject) -> Subject:
    """`seen`, or the face upside down that was taken for an upright one, its brows for a mouth.

    It is looked for only where something is wrong with `seen`: no mouth shows, or the face runs out of the picture.
    """
    upright = seen.view
    if upright is None or (room(upright) >= 0 and mouth_clarity(upright) >= _CLEAR):
        return seen
    other = look_upside_down(evened)
    if not other.faces:
        return seen
    turned = view(picture, evened, other.faces[0])
    sure = [one.face.score + mouth_clarity(one) for one in (upright, turned)]
    better = room(turned) >= 0 and eyes_seen(turned) > 0 and sure[1] > sure[0]
    return Subject(other, turned) if better else seen
