"""Faults put into good portraits on purpose: the labelled pictures the image rules are measured against.

Every function takes and returns RGB uint8 `[h, w, 3]`. A rig says where the face is that is spoilt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.engines.portrait.render.face import prepare
from comps.animation.engines.portrait.render.renderer import Renderer
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.portrait.rig.shape import MEAN, Pose
from tests.animation.faces import pose

Picture = NDArray[np.uint8]


@lru_cache(maxsize=2)
def presenter(name: str) -> tuple[Picture, Rig]:
    """A shipped presenter and its rig."""
    picture = cv2.imread(str(PRESENTERS / name / "portrait.png"))
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), Rig.load(PRESENTERS / name / "rig.json")


def png(picture: Picture) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def jpeg(picture: Picture, quality: int) -> bytes:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def recoded(picture: Picture, quality: int) -> Picture:
    """Saved as a JPEG and read again."""
    decoded = cv2.imdecode(np.frombuffer(jpeg(picture, quality), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8)


def gain(picture: Picture, factor: float) -> Picture:
    """Brightness times `factor`, as a wrong exposure has it."""
    return np.clip(picture.astype(np.float32) * factor + 0.5, 0, 255).astype(np.uint8)


def flat(picture: Picture, share: float) -> Picture:
    """Only `share` of the contrast left, around the mean."""
    mean = float(picture.mean())
    return np.clip(mean + (picture - mean) * share + 0.5, 0, 255).astype(np.uint8)


def shaded(picture: Picture, rig: Rig, factor: float) -> Picture:
    """The darker half of the face in a shadow that leaves `factor` of the light."""
    middle, unit = float(rig.points[27:31, 0].mean()), rig.eye_distance
    right, left = (
        float(picture[int(y), int(x)].mean()) for x, y in (rig.points[[2, 48]].mean(0), rig.points[[14, 54]].mean(0))
    )
    across = np.clip((np.arange(picture.shape[1]) - middle) / (0.2 * unit) + 0.5, 0, 1)
    light = 1 - (1 - factor) * (across if left <= right else 1 - across)
    return np.clip(picture * light[None, :, None] + 0.5, 0, 255).astype(np.uint8)


def blurred(picture: Picture, sigma: float) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8)


def moved(picture: Picture, length: int) -> Picture:
    """Blurred as by a camera that moves sideways by `length` pixels."""
    return cv2.blur(picture, (length, 1)).astype(np.uint8)


def turned(picture: Picture, degrees: float) -> Picture:
    """Rotated about its middle; positive leans to the viewer's right."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def scaled(picture: Picture, side: int) -> Picture:
    """The longer side made `side` pixels."""
    factor = side / max(picture.shape[:2])
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=kind).astype(np.uint8)


def distant(picture: Picture, share: float) -> Picture:
    """The whole picture made `share` of its size, in the middle of one as large as before."""
    height, width = picture.shape[:2]
    small = scaled(picture, round(max(height, width) * share))
    up, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    rest = height - small.shape[0] - up, width - small.shape[1] - left
    return cv2.copyMakeBorder(small, up, rest[0], left, rest[1], cv2.BORDER_REPLICATE).astype(np.uint8)


def cut_below(picture: Picture, rig: Rig) -> Picture:
    """Cut off just under the lower lip."""
    return np.ascontiguousarray(picture[: int(rig.points[57, 1] + 0.15 * rig.eye_distance)])


def cut_above(picture: Picture, rig: Rig) -> Picture:
    """Cut off between eyes and brows."""
    return np.ascontiguousarray(picture[int(rig.points[36:48, 1].min() - 0.15 * rig.eye_distance) :])


def cut_aside(picture: Picture, rig: Rig) -> Picture:
    """Cut off at the outer corner of the eye on the picture's right."""
    return np.ascontiguousarray(picture[:, : int(rig.points[45, 0])])


def beside(one: Picture, other: Picture) -> Picture:
    """Two pictures in one, side by side."""
    height = max(one.shape[0], other.shape[0])
    filled = [cv2.copyMakeBorder(part, 0, height - part.shape[0], 0, 0, cv2.BORDER_REPLICATE) for part in (one, other)]
    return np.hstack(filled).astype(np.uint8)


def acted(picture: Picture, rig: Rig, head: tuple[float, ...] = (0,) * 6, **weights: float) -> Picture:
    """The face drawn in another expression, or turned, by the portrait engine; `head` in degrees (`FaceMotion.head`)."""
    return acting(picture, rig)(head, **weights)


def acting(picture: Picture, rig: Rig) -> Callable[..., Picture]:
    """`acted` of one face, for several expressions: preparing it takes ten times as long as drawing it."""
    renderer = Renderer(prepare(picture, rig, max(picture.shape[:2])))

    def act(head: tuple[float, ...] = (0,) * 6, **weights: float) -> Picture:
        drawn = renderer.render(pose(head, **weights))[0]
        return cv2.cvtColor(drawn, cv2.COLOR_YUV2RGB_I420).astype(np.uint8)

    return act


def looking(
    picture: Picture, rig: Rig, yaw: float = 0.0, pitch: float = 0.0, held: tuple[float, float] = (0.0, 0.0)
) -> Picture:
    """The head turned in three dimensions by degrees, as `Pose` counts them.

    A mesh of the rig's points at the depths that the mean face has there, the back of the head around them, and the frame,
    which stays.

    Args:
        picture: what is drawn anew.
        rig: where its face is.
        yaw: turn to the viewer's right.
        pitch: nod downwards.
        held: turn (yaw) and lean (roll) in which the head is held in `picture`: its depths depend on them.
    """
    before, after = _turn(held[0], 0.0, held[1]), _turn(held[0] + yaw, pitch, held[1])
    unit = rig.eye_distance / float(np.cos(np.radians(held[0])))
    eyes = (rig.group("right_eye").mean(0) + rig.group("left_eye").mean(0)) / 2
    own = np.concatenate([rig.points, rig.irises[:, :2], rig.crown[None]]).astype(float)
    around = np.radians(np.arange(-120, 121, 20))
    back = np.column_stack([2.0 * np.sin(around), 0.2 - 2.2 * np.cos(around), np.full(len(around), 1.3)]) @ before.T
    solid = np.vstack([np.column_stack([(own - eyes) / unit, (MEAN @ before.T)[:, 2]]), back])
    # About the middle of the head, which lies behind the eyes.
    middle = before @ [0, 0, 0.6]
    moved_to = (solid - middle) @ (after @ before.T).T + middle
    height, width = picture.shape[:2]
    still = np.array([[x, y] for x in (0, width / 2, width - 1) for y in (0, height - 1)], float)
    source = np.vstack([own, back[:, :2] * unit + eyes, still])
    target = np.vstack([moved_to[:, :2] * unit + eyes, still])
    return _mesh(picture, source, target, np.concatenate([moved_to[:, 2], np.full(len(still), 9.0)]))


def _turn(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The rotation `[3, 3]` of a head by degrees, as `Pose` counts them."""
    angles = [float(angle) for angle in np.radians([yaw, pitch, roll])]
    across, down = Pose(1.0, *angles, (0.0, 0.0)).project(np.eye(3)).T
    return np.stack([across, down, np.cross(across, down)])


def _mesh(
    picture: Picture, source: NDArray[np.float64], target: NDArray[np.float64], depth: NDArray[np.float64]
) -> Picture:
    """Every triangle between the `source` points drawn where its corners went, the far ones first."""
    height, width = picture.shape[:2]
    plane = cv2.Subdiv2D((-4 * width, -4 * height, 9 * width, 9 * height))
    for x, y in source:
        plane.insert((float(x), float(y)))
    corners = plane.getTriangleList().reshape(-1, 3, 2)
    gaps = np.linalg.norm(corners[:, :, None] - source[None, None], axis=-1)
    numbers = gaps.argmin(-1)[gaps.min(-1).max(-1) < 0.5]
    drawn = picture.copy()
    for triangle in sorted(numbers, key=lambda t: -depth[t].mean()):
        matrix = cv2.getAffineTransform(source[triangle].astype(np.float32), target[triangle].astype(np.float32))
        low = np.clip(np.floor(target[triangle].min(0)).astype(int) - 1, 0, [width - 1, height - 1])
        high = np.clip(np.ceil(target[triangle].max(0)).astype(int) + 2, 1, [width, height])
        if (high <= low).any():
            continue
        matrix[:, 2] -= low
        part = cv2.warpAffine(picture, matrix, tuple(high - low), borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.round((target[triangle] - low) * 16).astype(np.int32), 255, cv2.LINE_8, 4)
        drawn[low[1] : high[1], low[0] : high[0]][mask > 0] = part[mask > 0]
    return drawn


def sunglasses(picture: Picture, rig: Rig) -> Picture:
    """Dark glasses over both eyes."""
    worn, unit = picture.copy(), rig.eye_distance
    eyes = [rig.group(name).mean(0) for name in ("right_eye", "left_eye")]
    for eye in eyes:
        cv2.ellipse(worn, _pixel(eye), (int(0.38 * unit), int(0.3 * unit)), 0, 0, 360, (24, 22, 22), -1, cv2.LINE_AA)
    cv2.line(worn, _pixel(eyes[0]), _pixel(eyes[1]), (24, 22, 22), max(2, int(0.06 * unit)), cv2.LINE_AA)
    return worn


def masked(picture: Picture, rig: Rig, colour: tuple[int, int, int] = (150, 190, 205)) -> Picture:
    """A mask over nose, mouth and chin."""
    worn = picture.copy()
    outline = np.concatenate([rig.points[2:15], rig.points[29:30]])
    cv2.fillPoly(worn, [np.round(outline).astype(np.int32)], colour, cv2.LINE_AA)
    return worn


def _pixel(point: NDArray[np.float32]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
