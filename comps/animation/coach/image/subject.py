"""find_subject: the face of a picture that shall speak, looked at again where the first sighting is doubtful."""

from __future__ import annotations

from dataclasses import dataclass

from comps.animation.coach.image.occlusion import eyes_seen
from comps.animation.coach.image.sighting import Sighting, even, look, look_turned
from comps.animation.coach.image.view import FaceView, Picture, view


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
        return Subject(sighting, first)
    # Ruffles and leaves make faces too: one that lies on its side, with open eyes, is more likely.
    other = look_turned(evened)
    if other.faces:
        second = view(picture, evened, other.faces[0])
        if eyes_seen(second):
            return Subject(other, second)
    return Subject(sighting, first)
