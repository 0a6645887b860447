"""Cuts silence out of a recording: at its ends, and in pauses that are too long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comps.animation.coach.sound.levels import HOP, HOP_S, RATE, Mask, Samples

END_S = 0.3
"""Silence that is left at either end."""
_LONGEST_S = 2.0
_SHARE = 0.28
"""Of the time without speech that is left, a little under what the rule asks."""
_LENGTHS_S = (0.8, 0.6, 0.45, 0.3, 0.2, 0.12)
"""What long pauses are shortened to, the first that will do."""
_FADE = RATE // 100


@dataclass(frozen=True, slots=True)
class _Piece:
    """Hops of the recording that are kept."""

    first: int
    stop: int


def shortened(samples: Samples, mask: Mask, *, most_pause_s: float = _LONGEST_S) -> Samples:
    """Mono float32 `[n]` at 16 kHz with its ends trimmed, no pause above `most_pause_s` and little silence in all.

    Args:
        samples: the recording.
        mask: where somebody speaks, bool `[n // HOP]`.
        most_pause_s: seconds; longer pauses become 0.8 s.
    """
    if not mask.any():
        return samples
    pieces = _pieces(mask, most_pause_s, _LENGTHS_S[0])
    for length in _LENGTHS_S:
        if _share(pieces, mask) <= _SHARE:
            break
        pieces = _pieces(mask, length, length)
    return _joined(samples, pieces, len(mask))


def _pieces(mask: Mask, longest_s: float, left_s: float) -> list[_Piece]:
    active = np.flatnonzero(mask)
    end = round(END_S / HOP_S)
    first, last = max(0, int(active[0]) - end), min(len(mask), int(active[-1]) + 1 + end)
    pieces = []
    for gap in np.flatnonzero(np.diff(active) * HOP_S > longest_s + HOP_S):
        start, stop, keep = int(active[gap]) + 1, int(active[gap + 1]), round(left_s / HOP_S)
        pieces.append(_Piece(first, start + keep // 2))
        first = stop - (keep - keep // 2)
    return [*pieces, _Piece(first, last)]


def _share(pieces: list[_Piece], mask: Mask) -> float:
    kept = sum(piece.stop - piece.first for piece in pieces)
    return 1.0 - float(mask.sum()) / kept


def _joined(samples: Samples, pieces: list[_Piece], hops: int) -> Samples:
    """The pieces, faded into each other."""
    made: list[Samples] = []
    for piece in pieces:
        stop = len(samples) if piece.stop == hops else piece.stop * HOP
        part = samples[piece.first * HOP : stop].copy()
        overlap = min(_FADE, len(made[-1]), len(part)) if made else 0
        if overlap:
            ramp = np.linspace(0, 1, overlap, dtype=np.float32)
            part[:overlap] = part[:overlap] * ramp + made[-1][-overlap:] * (1 - ramp)
            made[-1] = made[-1][:-overlap]
        made.append(part)
    return np.concatenate(made)
