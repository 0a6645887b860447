"""Cuts the person out of a portrait: iterated graph cuts seeded by the rig, then a guided filter for the hair.

GrabCut is Rother, Kolmogorov and Blake (2004), the filter He, Sun and Tang (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.rig import Rig

Bytes = NDArray[np.uint8]
Plane = NDArray[np.float32]

WORK_SIDE = 320
"""Longer side, in pixels, at which the cut is made: about 0.5 s; its edge is refined at full size."""
_CUTS = 4
_SMALLEST_HOLE = 0.01  # of the picture: what is smaller is an earring or a gap of the cut, not background
_EDGE = 1e-3  # variance of grey, 0..1, that the guided filter takes for an edge
_UNSURE = 0.05  # of alpha: below this there is background alone, above its complement the person alone


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """`alpha` float32 `[h, w]` 0..1, the share of each pixel that is the person; `colour` their own, uint8 `[h, w, 3]`.

    `colour` differs from the picture where hair lets the background through. `distinct` 0..1: how far the colours of
    person and background differ; below about 0.9 the cut is a guess.
    """

    alpha: Plane
    colour: Bytes
    distinct: float


def cut_out(picture: Bytes, rig: Rig) -> Person:
    """The person in `picture` (uint8 `[h, w, 3]` RGB), whose face has the points of `rig`. Blocks, 0.5 to 1.5 s."""
    height, width = picture.shape[:2]
    scale = min(1.0, WORK_SIDE / max(height, width))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    solid = _solid(_cut(small, _seeds(rig, scale, small.shape[:2])), rig, scale)
    enlarged = cv2.resize(solid, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    alpha = _along_edges(picture, enlarged, radius=max(2, round(2.5 / scale)))
    return Person(alpha, _own_colour(picture, alpha, reach=max(3, round(5 / scale))), _distinct(small, solid))


def _seeds(rig: Rig, scale: float, shape: tuple[int, int]) -> Bytes:
    """What each pixel probably is, in GrabCut's labels: face and throat are sure, so is the wall beside the head."""
    height, _ = shape
    jaw, crown = rig.group("jaw") * scale, rig.crown * scale
    chin = jaw[8]
    middle, breadth = float(jaw[[0, 16], 0].mean()), float(np.linalg.norm(jaw[0] - jaw[16]))
    tall = float(np.linalg.norm(chin - crown))
    seeds = np.full(shape, cv2.GC_PR_BGD, np.uint8)
    head = ((middle, float(crown[1] + chin[1]) / 2), (1.9 * breadth, 1.25 * tall), 0.0)
    cv2.ellipse(seeds, head, int(cv2.GC_PR_FGD), -1)
    shoulder = float(chin[1]) + 0.9 * breadth
    body = [(0.4, float(chin[1])), (1.5, shoulder), (1.7, height + 5.0)]
    outline = [(middle + side * x * breadth, y) for side, row in ((1, body), (-1, body[::-1])) for x, y in row]
    cv2.fillPoly(seeds, [np.array(outline, np.int32)], int(cv2.GC_PR_FGD))
    brows = np.vstack([rig.group("right_brow"), rig.group("left_brow")]) * scale
    cv2.fillConvexPoly(seeds, cv2.convexHull(np.vstack([jaw, brows]).astype(np.int32)), int(cv2.GC_FGD))
    throat = np.array([(middle - 0.2 * breadth, chin[1]), (middle + 0.2 * breadth, chin[1] + 0.5 * breadth)], np.int32)
    cv2.rectangle(seeds, tuple(map(int, throat[0])), tuple(map(int, throat[1])), int(cv2.GC_FGD), -1)
    _mark_wall(seeds, round(float(crown[1]) - 0.3 * tall), round(float(chin[1])))
    return seeds


def _mark_wall(seeds: Bytes, above: int, beside: int) -> None:
    """Rows over the hair and narrow strips beside the head are background for sure."""
    border = max(2, round(0.015 * seeds.shape[1]))
    seeds[: max(above, 1)] = cv2.GC_BGD
    seeds[: max(beside, 1), :border] = cv2.GC_BGD
    seeds[: max(beside, 1), -border:] = cv2.GC_BGD


def _cut(small: Bytes, seeds: Bytes) -> Plane:
    """The person as 0 or 1, float32 `[h, w]`."""
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)  # the colour models start at random; per thread, so that the same picture gives the same cut
    cv2.grabCut(small, seeds, (0, 0, 1, 1), *models, _CUTS, cv2.GC_INIT_WITH_MASK)
    person: Plane = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return person


def _solid(person: Plane, rig: Rig, scale: float) -> Plane:
    """One piece without holes: what hangs together with the face, small gaps filled, single pixels smoothed away."""
    binary = person.astype(np.uint8)
    _, pieces = cv2.connectedComponents(binary)
    x, y = (rig.points.mean(0) * scale).astype(int)
    binary = (pieces == pieces[y, x]).astype(np.uint8)
    count, holes, sizes, _ = cv2.connectedComponentsWithStats(1 - binary)
    for hole in range(1, count):
        if sizes[hole, cv2.CC_STAT_AREA] < _SMALLEST_HOLE * binary.size:
            binary[holes == hole] = 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for step in (cv2.MORPH_OPEN, cv2.MORPH_CLOSE):
        binary = cv2.morphologyEx(binary, step, brush).astype(np.uint8)
    return binary.astype(np.float32)


def _along_edges(picture: Bytes, mask: Plane, radius: int) -> Plane:
    """`mask`, its edge moved to the nearest edge of the picture and made as soft as that is."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255

    def mean(plane: NDArray[np.floating]) -> Plane:
        return cv2.boxFilter(plane, -1, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)

    mean_grey, mean_mask = mean(grey), mean(mask)
    slope = (mean(grey * mask) - mean_grey * mean_mask) / (mean(grey * grey) - mean_grey**2 + _EDGE)
    level = mean_mask - slope * mean_grey
    soft = mean(slope) * grey + mean(level)
    # The outermost tenth is the wall's light on the person more often than the person.
    return np.clip((soft - 0.15) / 0.75, 0, 1).astype(np.float32)


def _own_colour(picture: Bytes, alpha: Plane, reach: int) -> Bytes:
    """The person's colour at the edge, from the pixels near it that show nothing else."""
    sure = (alpha > 1 - _UNSURE).astype(np.float32)
    size = (2 * reach + 1, 2 * reach + 1)
    weight = cv2.boxFilter(sure, -1, size)
    near = cv2.boxFilter(picture.astype(np.float32) * sure[..., None], -1, size) / np.maximum(weight, 1e-6)[..., None]
    mixed = (weight > 1e-3) & (alpha <= 1 - _UNSURE)
    keep = np.where(mixed, alpha, 1.0)[..., None]
    colour: Bytes = np.clip(picture * keep + near * (1 - keep), 0, 255).astype(np.uint8)
    return colour


def _distinct(small: Bytes, solid: Plane) -> float:
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.uint8)
    person, wall = (_colours(lab, mask) for mask in (solid > 0, solid == 0))
    return float(1 - np.minimum(person, wall).sum())


def _colours(lab: Bytes, mask: NDArray[np.bool_]) -> Plane:
    """Share of the pixels in `mask` that have each of 4096 colours."""
    counts = cv2.calcHist([lab], [0, 1, 2], mask.astype(np.uint8), [16, 16, 16], [0, 256, 80, 176, 80, 176])
    return (counts / max(float(counts.sum()), 1.0)).astype(np.float32)
