"""find_subject: the face of a picture that shall speak, looked at again where the first sighting is doubtful."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from comps.animation.coach.image.framing import room
from comps.animation.coach.image.mesh_search import MeshSearch, face_of
from comps.animation.coach.image.occlusion import mouth_clarity
from comps.animation.coach.image.reading import open_eyes
from comps.animation.coach.image.sighting import Sighting, even, look, look_turned, look_upside_down
from comps.animation.coach.image.view import FaceView, Picture, mesh_view, view
from comps.animation.engines.portrait.rig.faces import Face, find_more
from comps.animation.engines.portrait.rig.mesh import FaceMesh, FindMeshes

_CLEAR = 0.5
"""Clarity of a mouth from which the face is taken for upright without another look."""


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
    return _right_way_up(subject, lambda: _upside_down_mesh(picture, evened, search))


def _of_meshes(picture: Picture, evened: Picture, meshes: tuple[FaceMesh, ...], *, turned: bool) -> Subject:
    ordered = sorted(meshes, key=lambda mesh: -mesh.eye_distance)
    sighting = Sighting(tuple(face_of(mesh) for mesh in ordered), turned=turned)
    return Subject(sighting, mesh_view(picture, evened, ordered[0]))


def _upside_down_mesh(picture: Picture, evened: Picture, search: MeshSearch) -> Subject | None:
    meshes = search.near(look_upside_down(evened).faces)
    return _of_meshes(picture, evened, meshes, turned=True) if meshes else None


def _by_eye(picture: Picture, evened: Picture) -> Subject:
    """The subject as the cascades find it."""
    sighting = look(evened)
    if not sighting.faces:
        return Subject(sighting, None)
    first = _of_faces(picture, evened, sighting)
    if sighting.turned:
        return first
    if not _eyes(first):
        # Ruffles and leaves make faces too: one that lies on its side, with open eyes, is more likely.
        other = _of_faces(picture, evened, look_turned(evened))
        if _eyes(other):
            return other
    return _right_way_up(first, lambda: _of_faces(picture, evened, look_upside_down(evened)))


def _of_faces(picture: Picture, evened: Picture, sighting: Sighting) -> Subject:
    faces: tuple[Face, ...] = sighting.faces
    return Subject(sighting, view(picture, evened, faces[0]) if faces else None)


def _eyes(subject: Subject) -> int:
    return 0 if subject.view is None else open_eyes(subject.view)


def _right_way_up(seen: Subject, look_again: Callable[[], Subject | None]) -> Subject:
    """`seen`, or the face upside down that was taken for an upright one, its brows for a mouth.

    `look_again` finds it; that is done only where something is wrong with `seen`: no mouth shows, or the face runs out
    of the picture.
    """
    upright = seen.view
    if upright is None or (room(upright) >= 0 and mouth_clarity(upright) >= _CLEAR):
        return seen
    other = look_again()
    turned = None if other is None else other.view
    if other is None or turned is None:
        return seen
    sure = [one.face.score + mouth_clarity(one) for one in (upright, turned)]
    better = room(turned) >= 0 and open_eyes(turned) > 0 and sure[1] > sure[0]
    return other if better else seen
