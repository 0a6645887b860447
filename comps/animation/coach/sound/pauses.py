"""Cuts silence out of a recording: at its ends, and in pauses that are too long."""

from __future__ import annotations

import numpy as np

from comps.animation.coach.sound.levels import HOP, HOP_S, RATE, Mask, Samples, Values, decibels, powers
from comps.core.language.speech_gate import runs

_LONGEST_S, _LONGEST_END_S = 2.0, 0.4
"""Longer pauses and ends are always cut; ends of little more than 0.3 s are not, or a second repair would cut a little more."""
_SHARE = 0.28
"""Of the time without speech that is left, a little under what the rule asks."""
_LEFT_S = ((0.8, 0.3), (0.6, 0.3), (0.45, 0.3), (0.3, 0.3), (0.2, 0.2), (0.12, 0.12), (0.12, 0.07))
"""What long pauses and long ends are shortened to, the first that will do."""
_LEAST_S = 0.55
"""Length that is left, a little over what the rule asks; some silence more does less harm."""
_FADE = RATE // 100
_WINDOW_S = 0.03
_ABOVE_QUIET_DB, _QUIET_PERCENT = 6.0, 10
"""What rises out of the quiet of its pause by this much is kept first: it may be a soft sound, or a splinter of a word."""


def shortened(samples: Samples, mask: Mask, *, most_pause_s: float = _LONGEST_S) -> Samples:
    """Mono float32 `[n]` at 16 kHz with its ends trimmed, no pause above `most_pause_s` and little silence in all.

    Args:
        samples: the recording.
        mask: where somebody speaks, bool `[n // HOP]`.
        most_pause_s: seconds; longer pauses become 0.8 s.
    """
    if not mask.any():
        return samples
    level = decibels(powers(samples, _WINDOW_S))
    kept = _kept(mask, level, (most_pause_s, _LONGEST_END_S), _LEFT_S[0])
    for left_s in _LEFT_S:
        if 1.0 - mask.sum() / kept.sum() <= _SHARE:
            break
        fewer = _kept(mask, level, left_s, left_s)
        if fewer.sum() * HOP_S < _LEAST_S:
            break
        kept = fewer
    return _joined(samples, kept)


def _kept(mask: Mask, level: Values, longest_s: tuple[float, float], left_s: tuple[float, float]) -> Mask:
    """Which hops are kept when pauses and ends that last longer than `longest_s` are shortened to `left_s`."""
    (longest, longest_end), (left, left_end) = (
        [round(seconds / HOP_S) for seconds in pair] for pair in (longest_s, left_s)
    )
    kept = np.ones(len(mask), np.bool_)
    for start, stop, speech in runs(mask):
        if speech:
            continue
        if start == 0:
            kept[: max(0, stop - left_end) if stop > longest_end else 0] = False
        elif stop == len(mask):
            kept[start + left_end if stop - start > longest_end else stop :] = False
        elif stop - start > longest:
            kept[start:stop] = _of_pause(level[start:stop], left)
    return kept


def _of_pause(level: Values, count: int) -> Mask:
    """Which `count` hops of a pause are kept: some at its ends, then its loudest sounds that fit, then more at its ends."""
    kept = np.zeros(len(level), np.bool_)
    from_end = np.minimum(np.arange(len(level)), np.arange(len(level))[::-1])
    kept[from_end < count // 6] = True
    loud = level > np.percentile(level, _QUIET_PERCENT) + _ABOVE_QUIET_DB
    # One hop more on either side is there to be faded.
    sounds = np.convolve(loud, np.ones(3), "same")[: len(level)] > 0
    loudest = sorted((run for run in runs(sounds) if run[2]), key=lambda run: -level[run[0] : run[1]].max())
    room = count - int(kept.sum())
    for first, stop, _ in loudest:
        more = int((~kept[first:stop]).sum())
        if more <= room:
            kept[first:stop] = True
            room -= more
    nearest = np.argsort(from_end + len(level) * kept, kind="stable")
    kept[nearest[:room]] = True
    return kept


def _joined(samples: Samples, kept: Mask) -> Samples:
    """The kept hops, and what follows the last hop with it, faded into each other."""
    made: list[Samples] = []
    for first, stop, keep in runs(kept):
        if not keep:
            continue
        part = samples[first * HOP : len(samples) if stop == len(kept) else stop * HOP].copy()
        overlap = min(_FADE, len(made[-1]), len(part)) if made else 0
        if overlap:
            ramp = np.linspace(0, 1, overlap, dtype=np.float32)
            part[:overlap] = part[:overlap] * ramp + made[-1][-overlap:] * (1 - ramp)
            made[-1] = made[-1][:-overlap]
        made.append(part)
    return np.concatenate(made)
