"""When a clip has its audio computed, and what it says about the time that took."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from comps.animation.audio2face.inference.model import Steps
from comps.animation.audio2face.pipeline import Audio2Face, ClipPipeline
from comps.animation.audio2face.server.bench import Told, Turn, Work, computed, opened
from comps.animation.audio2face.server.clip import Clip, Made
from comps.core.errors import UnprocessableError
from tests.audio2face.test_pipeline import service, speech

FRAME = 1_066


class Held(Work):
    """Computes a turn when it is told to."""

    def __init__(self, pipeline: ClipPipeline) -> None:
        self._pipeline = pipeline
        self.opened = opened(pipeline)
        self.turns: list[Turn] = []
        self._run: Callable[[], None] | None = None

    def take(self, turn: Turn, told: Told) -> None:
        assert self._run is None
        self.turns.append(turn)
        self._run = lambda: told(computed(self._pipeline, turn))

    def run(self) -> bool:
        run, self._run = self._run, None
        if run:
            run()
        return run is not None

    def leave(self) -> None:
        self.left = True


def stepwise() -> Audio2Face:
    shared = service()
    shared.model.steps = Steps(1_760, 1_600)
    return shared


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still; its only item is the time."""
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    return clock


async def test_audio_waits_until_it_is_enough_for_frames() -> None:
    work = Held(stepwise().open(16_000))
    clip = Clip(work, room=100)
    pcm = speech(1.0)
    for start in range(0, len(pcm), FRAME):
        clip.feed(pcm[start : start + FRAME])
        work.run()
    assert len(work.turns) == 9
    clip.end()
    while work.run():
        pass
    assert work.turns[-1].last
    assert len([item async for item in clip.outgoing()]) == 31


async def test_a_turn_is_timed_from_the_audio_that_made_it_possible(now: list[float]) -> None:
    told: list[Made] = []
    work = Held(stepwise().open(16_000))
    clip = Clip(work, room=100, made=told.append)
    for _ in range(12):
        clip.feed(bytes(FRAME))
        now[0] += 1 / 30
    assert work.run()
    assert work.run()
    # 3520 bytes are there with the fourth buffer, 3200 more with the seventh, and the ones after it had come in the meantime
    assert [made.arrived for made in told] == pytest.approx([100.1, 100.2])
    assert {made.began for made in told} == {100.0}
    assert {made.made for made in told} == {now[0]}


async def test_keyframes_do_not_wait_for_audio() -> None:
    work = Held(stepwise().open(16_000))
    clip = Clip(work, room=100)
    clip.feed(b"", [(0.0, {"joy": 2.0})])
    assert work.run()
    with pytest.raises(UnprocessableError, match=r"emotion\.joy"):
        await anext(clip.outgoing())


@pytest.mark.parametrize("sizes", [(500, 64_000), (500, 31_999, 3), (2, 32_000, 32_000), (1_000, 200_000)])
async def test_a_crumb_before_much_audio_holds_nothing_up(sizes: tuple[int, ...]) -> None:
    work = Held(stepwise().open(16_000))
    clip = Clip(work, room=1_000)
    pcm = speech(8.0)
    at = 0
    for size in sizes:
        clip.feed(pcm[at : at + size])
        at += size
    clip.end()
    for _ in range(100):
        if not work.run():
            break
    assert sum(len(piece) for turn in work.turns for piece, _ in turn.pieces) == at
    assert work.turns[-1].last
