"""Videos of every kind become plain films, and films show any of their frames."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from comps.animation.footage import (
    CACHED_GROUPS,
    GROUP,
    Footage,
    FootageLimits,
    import_footage,
    there_and_back,
)
from comps.core.errors import TooLargeError, UnprocessableError, UnsupportedMediaError
from tests.animation.films import film, marked, sound_only, turned


def imported(data: bytes, folder: Path, limits: FootageLimits | None = None) -> Footage:
    import_footage(data, folder / "film.mp4", limits)
    return Footage(folder / "film.mp4")


def numbers(footage: Footage) -> list[float]:
    """Which of the frames of `marked` each frame shows, by its grey."""
    return [(float(footage.frame(k)[-6:, -6:].mean()) - 40) / 6 for k in range(len(footage))]


def test_a_plain_film_is_kept_frame_by_frame(tmp_path: Path) -> None:
    with imported(film(marked(k) for k in range(30)), tmp_path) as footage:
        assert (len(footage), footage.fps, footage.size) == (30, 25, (64, 48))
        np.testing.assert_allclose(numbers(footage), range(30), atol=0.5)


def test_frames_come_in_any_order(tmp_path: Path) -> None:
    with imported(film(marked(k) for k in range(33)), tmp_path) as footage:
        for k in [*range(32, -1, -1), 5, 31, 0, 13, 12, 11]:
            assert footage.frame(k)[-6:, -6:].mean() == pytest.approx(40 + 6 * k, abs=3)


def test_only_a_few_groups_are_held(tmp_path: Path) -> None:
    with imported(film(marked(k % 30) for k in range(8 * GROUP)), tmp_path) as footage:
        for k in range(len(footage)):
            footage.frame(k)
        assert sum(len(group) for group in footage._groups.values()) <= CACHED_GROUPS * GROUP


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_a_film_recorded_sideways_is_turned_upright(tmp_path: Path, degrees: int, corner: tuple[int, int]) -> None:
    """The red corner, upper left as stored, goes to the upper right when turned clockwise by 90 degrees."""
    data = turned(film(marked(k) for k in range(3)), degrees)
    with imported(data, tmp_path) as footage:
        assert footage.size == ((64, 48) if degrees == 180 else (48, 64))
        picture = footage.frame(0).astype(int)
        corners = {
            (y, x): picture[slice(0, 8) if y == 0 else slice(-8, None), slice(0, 8) if x == 0 else slice(-8, None)]
            for y in (0, -1)
            for x in (0, -1)
        }
        redness = {at: float((part[..., 0] - part[..., 2]).mean()) for at, part in corners.items()}
        assert max(redness, key=redness.__getitem__) == corner, redness


def test_uneven_times_become_one_rate(tmp_path: Path) -> None:
    """Frames at 0, 40 and 200 ms: the second stays until the third comes."""
    data = film((marked(k) for k in range(4)), times_ms=[0, 40, 200, 240])
    with imported(data, tmp_path) as footage:
        seen = numbers(footage)
        step = 1 / footage.fps
        for k, number in enumerate(seen):
            wanted = 0 if k * step < 0.02 else 1 if k * step < 0.18 else 2 if k * step < 0.22 else 3
            assert number == pytest.approx(wanted, abs=0.6) or min(abs(k * step - t) for t in (0.04, 0.2, 0.24)) < step


@pytest.mark.parametrize(("rate", "kept"), [(12, 12), (25, 25), (30, 30), (50, 25), (60, 30), (120, 30)])
def test_the_rate_is_the_films_own_within_reason(tmp_path: Path, rate: int, kept: int) -> None:
    with imported(film((marked(k % 30) for k in range(rate)), fps=rate), tmp_path) as footage:
        assert footage.fps == kept
        assert abs(len(footage) - kept) <= 1


def test_odd_sides_become_even(tmp_path: Path) -> None:
    data = film((marked(k, 65, 47) for k in range(3)), codec="ffv1", container="matroska", pixel_format="yuv444p")
    with imported(data, tmp_path) as footage:
        assert footage.size == (64, 48) or footage.size == (64, 46)


def test_transparency_lies_over_grey(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[:, 32:] = (250, 250, 250, 255)
    data = film([picture] * 3, codec="qtrle", container="mov", pixel_format="argb")
    with imported(data, tmp_path) as footage:
        frame = footage.frame(1).astype(int)
        assert abs(frame[:, :24] - 128).max() <= 4
        assert abs(frame[:, 40:] - 250).max() <= 4


def test_a_large_film_is_made_smaller(tmp_path: Path) -> None:
    data = film(marked(k, 320, 240) for k in range(3))
    with imported(data, tmp_path, FootageLimits(side=100)) as footage:
        assert footage.size == (100, 76) or footage.size == (100, 74)


def test_of_a_damaged_film_what_can_be_read_is_kept(tmp_path: Path) -> None:
    whole = film((marked(k % 30) for k in range(40)), container="mpegts", codec="libx264")
    with imported(whole[: int(len(whole) * 0.7)], tmp_path) as footage:
        assert 10 < len(footage) < 40


def test_strange_files_are_named(tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"
    with pytest.raises(UnsupportedMediaError):
        import_footage(b"not a video at all", out)
    with pytest.raises(UnsupportedMediaError, match="no video track"):
        import_footage(sound_only(), out)
    with pytest.raises(UnsupportedMediaError):
        import_footage(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", out)
    ten = film(marked(k) for k in range(10))
    with pytest.raises(TooLargeError, match="longer"):
        import_footage(ten, out, FootageLimits(seconds=0.2))
    with pytest.raises(TooLargeError, match="pixels"):
        import_footage(ten, out, FootageLimits(pixels=1000))
    with pytest.raises(UnprocessableError, match="too small"):
        import_footage(film(marked(k, 16, 16) for k in range(3)), out)


def test_a_codec_that_nobody_knows_is_named(tmp_path: Path) -> None:
    known = film((marked(k) for k in range(3)), codec="libx264")
    unknown = known.replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC")
    with pytest.raises(UnsupportedMediaError, match="codec"):
        import_footage(unknown, tmp_path / "film.mp4")


def test_a_short_film_of_very_many_frames_is_refused(tmp_path: Path) -> None:
    """Frames that are all alike take no bytes, so that a small file could keep a processor busy for days."""
    many = film((marked(k % 30) for k in range(60)), fps=1000)
    with pytest.raises(TooLargeError, match="more frames"):
        import_footage(many, tmp_path / "film.mp4", FootageLimits(seconds=0.1))
    with pytest.raises(TooLargeError, match="more frames"):
        import_footage(many, tmp_path / "film.mp4", FootageLimits(decoded=50 * 64 * 48))
    with imported(many, tmp_path) as footage:
        assert len(footage) <= 3


def test_a_clock_that_jumps_far_ahead_is_too_long_not_endless(tmp_path: Path) -> None:
    data = film((marked(k) for k in range(3)), times_ms=[0, 40, 900_000], codec="libx264", container="matroska")
    with pytest.raises(TooLargeError):
        import_footage(data, tmp_path / "film.mp4")


def test_a_video_track_without_frames_is_an_error(tmp_path: Path) -> None:
    whole = film(marked(k) for k in range(5))
    with pytest.raises((UnprocessableError, UnsupportedMediaError)):
        import_footage(
            whole[: whole.index(b"mdat") + 8] + b"\0" * 2000 + whole[whole.index(b"moov") - 4 :], tmp_path / "f.mp4"
        )


def test_a_stored_film_that_was_damaged_says_so(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"gone")
    with pytest.raises(UnprocessableError, match="damaged"):
        Footage(tmp_path / "film.mp4")


def test_there_and_back_never_jumps() -> None:
    assert [there_and_back(k, 4) for k in range(10)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert {there_and_back(k, 1) for k in range(5)} == {0}
    assert all(abs(a - b) == 1 for a, b in pairwise(there_and_back(k, 7) for k in range(50)))
