"""A speaking face as a mesh with all 68 targets, made from a picture and its rig."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.export.face_parts import eyeball, inside
from comps.animation.audio2face.export.mesh import Mesh, Points, join
from comps.animation.audio2face.export.skin_mesh import eye_outlines, skin
from comps.animation.audio2face.export.turns import EYE_DISTANCE_M
from comps.animation.audio2face.names import ALL_SHAPES
from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.render import framing
from comps.animation.engines.portrait.render.anatomy import measure
from comps.animation.engines.portrait.render.head import NECK, depth_at
from comps.animation.engines.portrait.render.shapes import JAW_DROP
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.media.image import decode_image

_SIZE = 512
"""Longer side of the picture that the mesh takes its colours from."""
_LOWER_TEETH, _BEHIND_CHIN = 0.13, 0.10
"""Where lower teeth end below the line between the lips, and how far behind the chin they stay, in units."""
_FACE = "ada"
"""The presenter whose face is used where none is given."""


def face_mesh(picture: NDArray[np.uint8], rig: Rig) -> Mesh:
    """The face in a picture (uint8 `[h, w, 3]` RGB) in metres from the joint its head leans about.

    Targets have the names of the wire and follow NVIDIA's MouthClose, so streamed weights move them as they are.
    """
    window = framing.choose(rig, _SIZE)
    anatomy = measure(rig, window)
    eyes = eye_outlines(anatomy)
    places = np.stack([*(eye.middle for eye in eyes), (0.0, 0.0), (0.0, JAW_DROP + _LOWER_TEETH)])
    *eye_depths, lips, chin = depth_at(anatomy, places).tolist()
    parts = [skin(anatomy, window.cut(picture)), *map(eyeball, eyes, eye_depths)]
    parts += inside(min(anatomy.half_widths), lips, lips - chin + _BEHIND_CHIN)
    spelled = {name: name if name.startswith("Tongue") and name != "TongueOut" else _arkit(name) for name in ALL_SHAPES}
    whole = join(parts, tuple(spelled.values()))
    targets = {name: _metres(whole.target(arkit)) for name, arkit in spelled.items()}
    targets["MouthClose"] = targets["MouthClose"] + targets["JawOpen"]
    positions = _metres(whole.positions - (0.0, NECK, 0.0))
    return Mesh(positions, whole.colours, whole.triangles, targets)


@lru_cache(maxsize=1)
def own_face() -> Mesh:
    """The face of the first presenter; about half a second the first time."""
    folder = PRESENTERS / _FACE
    picture = decode_image((folder / "portrait.png").read_bytes(), max_pixels=64_000_000)
    return face_mesh(picture, Rig.load(folder / "rig.json"))


def _arkit(name: str) -> str:
    return name[0].lower() + name[1:]


def _metres(points: Points) -> Points:
    """From face axes (units, y down) to metres, y up."""
    return np.asarray(points * (1, -1, 1) * EYE_DISTANCE_M)
