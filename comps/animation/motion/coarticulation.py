"""Coarticulation: phones with times become smooth movements of the speech organs.

Each phone pulls each organ toward its target with a dominance that fades with the distance in time;
the organ is at the weighted mean. Short phones are therefore undershot and rounding begins early.
What the eye cannot forgive is enforced afterwards: lips that meet in p, b, m and the lower lip that
touches the teeth in f, v, at whatever frame rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.motion.articulation import CLOSE, TUCK, closes, parts, targets, tucks
from comps.core.language.phones import is_pause
from comps.core.speech import Phone

Plane = NDArray[np.float32]
Times = NDArray[np.float64]

LOOK_AHEAD_S = 0.15
"""A frame is shaped by phones that begin up to this long after it."""
MEMORY_S = 0.30
"""And by phones that ended up to this long before it."""
ONSET_S, OFFSET_S = 0.040, 0.045
"""Time constants with which a phone's pull rises before it and fades after it."""
CORE = 0.30
"""Share of a phone at either end in which its pull is not yet full."""
REST_PULL = 0.03
"""Constant pull toward the mouth at rest."""
SHUT_S, RELEASE_S = 0.045, 0.050
"""How long lips take to meet and to part."""
LEAST_PAUSE_S = 0.02
"""Gaps between phones longer than this are silence."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Steady pieces of speech in order: `start` and `end` `[m]` seconds, `goal` and `claim` `[m, 8]`."""

    start: Times
    end: Times
    goal: Plane
    claim: Plane


def segment(phones: Sequence[Phone]) -> Segments:
    """Phones (in order) as steady pieces, with silence where there is none."""
    rows: list[tuple[float, float, str, int]] = []
    end = 0.0
    for phone in phones:
        if phone.start > end + LEAST_PAUSE_S:
            rows.append((end, phone.start, "", 0))
        length = phone.end - phone.start
        rows += [
            (phone.start + a * length, phone.start + b * length, p, phone.stress) for p, a, b in parts(phone.phone)
        ]
        end = max(end, phone.end)
    rows.append((end, np.inf, "", 0))
    wanted = np.concatenate([vector for _, _, name, stress in rows for vector in targets(name, stress)])
    goal, claim = wanted.reshape(len(rows), 2, -1).swapaxes(0, 1)
    return Segments(
        start=np.array([row[0] for row in rows]), end=np.array([row[1] for row in rows]), goal=goal, claim=claim
    )


def articulate(phones: Sequence[Phone], times: Times, fps: int, *, look_ahead_s: float = LOOK_AHEAD_S) -> Plane:
    """Positions of the organs at frame `times` `[n]` (multiples of 1 / fps), float32 `[n, 8]`.

    Only phones that begin before a frame's time + `look_ahead_s` shape it, so more knowledge of the future changes nothing.
    """
    pieces = segment(phones)
    pull = _pull(pieces, times, look_ahead_s)
    weight = pull[:, :, None] * pieces.claim
    organs = (weight * pieces.goal).sum(1) / (weight.sum(1) + REST_PULL)
    organs[:, CLOSE] = _contact(phones, times, fps, closes)
    organs[:, TUCK] = _contact(phones, times, fps, tucks) * (1 - organs[:, CLOSE])
    result: Plane = organs.astype(np.float32)
    return result


def _pull(pieces: Segments, times: Times, look_ahead_s: float) -> Times:
    """How strongly each piece pulls at each time, `[n, m]`."""
    now = times[:, None]
    length = np.minimum(pieces.end - pieces.start, 0.2)
    early = pieces.start + CORE * length - now
    late = now - (pieces.end - CORE * length)
    near = np.exp(-np.maximum(early, 0) / ONSET_S - np.maximum(late, 0) / OFFSET_S)
    seen = _fade((look_ahead_s - (pieces.start - now)) / 0.06)
    remembered = _fade((MEMORY_S - (now - pieces.end)) / 0.10)
    result: Times = near * seen * remembered
    return result


def _contact(phones: Sequence[Phone], times: Times, fps: int, touches: Callable[[str], bool]) -> Times:
    """0..1: how far the contact of every phone for which `touches` holds is made at each time."""
    contact = np.zeros(len(times))
    for phone in phones:
        if not touches(phone.phone) or is_pause(phone.phone):
            continue
        length = phone.end - phone.start
        start, end = phone.start + 0.15 * length, phone.end - 0.30 * length
        made = np.minimum(_fade(1 - (start - times) / SHUT_S), _fade(1 - (times - end) / RELEASE_S))
        # Between two frames a short contact would be missed: the frame nearest its middle always shows it.
        made[np.abs(times - round((start + end) / 2 * fps) / fps) < 1e-6] = 1.0
        contact = np.maximum(contact, made)
    return contact


def _fade(value: Times) -> Times:
    t = np.minimum(np.maximum(value, 0), 1)
    result: Times = t * t * (3 - 2 * t)
    return result
