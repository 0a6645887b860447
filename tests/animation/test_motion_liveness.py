"""Blinks, glances, nods and breath."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.motion.liveness import Alive, Heard, Liveness

FPS = 25
TALK = Heard(speaking=1.0, stressed=False, ends=False, lips_meet=False)
STRESS = Heard(speaking=1.0, stressed=True, ends=False, lips_meet=False)


def _live(seconds: float, heard: Heard = TALK, **options: float) -> list[Alive]:
    live = Liveness(seed=int(options.pop("seed", 1)), fps=FPS, **options)  # type: ignore[arg-type]
    return [live.step(k / FPS, heard) for k in range(int(seconds * FPS))]


def _blinks(states: list[Alive]) -> list[int]:
    lids = np.array([s.blink for s in states])
    return np.flatnonzero((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).tolist()


def test_blinks_come_at_natural_intervals() -> None:
    gaps = np.diff(_blinks(_live(120))) / FPS
    assert gaps.min() >= 2.0
    assert gaps.max() <= 6.2
    assert gaps.std() > 0.3


def test_lids_close_faster_than_they_open_and_truly_shut() -> None:
    lids = np.array([s.blink for s in _live(10)])
    start = _blinks(_live(10))[0]
    one = lids[start - 3 : start + 12]
    assert one.max() == 1.0
    shut = np.flatnonzero(one >= 0.999)
    closing = (one[: shut[0]] > 0.01).sum()
    opening = (one[shut[-1] + 1 :] > 0.01).sum()
    assert opening > closing


def test_no_blink_while_lips_meet_and_none_when_switched_off() -> None:
    meet = Heard(speaking=1.0, stressed=False, ends=False, lips_meet=True)
    assert not _blinks(_live(20, meet))
    assert not _blinks(_live(20, blinks=False))


def test_a_sentence_end_draws_a_blink() -> None:
    live = Liveness(seed=3, fps=FPS)
    live._blink_at = 100.0
    for k in range(60):
        live.step(k / FPS, TALK)
    live.step(60 / FPS, Heard(1.0, False, True, False))
    assert max(live.step(k / FPS, TALK).blink for k in range(61, 66)) == 1.0


def test_the_head_begins_at_rest_and_stays_small_and_slow() -> None:
    heads = np.array([s.head for s in _live(60, STRESS)])
    assert not heads[0].any()
    assert np.abs(heads[:, :3]).max() < 6.5
    assert np.abs(np.diff(heads[:, :3], axis=0)).max() * FPS < 40


def test_stress_makes_the_head_nod_and_brows_rise_sometimes() -> None:
    calm, stressed = _live(30), _live(30, STRESS)
    assert min(s.head[1] for s in stressed) < min(s.head[1] for s in calm) - 0.8
    brows = [s.brows for s in stressed]
    assert max(brows) > 0.3
    assert min(brows) == pytest.approx(0.0)
    assert not any(s.brows for s in calm)


def test_head_motion_can_be_switched_off() -> None:
    assert not any(s.head.any() for s in _live(5, STRESS, head_motion=0.0))


def test_eyes_stay_on_the_viewer_but_for_small_glances() -> None:
    gaze = np.array([s.gaze for s in _live(60, head_motion=0.0)])
    assert np.abs(gaze).max() <= 3.0
    assert (np.abs(gaze).max(1) < 0.01).mean() > 0.4
    assert np.abs(gaze).max() > 1.0


def test_eyes_counter_the_head() -> None:
    states = _live(20)
    head = np.array([s.head[0] for s in states])
    gaze = np.array([s.gaze[0] for s in states])
    assert np.corrcoef(head, gaze)[0, 1] < -0.3


@pytest.mark.parametrize(("seed", "same"), [(1, True), (2, False)])
def test_the_seed_decides(seed: int, same: bool) -> None:
    a, b = _live(8), _live(8, seed=seed)
    assert np.array_equal([s.head for s in a], [s.head for s in b]) is same
