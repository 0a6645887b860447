"""Renderer: one face prepared once, then drawn for any motion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render import framing
from comps.animation.engines.portrait.render.anatomy import CURVE, Anatomy, measure
from comps.animation.engines.portrait.render.eyes import LEVELS, Lid, paint_lids
from comps.animation.engines.portrait.render.field import Field, build_field, invert
from comps.animation.engines.portrait.render.lips import LEAST_GAP, Edges, MouthPainter, Placement, meet
from comps.animation.engines.portrait.render.mouth import Mouth, draw_mouth
from comps.animation.engines.portrait.render.planes import Bytes, Planes, to_planes
from comps.animation.engines.portrait.render.shapes import JAW_DROP
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.motion.face_motion import ARKIT_INDEX, FaceMotion

Plane = NDArray[np.float32]

_NO_MAP = np.empty(0, np.float32)
"""OpenCV's second map, unused when the first holds both coordinates."""

SEAM_SPREAD = 0.7
"""How fast the fields of the two lips blend beyond the corners of the mouth: band width per distance from the corner."""
MOST_SPREAD = 0.34
"""Widest such band, in units."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Everything of one picture at one size that does not change from frame to frame."""

    anatomy: Anatomy
    planes: Planes
    field: Field
    mouth: Mouth
    lids: tuple[Lid, Lid]


def prepare(picture: Bytes, rig: Rig, size: int) -> Face:
    """Cut, measure and precompute; `picture` is uint8 `[h, w, 3]` RGB, `size` the video's longer side in pixels."""
    window = framing.choose(rig, size)
    anatomy = measure(rig, window)
    planes = to_planes(window.cut(picture))
    field = build_field(anatomy, (window.width, window.height))
    return Face(anatomy, planes, field, draw_mouth(anatomy, planes), paint_lids(anatomy, planes))


class Renderer:
    """Draws one face. Keeps scratch buffers, so one thread at a time may use it; `Face` may be shared."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._columns = np.array([ARKIT_INDEX[name] for name in face.field.names])
        self._painter = MouthPainter(face.mouth, face.anatomy.unit)
        self.height, self.width = face.planes.luma.shape
        self._mouth_box = self._choose_mouth_box()
        # The picture with its lids as they are in the frame being drawn.
        self._source = Planes(face.planes.luma.copy(), face.planes.chroma.copy())
        self._lid_levels = [0, 0]

    def render(self, motion: FaceMotion) -> Bytes:
        """Frames of `motion` as planar yuv420p, uint8 `[n, height * 3 // 2, width]`."""
        frames = np.empty((len(motion), self.height * 3 // 2, self.width), np.uint8)
        channels = self._channels(motion)
        field = self._face.field
        shape = (len(motion), *field.grid.shape, 2)
        upper = (channels @ field.upper).reshape(shape)
        lower = (channels @ field.lower).reshape(shape)
        edges = self._edges(channels)
        for k, frame in enumerate(frames):
            self._set_lids(motion.weights[k])
            self._frame(frame, upper[k], lower[k], edges[k], self._placement(motion, channels, k))
        return frames

    def _set_lids(self, weights: Plane) -> None:
        for side, name in enumerate(("eyeBlinkRight", "eyeBlinkLeft")):
            level = round(float(np.clip(weights[ARKIT_INDEX[name]], 0, 1)) * (LEVELS - 1))
            if level != self._lid_levels[side]:
                self._face.lids[side].put(self._source, level)
                self._lid_levels[side] = level

    def _channels(self, motion: FaceMotion) -> Plane:
        """Weights of the field's channels, `[n, K]`: shapes, head, iris travel in pixels."""
        anatomy = self._face.anatomy
        # An eyeball's radius is about 0.19 eye distances: the travel of its front for one degree of gaze.
        travel = motion.gaze * np.float32(np.pi / 180 * 0.19 * anatomy.unit) * np.array([1, -1], np.float32)
        return np.concatenate([motion.weights[:, self._columns], motion.head, travel], 1).astype(np.float32)

    def _edges(self, channels: Plane) -> list[Edges]:
        anatomy, field = self._face.anatomy, self._face.field
        shape = (len(channels), CURVE, 2)
        upper = anatomy.upper + (channels @ field.upper_curve).reshape(shape)
        lower = anatomy.lower + (channels @ field.lower_curve).reshape(shape)
        down = anatomy.down.astype(np.float32)
        return [meet(u, v, down) for u, v in zip(upper.astype(np.float32), lower.astype(np.float32), strict=True)]

    def _placement(self, motion: FaceMotion, channels: Plane, k: int) -> Placement:
        anatomy, field = self._face.anatomy, self._face.field
        head = slice(len(field.names), len(field.names) + 6)
        middle = 2 * (CURVE // 2)
        moved = channels[k, head] @ field.upper_curve[head, middle : middle + 2]
        roll = np.radians(float(motion.head[k, 2]))
        turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        axes = turn @ np.stack([anatomy.across, anatomy.down], 1) * anatomy.unit
        skull = np.column_stack([axes, anatomy.mouth + moved])
        jaw, tongue = skull.copy(), skull.copy()
        drop = JAW_DROP * 0.80 * float(motion.weights[k, ARKIT_INDEX["jawOpen"]])
        raised = 0.30 * float(motion.weights[k, ARKIT_INDEX["tongueOut"]])
        jaw[:, 2] += axes @ np.array([0, drop])
        tongue[:, 2] += axes @ np.array([0, 0.78 * drop + 0.02 - min(raised, 0.5 * drop + 0.04)])
        round_ = motion.weights[k, [ARKIT_INDEX["mouthPucker"], ARKIT_INDEX["mouthFunnel"]]].max()
        return Placement(skull, jaw, tongue, light=1 - 0.5 * float(round_))

    def _frame(self, frame: Bytes, upper: Plane, lower: Plane, edges: Edges, placement: Placement) -> None:
        face = self._face
        grid, nodes = face.field.grid, face.field.nodes
        above, below = invert(upper, grid, nodes), invert(lower, grid, nodes)
        share = self._below(nodes, edges, grid.stride)
        blended = above + share[..., None] * (below - above)
        where = grid.enlarge(blended, grid.stride)[: grid.height, : grid.width]
        colour_where = (grid.enlarge(blended, grid.stride // 2)[: grid.height // 2, : grid.width // 2] - 0.5) / 2
        self._cut_lips(where, colour_where, (above, below), edges)
        luma, chroma = self._source.luma.copy(), self._source.chroma.copy()
        top, left, bottom, right = grid.top, grid.left, grid.top + grid.height, grid.left + grid.width
        luma[top:bottom, left:right] = cv2.remap(self._source.luma, where, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        chroma[top // 2 : bottom // 2, left // 2 : right // 2] = cv2.remap(
            self._source.chroma, colour_where, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if edges.gap > LEAST_GAP:
            self._painter.paint((luma, chroma), edges, placement)
        Planes(luma, chroma).write(frame)

    def _choose_mouth_box(self) -> tuple[slice, slice]:
        """Rows and columns of nodes around everywhere the lips can be."""
        anatomy, grid = self._face.anatomy, self._face.field.grid
        wide = max(anatomy.half_widths) + 0.35
        corners = anatomy.place(np.array([(x, y) for x in (-wide, wide) for y in (-0.4, 0.75)]))
        low = np.clip(np.floor((corners.min(0) - (grid.left, grid.top)) / grid.stride), 0, None).astype(int)
        high = np.ceil((corners.max(0) - (grid.left, grid.top)) / grid.stride).astype(int)
        high = np.minimum(high, (grid.width // grid.stride, grid.height // grid.stride))
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def _cut_lips(self, where: Plane, colour_where: Plane, fields: tuple[Plane, Plane], edges: Edges) -> None:
        """Around the mouth, choose between the two fields pixel by pixel."""
        grid = self._face.field.grid
        rows, columns = self._mouth_box
        nodes = (slice(rows.start, rows.stop + 2), slice(columns.start, columns.stop + 2))
        for target, stride, half in ((where, grid.stride, False), (colour_where, grid.stride // 2, True)):
            above, below = (grid.enlarge(f[nodes], stride) for f in fields)
            y = (np.arange(above.shape[0]) + rows.start * stride).astype(np.float32)
            x = (np.arange(above.shape[1]) + columns.start * stride).astype(np.float32)
            if half:
                x, y = 2 * x + 0.5, 2 * y + 0.5
            pixels = np.stack(np.meshgrid(x + grid.left, y + grid.top), -1)
            share = self._below(pixels, edges, 1 + half)
            cut = above + share[..., None] * (below - above)
            into = (slice(rows.start * stride, rows.stop * stride), slice(columns.start * stride, columns.stop * stride))
            target[into] = (cut - 0.5) / 2 if half else cut

    def _below(self, pixels: Plane, edges: Edges, sharp: float) -> Plane:
        """How much of each of `pixels` `[h, w, 2]` belongs to the lower lip's field, 0..1; the step is `sharp` pixels wide."""
        anatomy = self._face.anatomy
        middle = (edges.upper + edges.lower) / 2
        x = pixels[0, :, 0]
        slope = float(anatomy.across[1] / anatomy.across[0])
        seam = np.interp(x, middle[:, 0], middle[:, 1])
        outside = np.maximum(middle[0, 0] - x, x - middle[-1, 0])
        seam = seam + np.where(outside > 0, outside * np.where(x > middle[0, 0], slope, -slope), 0)
        band = np.clip(outside * SEAM_SPREAD, sharp, MOST_SPREAD * anatomy.unit)
        return np.clip((pixels[..., 1] - seam) / band + 0.5, 0, 1).astype(np.float32)
