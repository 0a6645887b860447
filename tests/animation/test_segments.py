"""Long videos in pieces: real files, decoded and compared with a video made in one go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.error import FFmpegError
from numpy.typing import NDArray

from comps.core.media.segments import SegmentWriter, counted, join_segments
from comps.core.media.video import VideoSpec
from tests.animation.test_video import CLICKS, FPS, SIZE, click_and_flash, click_times, decoded

RATE = 22_050
SECONDS = 2.2


def spec(preset: str = "superfast") -> VideoSpec:
    return VideoSpec(SIZE, SIZE, FPS, RATE, preset=preset)


def piece(folder: Path, frames: NDArray[np.uint8], first: int, last: int, step: int = 7) -> Path:
    path = folder / f"{first:06}.mp4"
    writer = SegmentWriter(path, spec())
    for start in range(first, last, step):
        writer.add(frames[start : min(start + step, last)], "yuv420p")
    assert not path.exists()
    writer.commit()
    return path


def pixels(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


@pytest.mark.parametrize("cuts", [(0, 55), (0, 20, 40, 55), (0, 1, 2, 55)])
def test_pieces_and_their_sound_are_one_video_on_one_clock(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    pcm, frames = click_and_flash(SECONDS, RATE)
    pieces = [piece(tmp_path, frames, first, last) for first, last in pairwise(cuts)]
    assert [counted(path) for path in pieces] == [last - first for first, last in pairwise(cuts)]
    out = tmp_path / "whole.mp4"
    join_segments(pieces, np.array_split(pcm, 9), spec(), out)
    sound, first, flashes = decoded(str(out))
    assert flashes == pytest.approx(CLICKS, abs=1e-6)
    assert click_times(sound, first) == pytest.approx(CLICKS, abs=0.002)
    shown = pixels(out)
    assert len(shown) == 55
    for single, joint in zip([each for path in pieces for each in pixels(path)], shown, strict=True):
        np.testing.assert_array_equal(single, joint)
    with av.open(str(out)) as container:
        assert container.duration == pytest.approx(SECONDS * 1e6, abs=1e6 / FPS)
    assert out.read_bytes().index(b"moov") < out.read_bytes().index(b"mdat")


def test_a_piece_does_not_depend_on_how_its_frames_come(tmp_path: Path) -> None:
    _, frames = click_and_flash(SECONDS, RATE)
    (tmp_path / "other").mkdir()
    one, other = piece(tmp_path, frames, 10, 50, step=40), piece(tmp_path / "other", frames, 10, 50, step=3)
    assert one.read_bytes() == other.read_bytes()


def test_what_was_given_up_leaves_nothing(tmp_path: Path) -> None:
    _, frames = click_and_flash(SECONDS, RATE)
    writer = SegmentWriter(tmp_path / "0.mp4", spec())
    writer.add(frames[:5], "yuv420p")
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_piece_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    pcm, frames = click_and_flash(SECONDS, RATE)
    good = piece(tmp_path, frames, 0, 20)
    bad = tmp_path / "000020.mp4"
    bad.write_bytes(b"nothing like a video" * 20)
    with pytest.raises(FFmpegError):
        join_segments([good, bad], [pcm], spec(), tmp_path / "whole.mp4")
    with pytest.raises(FFmpegError):
        counted(bad)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.mp4", "000020.mp4"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing beyond fails as on a full disk, and so does closing what is not written yet."""
    resource = pytest.importorskip("resource", reason="only POSIX bounds a program's files")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize("finished", [True, False])
def test_a_piece_for_which_there_is_no_room_is_given_up_without_a_trace(tmp_path: Path, finished: bool) -> None:
    writer = SegmentWriter(tmp_path / "0.mp4", spec())
    noise = np.random.default_rng(1).integers(0, 255, (60, SIZE * 3 // 2, SIZE), np.uint8)
    with files_of_at_most(2000):
        writer.add(noise, "yuv420p")
        if finished:
            with pytest.raises(OSError, match="too large"):
                writer.commit()
        writer.discard()
        writer.discard()
    assert list(tmp_path.iterdir()) == []
