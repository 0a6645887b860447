"""find_subject: the face of a picture that shall speak, looked at again where the first sighting is doubtful."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from comps.animation.coach.image.framing import room
from comps.animation.coach.image.mesh_search import MeshSearch, face_of
from comps.animation.coach.image.occlusion import mouth_clarity
from comps.animation.coach.image.reading import open_eyes
from comps.animation.coach.image.sighting import (
    Sighting,
    even,
    look,
    look_other_way_up,
    look_turned,
    without_shading_near,
)
from comps.animation.coach.image.view import FaceView, Picture, mesh_view, view
from comps.animation.engines.portrait.rig.faces import Face, find_more
from comps.animation.engines.portrait.rig.mesh import FaceMesh, FindMeshes
from comps.animation.engines.portrait.rig.subject import CLEARLY_LARGER

_CLEAR = 0.5
"""Clarity of a mouth from which the face is taken for the right way up without another look."""
_TINY = 0.05
"""Eye distance over the picture's longer side below which a face may be no more than a pattern: half of that of a portrait."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Every face that was seen, and the `view` of the largest; None without any."""

    sighting: Sighting
    view: FaceView | None


def find_subject(picture: Picture, find_meshes: FindMeshes | None = None) -> Subject:
    """The face in `picture`, uint8 `[h, w, 3]` RGB; with `find_meshes` by its landmarks, if it has any."""
    evened = even(picture)
    seen = None if find_meshes is None else _by_meshes(picture, evened, MeshSearch(evened, find_meshes))
    return seen or _by_eye(picture, evened)


def _by_meshes(picture: Picture, evened: Picture, search: MeshSearch) -> Subject | None:
    """The subject by its mesh, or None when no face has one."""
    meshes, turned = search.whole(), False
    if meshes:
        known = [face_of(mesh) for mesh in meshes]
        # The search of the whole picture is blind to small faces; what the cascades see counts if it has a mesh too.
        meshes += search.near(find_more(cv2.cvtColor(evened, cv2.COLOR_RGB2GRAY).astype(np.uint8), known))
    else:
        sighting = look(evened)
        meshes, turned = search.near(sighting.faces), sighting.turned
    if not meshes:
        return None
    subject = _of_meshes(picture, evened, meshes, turned=turned)
    return _right_way_up(subject, lambda face: _other_mesh(picture, evened, search, face))


def _of_meshes(picture: Picture, evened: Picture, meshes: tuple[FaceMesh, ...], *, turned: bool) -> Subject:
    ordered = sorted(meshes, key=lambda mesh: -mesh.eye_distance)
    sighting = Sighting(tuple(face_of(mesh) for mesh in ordered), turned=turned)
    return Subject(sighting, mesh_view(picture, evened, ordered[0]))


def _other_mesh(picture: Picture, evened: Picture, search: MeshSearch, face: Face) -> Subject | None:
    meshes = search.near(look_other_way_up(evened, face).faces)
    return _of_meshes(picture, evened, meshes, turned=True) if meshes else None


def _by_eye(picture: Picture, evened: Picture) -> Subject:
    """The subject as the cascades find it."""
    sighting = look(evened)
    if not sighting.faces:
        return Subject(sighting, None)

    def right_way_up(seen: Subject) -> Subject:
        return _right_way_up(seen, lambda face: _of_faces(picture, evened, look_other_way_up(evened, face)))

    first = _unshaded(picture, evened, _of_faces(picture, evened, sighting))
    if not sighting.turned and (_eyes(first) < 2 or _is_tiny(first)):
        # Ruffles and leaves make faces too: one that lies on its side, with open eyes, is more likely.
        other = right_way_up(_of_faces(picture, evened, look_turned(evened)))
        if _is_likelier(other, first):
            return other
    return right_way_up(first)


def _of_faces(picture: Picture, evened: Picture, sighting: Sighting) -> Subject:
    faces: tuple[Face, ...] = sighting.faces
    return Subject(sighting, view(picture, evened, faces[0]) if faces else None)


def _unshaded(picture: Picture, evened: Picture, first: Subject) -> Subject:
    """`first`, or, where an eye of it lies in shadow, the same face by the pair that is found without that."""
    if _eyes(first) == 2 or first.sighting.turned or first.view is None:
        return first
    face = first.view.face
    found = without_shading_near(evened, face)
    if found is None:
        return first
    seen = view(picture, evened, found)
    if mouth_clarity(seen) < _CLEAR or open_eyes(seen) < open_eyes(first.view):
        return first
    return Subject(replace(first.sighting, faces=(found, *first.sighting.faces[1:])), seen)


def _eyes(subject: Subject) -> int:
    return 0 if subject.view is None else open_eyes(subject.view)


def _is_tiny(subject: Subject) -> bool:
    seen = subject.view
    return seen is not None and seen.face.eye_distance < _TINY * max(seen.picture.shape)


def _is_likelier(other: Subject, first: Subject) -> bool:
    """Whether the face of `other`, which lies, is the real one rather than that of `first`."""
    if not _eyes(first):
        return _eyes(other) > 0
    if not _clearly_larger(other, first):
        return False
    if _eyes(other) > _eyes(first):
        return True
    return _eyes(other) == 2 and other.view is not None and mouth_clarity(other.view) >= _CLEAR and _is_tiny(first)


def _clearly_larger(other: Subject, first: Subject) -> bool:
    """Whether the face of `first` would not count beside that of `other`; one of about its size is the same face, seen in
    another way, and `first` is right with one eye hidden."""
    if other.view is None or first.view is None:
        return False
    return other.view.face.eye_distance >= CLEARLY_LARGER * first.view.face.eye_distance


def _right_way_up(seen: Subject, look_again: Callable[[Face], Subject | None]) -> Subject:
    """`seen`, or the face upside down that was taken for an upright one, its brows for a mouth.

    `look_again` finds what stands on its head as the given face is seen; that is done only where something is wrong with
    `seen`: no mouth shows, or the face runs out of the picture.
    """
    upright = seen.view
    if upright is None or (room(upright) >= 0 and mouth_clarity(upright) >= _CLEAR):
        return seen
    other = look_again(upright.face)
    turned = None if other is None else other.view
    if other is None or turned is None:
        return seen
    sure = [one.face.score + mouth_clarity(one) for one in (upright, turned)]
    better = room(turned) >= 0 and open_eyes(turned) > 0 and sure[1] > sure[0]
    # A mesh is laid into anything that was taken for a face, and is always as sure: its mouth alone tells.
    told = turned.mesh is None or mouth_clarity(turned) >= _CLEAR
    return other if better and told else seen
