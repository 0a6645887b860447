"""The labelled set: one portrait with every fault planted in it, and clean ones, each with what must be found.

`benchmarks/coach_images.py` runs the same set over any folder of portraits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from comps.animation.engines.portrait.rig.rig import Rig
from tests.animation.coach import plants
from tests.animation.coach.plants import Picture, jpeg, png

TURNED = 35.0
"""Degrees from which a head that was turned on purpose must be told: some over the rule's bound."""
LOOKS = (
    *((turn, 0.0) for turn in (-20.0, -10.0, 10.0, 20.0)),
    *((0.0, nod) for nod in (-20.0, -15.0, -10.0, 10.0, 15.0, 20.0)),
    *((turn, nod) for turn in (-10.0, 10.0) for nod in (-15.0, 15.0)),
)
"""Turns and nods in degrees that are no fault; without landmarks nods have no value to be held to."""


@dataclass(frozen=True)
class Case:
    """A file; the codes of which at least one must be found (none: nothing worse than a hint may be), and planted values
    by the name under which they are measured."""

    name: str
    make: Callable[[], bytes]
    expected: frozenset[str] = frozenset()
    values: dict[str, float] = field(default_factory=dict)


def cases(picture: Picture, rig: Rig, other: tuple[Picture, Rig], measured: dict[str, float]) -> Iterator[Case]:
    """Every case of one portrait; `other` is another one and its rig, and `measured` what is measured of the clean portrait."""
    yield from clean(picture, measured)
    yield from spoilt_light(picture, rig, measured)
    yield from spoilt_detail(picture, rig)
    yield from spoilt_frame(picture, rig, other, measured)
    yield from spoilt_face(picture, rig, measured)
    yield from looks(picture, rig, measured)


def clean(picture: Picture, measured: dict[str, float]) -> Iterator[Case]:
    """Good pictures: what a user would send, and be content with."""
    least = max(640, round(520 * max(picture.shape[:2]) / min(picture.shape[:2])))
    smaller = plants.scaled(picture, min(least, max(picture.shape[:2])))
    size = {"width": float(smaller.shape[1]), "height": float(smaller.shape[0])}
    yield Case("as it is", lambda: png(picture), values=dict(measured))
    yield Case("mirrored", lambda: png(np.ascontiguousarray(picture[:, ::-1])))
    yield Case("JPEG 85", lambda: jpeg(picture, 85), values={"jpeg_quality": 85})
    yield Case("JPEG 50", lambda: jpeg(picture, 50), values={"jpeg_quality": 50})
    yield Case("smaller", lambda: png(smaller), values=size)
    yield Case(
        "a little darker", lambda: png(plants.gain(picture, 0.7)), values={"luminance": 0.7 * measured["luminance"]}
    )
    yield Case("paler", lambda: png(plants.flat(picture, 0.7)))
    roll = measured["roll"]
    for degrees in (-5, 8):
        if abs(roll + degrees) <= 18:
            yield Case(
                f"leans {degrees:+d}",
                lambda d=float(degrees): png(plants.turned(picture, d)),  # type: ignore[misc]
                values={"roll": roll + degrees, "luminance": measured["luminance"]},
            )


def spoilt_light(picture: Picture, rig: Rig, measured: dict[str, float]) -> Iterator[Case]:
    mean = measured["luminance"]
    for wanted in (20, 38):
        yield Case(
            f"dark {wanted}",
            lambda w=wanted: png(plants.gain(picture, w / mean)),  # type: ignore[misc]
            frozenset({"face_dark"}),
            {"luminance": wanted},
        )
    yield Case("burnt", lambda: png(plants.gain(picture, 330 / mean)), frozenset({"face_bright", "face_clipped"}))
    yield Case("very burnt", lambda: png(plants.gain(picture, 450 / mean)), frozenset({"face_bright", "face_clipped"}))
    for share in (0.15, 0.22):
        yield Case(
            f"flat {share}",
            lambda s=share: png(plants.flat(picture, s)),  # type: ignore[misc]
            frozenset({"face_flat"}),
            {"contrast": share * measured["contrast"]},
        )
    for factor in (0.3, 0.45):
        yield Case(
            f"shadow {factor}",
            lambda f=factor: png(plants.shaded(picture, rig, f)),  # type: ignore[misc]
            frozenset({"face_shadow"}),
        )


def spoilt_detail(picture: Picture, rig: Rig) -> Iterator[Case]:
    unit, blurred = rig.eye_distance, frozenset({"face_blurred"})
    for share in (0.035, 0.05, 0.08):
        yield Case(f"blurred {share}", lambda s=share: png(plants.blurred(picture, s * unit)), blurred)  # type: ignore[misc]
    yield Case("blurred, JPEG 60", lambda: jpeg(plants.blurred(picture, 0.04 * unit), 60), blurred)
    yield Case("blurred, then 512", lambda: png(plants.scaled(plants.blurred(picture, 0.045 * unit), 512)), blurred)
    yield Case("shaken", lambda: png(plants.moved(picture, round(0.2 * unit) | 1)), blurred)
    yield Case("JPEG 10", lambda: jpeg(picture, 10), frozenset({"image_compressed"}), {"jpeg_quality": 10})
    yield Case("JPEG 20", lambda: jpeg(picture, 20), frozenset({"image_compressed"}), {"jpeg_quality": 20})
    yield Case("JPEG 8 as PNG", lambda: png(plants.recoded(picture, 8)), frozenset({"image_blocky"}))


def spoilt_frame(picture: Picture, rig: Rig, other: tuple[Picture, Rig], measured: dict[str, float]) -> Iterator[Case]:
    roll, longer = measured["roll"], max(picture.shape[:2])
    for degrees in (25.0, -27.0):
        yield Case(
            f"leans {degrees:+.0f}",
            lambda d=degrees - roll: png(plants.turned(picture, d)),  # type: ignore[misc]
            frozenset({"face_leaning"}),
            {"roll": degrees},
        )
    for turns, angle in ((1, -90.0), (2, 180.0), (3, 90.0)):
        yield Case(
            f"on its side {angle:.0f}",
            lambda t=turns: png(np.ascontiguousarray(np.rot90(picture, t))),  # type: ignore[misc]
            frozenset({"face_sideways"}),
            {"roll": angle + roll},
        )
    small, tiny = plants.scaled(picture, round(longer * 400 / min(picture.shape[:2]))), plants.scaled(picture, 200)
    yield Case("400 px", lambda: png(small), frozenset({"image_small"}), {"height": small.shape[0]})
    yield Case("200 px", lambda: png(tiny), frozenset({"image_too_small"}), {"width": tiny.shape[1]})
    share = 36 / rig.eye_distance
    yield Case("far away", lambda: png(plants.distant(picture, share)), frozenset({"face_small"}))
    yield Case("cut below", lambda: png(plants.cut_below(picture, rig)), frozenset({"face_cut"}))
    lost = frozenset({"face_cut", "face_missing", "face_profile", "face_sideways", "eyes_hidden", "eyes_unclear"})
    yield Case("cut above", lambda: png(plants.cut_above(picture, rig)), lost)
    yield Case("cut aside", lambda: png(plants.cut_aside(picture, rig)), lost)
    alike = plants.scaled(other[0], round(max(other[0].shape[:2]) * rig.eye_distance / other[1].eye_distance))
    yield Case("two people", lambda: png(plants.beside(picture, alike)), frozenset({"faces_alike"}), {"faces": 2})
    none = np.tile(picture[:64, :64], (10, 10, 1))
    yield Case("nobody", lambda: png(none), frozenset({"face_missing"}), {"faces": 0})


def spoilt_face(picture: Picture, rig: Rig, measured: dict[str, float]) -> Iterator[Case]:
    """A head turned away that is turned back is no fault."""
    yield Case("mouth open", lambda: png(plants.acted(picture, rig, jawOpen=1.0)), frozenset({"mouth_open"}))
    hidden = frozenset({"eyes_unclear", "eyes_hidden"})
    yield Case("eyes shut", lambda: png(plants.acted(picture, rig, eyeBlink=1.0)), hidden)
    yield Case("sunglasses", lambda: png(plants.sunglasses(picture, rig)), hidden)
    away = frozenset({"face_turned", "face_profile", "face_missing", *hidden})
    held = measured["yaw"], measured["roll"]
    for turn in (-45.0, 45.0):
        if abs(held[0] + turn) > TURNED:
            yield Case(
                f"turned {turn:+.0f}",
                lambda y=turn: png(plants.looking(picture, rig, y, held=held)),  # type: ignore[misc]
                away,
            )
    covered = frozenset({"mouth_hidden", "face_missing", "face_profile"})
    yield Case("masked", lambda: png(plants.masked(picture, rig)), covered)


def looks(picture: Picture, rig: Rig, measured: dict[str, float]) -> Iterator[Case]:
    """Turns and nods within what is no fault, with their degrees as values as far as they can be told."""
    held = measured["yaw"], measured["roll"]
    for turn, nod in LOOKS:
        if abs(held[0] + turn) < 25:
            values = {"yaw": held[0] + turn} if turn else {}
            values |= {"pitch": measured["pitch"] + nod} if nod and "smile" in measured else {}
            yield Case(
                _look(turn, nod),
                lambda y=turn, p=nod: png(plants.looking(picture, rig, y, p, held)),  # type: ignore[misc]
                values=values,
            )


def _look(turn: float, nod: float) -> str:
    return ", ".join(f"{word} {angle:+.0f}" for word, angle in (("turned", turn), ("nods", nod)) if angle)
