"""Face: everything of one picture at one size that does not change from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

from comps.animation.engines.portrait.render import framing
from comps.animation.engines.portrait.render.anatomy import Anatomy, measure
from comps.animation.engines.portrait.render.eyes import Lid, paint_lids
from comps.animation.engines.portrait.render.field import Field, build_field
from comps.animation.engines.portrait.render.folds import Folds, shade_folds
from comps.animation.engines.portrait.render.mouth import Mouth, draw_mouth
from comps.animation.engines.portrait.render.planes import Bytes, Planes, Source, to_planes, to_source
from comps.animation.engines.portrait.rig.rig import Rig


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A prepared face: the shown picture as `planes`, and what is needed to move it. Read only, so threads may share it."""

    anatomy: Anatomy
    planes: Planes
    source: Source
    field: Field
    mouth: Mouth
    lids: tuple[Lid, Lid]
    folds: Folds


def prepare(picture: Bytes, rig: Rig, size: int) -> Face:
    """Cut, measure and precompute; `picture` is uint8 `[h, w, 3]` RGB, `size` the video's longer side in pixels."""
    window = framing.choose(rig, size)
    anatomy = measure(rig, window)
    planes = to_planes(window.cut(picture))
    return Face(
        anatomy=anatomy,
        planes=planes,
        source=to_source(planes),
        field=build_field(anatomy, (window.width, window.height)),
        mouth=draw_mouth(anatomy, planes),
        lids=paint_lids(anatomy, planes),
        folds=shade_folds(anatomy, planes),
    )
