"""Renderer: draws one prepared face in any motion."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.render.anatomy import CURVE
from comps.animation.engines.portrait.render.eyes import LEVELS
from comps.animation.engines.portrait.render.face import Face
from comps.animation.engines.portrait.render.field import invert
from comps.animation.engines.portrait.render.grid import Box, enlarge
from comps.animation.engines.portrait.render.lips import LEAST_GAP, Edges, MouthPainter, Placement, meet
from comps.animation.engines.portrait.render.planes import Bytes, chroma_planes
from comps.animation.engines.portrait.render.seal import Seal, pressed
from comps.animation.engines.portrait.render.shapes import JAW_DROP, SEAL, SEAL_SHARES
from comps.animation.motion.face_motion import ARKIT_INDEX, FaceMotion

Plane = NDArray[np.float32]
Row = NDArray[np.floating]

_NO_MAP = np.empty(0, np.float32)
"""OpenCV's second map, unused when the first holds both coordinates."""

SEAM_SPREAD = 0.7
"""How fast the fields of the two lips blend beyond the corners of the mouth: band width per distance from the corner."""
MOST_SPREAD = 0.34
"""Widest such band, in units."""
HEAD_STEPS, MOUTH_STEPS = 2, 5
"""Steps of the search for the source of a pixel, everywhere and then around the mouth."""
MOUTH_BOX = (0.35, -0.34, 0.72)
"""Where the lips can be: beyond the corners, above and below the middle of the mouth, in units."""


class Renderer:
    """Draws one face. Keeps scratch buffers, so one thread at a time may use it; its `Face` may be shared."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._anatomy, self._field = face.anatomy, face.field
        self._grid = face.field.grid
        self._columns = np.array([ARKIT_INDEX[name] for name in self._field.names if name != SEAL])
        self._painter = MouthPainter(face.mouth, self._anatomy.unit)
        self.height, self.width = face.planes.luma.shape
        # The picture with its lids and folds as they are in the frame being drawn.
        self._source = face.source.copy()
        self._lid_levels = [0, 0]
        self._seal = Seal()
        chin = self._field.chin.box
        self._nodes = self._positions(self._grid.whole)
        self._chin_nodes = self._nodes[chin.rows, chin.columns]
        wide = max(self._anatomy.half_widths) + MOUTH_BOX[0]
        self._mouth_box = self._grid.box(self._anatomy, (-wide, MOUTH_BOX[1], wide, MOUTH_BOX[2]))
        self._still = np.empty((self.height * 3 // 2, self.width), np.uint8)
        face.planes.write(self._still)

    def _positions(self, box: Box) -> Plane:
        return self._grid.nodes(box).reshape(*box.shape, 2).astype(np.float32)

    def render(self, motion: FaceMotion) -> Bytes:
        """Frames of `motion` as planar yuv420p, uint8 `[n, height * 3 // 2, width]`."""
        frames = np.empty((len(motion), *self._still.shape), np.uint8)
        if not len(motion):
            return frames
        press = pressed(motion)
        if self._anatomy.gap > 0:
            press = np.maximum(press, self._seal.engage(motion))
        weights = np.concatenate([motion.weights[:, self._columns], press], 1)
        whole = self._field.turns.mix(np.concatenate([motion.head, self._travel(motion)], 1))
        face = self._field.face.box
        whole[:, face.rows, face.columns] += self._field.face.mix(weights)
        chin = self._field.chin.mix(weights)
        edges = self._edges(np.concatenate([weights, motion.head], 1))
        for k, frame in enumerate(frames):
            self._set_source(motion.weights[k])
            placement = self._placement(motion, k, float(press[k, 0]))
            self._frame(frame, (whole[k], chin[k]), edges[k], placement)
        return frames

    def skip(self, motion: FaceMotion) -> None:
        """Take note of frames that are not drawn, so that those after them look to the last bit as if they had been."""
        if len(motion) and self._anatomy.gap > 0:
            self._seal.engage(motion)
        for weights in motion.weights:
            self._set_source(weights)

    def _set_source(self, weights: Plane) -> None:
        """Give the picture the lids and folds of a frame with the ARKit `weights` `[52]`."""
        self._set_lids(weights)
        self._face.folds.deepen(self._face.source.luma, self._source.luma, weights)

    def _set_lids(self, weights: Plane) -> None:
        for side, name in enumerate(("eyeBlinkRight", "eyeBlinkLeft")):
            level = round(float(np.clip(weights[ARKIT_INDEX[name]], 0, 1)) * (LEVELS - 1))
            if level != self._lid_levels[side]:
                self._face.lids[side].put(self._source, level)
                self._lid_levels[side] = level

    def _travel(self, motion: FaceMotion) -> Plane:
        """Travel of the irises to the right and down in pixels, `[n, 2]`."""
        # The front of an eyeball, whose radius is about 0.19 eye distances; lids that close hide it and must not be dragged.
        per_degree = np.pi / 180 * 0.19 * self._anatomy.unit
        blink = motion.weights[:, [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]].max(1, keepdims=True)
        travel = motion.gaze * np.array([per_degree, -per_degree]) * (1 - blink)
        pixels: Plane = travel.astype(np.float32)
        return pixels

    def _edges(self, channels: Plane) -> list[Edges]:
        anatomy, field = self._anatomy, self._field
        shape = (len(channels), CURVE, 2)
        # Not `@`: a frame must not depend on how many others are drawn with it, not even in its last bit.
        moved = [np.einsum("nk,kp->np", channels, curve) for curve in (field.upper_curve, field.lower_curve)]
        upper = (anatomy.upper + moved[0].reshape(shape)).astype(np.float32)
        lower = (anatomy.lower + moved[1].reshape(shape)).astype(np.float32)
        down = anatomy.down.astype(np.float32)
        return [meet(upper[k], lower[k], down) for k in range(len(channels))]

    def _placement(self, motion: FaceMotion, k: int, press: float) -> Placement:
        anatomy = self._anatomy
        middle = slice(2 * (CURVE // 2), 2 * (CURVE // 2) + 2)
        moved = motion.head[k] @ self._field.upper_curve[-6:, middle]
        roll = np.radians(float(motion.head[k, 2]))
        turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        axes = turn @ np.stack([anatomy.across, anatomy.down], 1) * anatomy.unit
        skull, jaw = (np.column_stack([axes, edge[CURVE // 2] + moved]) for edge in (anatomy.upper, anatomy.lower))
        tongue = jaw.copy()
        weights = motion.weights[k]
        # A jaw that shuts an open mouth carries its teeth up with it.
        raise_ = SEAL_SHARES[1] * self._anatomy.gap * press
        drop = JAW_DROP * 0.80 * float(weights[ARKIT_INDEX["jawOpen"]]) - raise_
        raised = 0.30 * float(weights[ARKIT_INDEX["tongueOut"]])
        jaw[:, 2] += axes @ np.array([0, drop])
        tongue[:, 2] += axes @ np.array([0, 0.78 * drop + 0.02 - min(raised, 0.5 * max(drop, 0) + 0.04)])
        round_ = max(float(weights[ARKIT_INDEX["mouthPucker"]]), float(weights[ARKIT_INDEX["mouthFunnel"]]))
        return Placement(skull, jaw, tongue, light=1 - 0.72 * round_, press=press)

    def _drawn(self, edges: Edges) -> float:
        """How much of the inside is drawn: a mouth open in the picture shows its own until it opens further."""
        rest = self._anatomy.gap * self._anatomy.unit
        return 1.0 if not rest else float(np.clip((edges.gap / rest - 1.15) / 0.5, 0, 1))

    def _frame(self, frame: Bytes, moved: tuple[Plane, Plane], edges: Edges, placement: Placement) -> None:
        frame[:] = self._still
        above, below, share = self._sources(*moved, edges)
        chin = self._field.chin.box
        blended = above.copy()
        blended[chin.rows, chin.columns] += share[..., None] * (below - above[chin.rows, chin.columns])
        grid = self._grid
        where = enlarge(blended * np.float32(2), grid.stride)[: grid.height, : grid.width]
        colour = enlarge(_to_chroma(blended), grid.stride // 2)[: grid.height // 2, : grid.width // 2]
        self._cut_lips(where, colour, (above[chin.rows, chin.columns], below), edges)
        luma = frame[: self.height]
        box = (slice(grid.top, grid.top + grid.height), slice(grid.left, grid.left + grid.width))
        half = tuple(slice(part.start // 2, part.stop // 2) for part in box)
        luma[box] = cv2.remap(self._source.luma, where, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        tinted = cv2.remap(self._source.chroma, colour, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        planes = chroma_planes(frame, self.height, self.width)
        for plane, values in zip(planes, cv2.split(tinted), strict=True):
            plane[half] = values
        drawn = self._drawn(edges)
        if edges.gap > LEAST_GAP and drawn > 0:
            self._painter.paint((luma, planes), edges, placement, drawn)
        elif edges.gap <= LEAST_GAP and placement.press > 0:
            self._painter.press(luma, edges, placement.press)

    def _sources(self, whole: Plane, chin: Plane, edges: Edges) -> tuple[Plane, Plane, Plane]:
        """Sources of all nodes in the upper lip's field, of the chin's in the lower's, and the share of the latter."""
        stride, box = self._grid.stride, self._field.chin.box
        above = invert(whole, self._nodes, stride, self._nodes - whole, HEAD_STEPS)
        near = np.ascontiguousarray(whole[box.rows, box.columns])
        start = above[box.rows, box.columns]
        above[box.rows, box.columns] = invert(near, self._chin_nodes, stride, start, MOUTH_STEPS)
        below = invert(near + chin, self._chin_nodes, stride, start - chin, MOUTH_STEPS)
        return above, below, self._below(self._chin_nodes[0, :, 0], self._chin_nodes[:, 0, 1], edges, stride)

    def _cut_lips(self, where: Plane, colour: Plane, fields: tuple[Plane, Plane], edges: Edges) -> None:
        """Around the mouth, choose between the two fields pixel by pixel; `fields` are those of the chin's box."""
        grid, chin, mouth = self._grid, self._field.chin.box, self._mouth_box
        rows = slice(mouth.rows.start - chin.rows.start, mouth.rows.stop - chin.rows.start)
        columns = slice(mouth.columns.start - chin.columns.start, mouth.columns.stop - chin.columns.start)
        for target, stride in ((where, grid.stride), (colour, grid.stride // 2)):
            above, below = (enlarge(f[rows, columns], stride) for f in fields)
            step = grid.stride / stride
            top, left = mouth.rows.start * stride, mouth.columns.start * stride
            x = (np.arange(above.shape[1]) + left) * step + grid.left + (step - 1) / 2
            y = (np.arange(above.shape[0]) + top) * step + grid.top + (step - 1) / 2
            share = self._below(x, y, edges, step)
            cut = above + share[..., None] * (below - above)
            into = target[top : top + len(y), left : left + len(x)]
            into[:] = (cut * np.float32(2) if step == 1 else _to_chroma(cut))[: len(into), : into.shape[1]]

    def _below(self, x: Row, y: Row, edges: Edges, sharp: float) -> Plane:
        """How much of each place at columns `x` `[w]` and rows `y` `[h]` belongs to the lower lip's field, `[h, w]`, 0..1.

        The step from one to the other is `sharp` pixels wide between the corners of the mouth, wider beyond.
        """
        anatomy = self._anatomy
        middle = (edges.upper + edges.lower) / 2
        slope = float(anatomy.across[1] / anatomy.across[0])
        outside = np.maximum(middle[0, 0] - x, x - middle[-1, 0]).clip(0)
        seam = np.interp(x, middle[:, 0], middle[:, 1]) + outside * np.where(x > middle[0, 0], slope, -slope)
        band = np.clip(outside * SEAM_SPREAD, sharp, MOST_SPREAD * anatomy.unit)
        slope_of_share = (1 / band).astype(np.float32)
        share = y.astype(np.float32)[:, None] * slope_of_share + (0.5 - seam / band).astype(np.float32)
        clipped: Plane = np.clip(share, 0, 1, out=share)
        return clipped


def _to_chroma(luma: Plane) -> Plane:
    """Positions in the half-size colour planes of positions in the brightness plane: centres lie between two pixels."""
    halved: Plane = (luma - np.float32(0.5)) * np.float32(0.5)
    return halved
