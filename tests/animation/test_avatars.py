"""The store of avatars on a real disk."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.avatars import MAX_SIDE, PRESENTERS, AvatarStore, StoreLimits
from comps.animation.engines.portrait.rig.checked import check_rig, scaled
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.errors import FaceError, NotFoundError, UnprocessableError
from comps.core.own_folder import MARK

Picture = NDArray[np.uint8]


class Finder:
    """Gives every picture the rig of a presenter, scaled to it, and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self._rig = Rig.load(PRESENTERS / "ada" / "rig.json")

    def __call__(self, picture: Picture) -> Rig:
        self.calls += 1
        if not picture.any():
            raise FaceError("no face was found")
        return fitted(self._rig, picture)


def fitted(rig: Rig, picture: Picture) -> Rig:
    return replace(scaled(rig, picture.shape[1] / rig.size[0]), size=(picture.shape[1], picture.shape[0]))


def picture(seed: int = 0, side: int = 256) -> Picture:
    return np.random.default_rng(seed).integers(1, 255, (side, side, 3), np.uint8)


@pytest.fixture
def finder() -> Finder:
    return Finder()


@pytest.fixture
def store(tmp_path: Path, finder: Finder) -> AvatarStore:
    return AvatarStore(tmp_path, finder, StoreLimits(avatars=3, temporary=2))


def test_the_shipped_presenters_are_there_and_the_first_is_the_default(store: AvatarStore) -> None:
    infos = store.list()
    assert len(infos) >= 2
    assert all(info.builtin and info.licence and not info.warnings for info in infos)
    assert store.get("default").id == store.get("").id == infos[0].id
    assert store.open("").image.is_file()


def test_an_added_picture_comes_back_with_its_rig(store: AvatarStore) -> None:
    info = store.add(picture(), "  My\nface\x00 ")
    assert (info.name, info.builtin, info.width, info.height) == ("My face", False, 256, 256)
    assert np.array_equal(store.picture(info.id), picture())
    assert store.rig(info.id).size == (256, 256)
    assert info in store.list()


def test_the_same_picture_is_the_same_avatar_and_its_rig_is_found_once(store: AvatarStore, finder: Finder) -> None:
    first = store.add(picture(), "one")
    assert store.add(picture(), "two") == first
    assert store.temporary(picture()).id == first.id
    assert finder.calls == 1


def test_two_requests_delete_an_avatar_once(store: AvatarStore) -> None:
    identity = store.add(picture(), "one").id
    both = threading.Barrier(2)
    find, outcomes = store._find, []

    def found_by_both(avatar: str) -> tuple[Path, bool]:
        found = find(avatar)
        both.wait(5)
        return found

    def delete() -> None:
        try:
            store.delete(identity)
            outcomes.append("deleted")
        except NotFoundError:
            outcomes.append("not found")

    store._find = found_by_both  # type: ignore[method-assign]
    threads = [threading.Thread(target=delete) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["deleted", "not found"]


def test_an_avatar_that_is_not_there_is_answered_with_those_that_are(store: AvatarStore) -> None:
    bob = store.add(picture(), "Bob Miller")
    with pytest.raises(NotFoundError) as stranger:
        store.get("xyzzy")
    named = f"ada, noor, {bob.id} (Bob Miller)"
    assert stranger.value.message == f"there is no avatar 'xyzzy'; there are: {named}; GET /v1/avatars lists all"
    with pytest.raises(NotFoundError, match=rf"closest: {bob.id} \(Bob Miller\); GET"):
        store.get("bob-miller")
    with pytest.raises(NotFoundError, match="closest: ada; GET"):
        store.get("Ada")


def test_a_voice_goes_with_a_face(store: AvatarStore) -> None:
    assert {info.id: info.voice for info in store.list()} == {"ada": "female", "noor": "male"}
    first = store.add(picture(), "one", voice=" en-us\n+f3 ")
    assert (first.voice, store.add(picture(), "one").voice) == ("en-us +f3", "en-us +f3")
    assert store.add(picture(), "two", voice="male") == replace(first, voice="male")
    assert len(store.add(picture(1), "long", voice="x" * 200).voice) == 100


DAMAGE: list[tuple[str, bytes | None]] = [
    ("rig.json", b"{"),
    ("rig.json", b"\xff"),
    ("rig.json", b"[]"),
    ("rig.json", None),
    ("about.json", b"[]"),
    ("about.json", b"no"),
    ("portrait.png", b""),
    ("portrait.png", b"\x89PNG\r\n\x1a\n half of it"),
    ("portrait.png", None),
]


def hurt(folder: Path, file: str, content: bytes | None) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)


@pytest.mark.parametrize(("file", "content"), DAMAGE)
def test_a_damaged_avatar_says_so_and_can_be_mended_or_deleted(
    store: AvatarStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, content: bytes | None
) -> None:
    whole, damaged = store.add(picture(1), "Whole"), store.add(picture(2), "Damaged")
    folder = tmp_path / "avatars" / damaged.id
    for again in (lambda: store.add(picture(2), "Again"), lambda: store.temporary(picture(2))):
        hurt(folder, file, content)
        with pytest.raises(UnprocessableError, match=f"'{damaged.id}' is damaged, its {file} .* add its picture again"):
            store.open(damaged.id)
        listed = [info.id for info in store.list()]
        assert whole.id in listed
        if file != "portrait.png":  # the list does not look at pictures
            assert damaged.id not in listed
            assert damaged.id in caplog.text
        assert again().id == damaged.id
        assert store.open(damaged.id).rig.is_file()
        assert np.array_equal(store.picture(damaged.id), picture(2))
        assert damaged.id in [info.id for info in store.list()]
    hurt(folder, file, content)
    store.delete(damaged.id)
    assert not folder.exists()


def test_a_damaged_picture_of_one_request_is_made_anew(store: AvatarStore, tmp_path: Path) -> None:
    identity = store.temporary(picture()).id
    next((tmp_path / "temporary").glob(f"*/{identity}/rig.json")).unlink()
    assert store.temporary(picture()).id == identity
    assert store.rig(identity).size == (256, 256)


def test_edited_points_outlive_a_damaged_name(store: AvatarStore, tmp_path: Path) -> None:
    info = store.add(picture(), "face")
    rig = store.rig(info.id)
    store.edit(info.id, replace(rig, points=rig.points + np.float32(1.5)))
    (tmp_path / "avatars" / info.id / "about.json").write_text("no")
    assert store.add(picture(), "face").name == f"Avatar {info.id[:4]}"
    assert store.rig(info.id).source == "edited"


def test_it_survives_a_restart(store: AvatarStore, tmp_path: Path, finder: Finder) -> None:
    info = store.add(picture(), "kept")
    (tmp_path / "avatars" / ".half-written").mkdir()
    (tmp_path / "avatars" / ".being-written").mkdir()
    os.utime(tmp_path / "avatars" / ".half-written", (0, 0))
    again = AvatarStore(tmp_path, finder)
    assert again.get(info.id) == info
    assert not (tmp_path / "avatars" / ".half-written").exists()
    assert (tmp_path / "avatars" / ".being-written").exists()


def test_large_pictures_are_reduced_together_with_their_rig(store: AvatarStore, finder: Finder) -> None:
    large = picture(side=MAX_SIDE + 464)
    info = store.add(large, "large", fitted(Rig.load(PRESENTERS / "ada" / "rig.json"), large))
    assert (info.width, info.height) == (MAX_SIDE, MAX_SIDE)
    expected = scaled(Rig.load(PRESENTERS / "ada" / "rig.json"), MAX_SIDE / 1024)
    assert np.allclose(store.rig(info.id).points, expected.points, atol=0.1)
    assert finder.calls == 0


def test_edited_points_are_kept_and_marked(store: AvatarStore) -> None:
    info = store.add(picture(), "face")
    rig = store.rig(info.id)
    moved = replace(rig, points=rig.points + np.float32(1.5))
    store.edit(info.id, moved)
    kept = store.rig(info.id)
    assert kept.source == "edited"
    assert np.allclose(kept.points, moved.points, atol=0.01)


def test_a_rig_given_with_a_known_picture_replaces_the_one_found(store: AvatarStore) -> None:
    info = store.add(picture(), "face")
    rig = store.rig(info.id)
    store.add(picture(), "face", replace(rig, points=rig.points + np.float32(2)))
    assert np.allclose(store.rig(info.id).points, rig.points + 2, atol=0.01)


def test_deleted_means_gone(store: AvatarStore, tmp_path: Path) -> None:
    info = store.add(picture(), "face")
    store.default = info.id
    store.delete(info.id)
    with pytest.raises(NotFoundError):
        store.get(info.id)
    assert not list((tmp_path / "avatars").iterdir())
    assert store.get("").builtin


def test_shipped_ones_can_be_neither_changed_nor_deleted(store: AvatarStore) -> None:
    shipped = store.list()[0].id
    with pytest.raises(UnprocessableError, match="cannot be deleted"):
        store.delete(shipped)
    with pytest.raises(UnprocessableError, match="cannot be changed"):
        store.edit(shipped, store.rig(shipped))


@pytest.mark.parametrize(
    "name", ["../ada", "..", "/etc/passwd", "ada/../noor", "no-such", "x" * 200, "A\x00", "avatars/x", "%2e%2e"]
)
def test_names_from_clients_never_become_paths(store: AvatarStore, name: str) -> None:
    for method in (store.get, store.open, store.rig, store.picture, store.delete):
        with pytest.raises(NotFoundError, match="no avatar"):
            method(name)


def test_the_store_is_bounded_in_number(store: AvatarStore) -> None:
    for seed in range(3):
        store.add(picture(seed), "face")
    with pytest.raises(UnprocessableError, match="full"):
        store.add(picture(9), "one too many")
    store.delete(store.list()[-1].id)
    store.add(picture(9), "now it fits")


def test_the_store_is_bounded_in_bytes(tmp_path: Path, finder: Finder) -> None:
    store = AvatarStore(tmp_path, finder, StoreLimits(bytes=250_000))
    store.add(picture(1), "fits")
    with pytest.raises(UnprocessableError, match="full"):
        store.add(picture(2), "does not")
    assert len(list((tmp_path / "avatars").iterdir())) == 1


def test_temporary_avatars_are_cached_and_the_oldest_dropped(
    store: AvatarStore, finder: Finder, tmp_path: Path
) -> None:
    avatars = [store.temporary(picture(seed)) for seed in range(2)]
    assert store.temporary(picture(0)).id == avatars[0].id
    assert finder.calls == 2
    store.temporary(picture(5))
    assert len(list((tmp_path / "temporary").glob("*/*/portrait.png"))) == 2
    assert not any(info.id == avatars[0].id for info in store.list())


def test_pictures_of_single_requests_go_with_the_store(store: AvatarStore, tmp_path: Path, finder: Finder) -> None:
    mine = store.temporary(picture(0))
    beside = AvatarStore(tmp_path, finder)
    yours = beside.temporary(picture(1))
    assert store.open(yours.id).image == yours.image
    store.close()
    assert not mine.image.exists()
    assert beside.open(yours.id) == yours
    assert store.temporary(picture(0)).image.exists()
    for each in (store, beside):
        each.close()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_a_killed_process_left_is_cleared_and_what_a_running_one_uses_is_not(
    store: AvatarStore, tmp_path: Path, finder: Finder
) -> None:
    kept = store.temporary(picture(0))
    left = tmp_path / "temporary" / "killed"
    (left / "0123456789abcdef").mkdir(parents=True)
    (left / MARK).touch()
    AvatarStore(tmp_path, finder)
    assert not left.exists()
    assert store.open(kept.id).image.is_file()


def test_a_forgotten_face_is_not_kept_for_single_requests_either(store: AvatarStore, tmp_path: Path) -> None:
    borrowed = store.temporary(picture(0))
    store.delete(store.add(picture(0), "mine").id)
    assert not borrowed.image.exists()


def test_a_picture_without_a_face_leaves_nothing_behind(store: AvatarStore, tmp_path: Path) -> None:
    with pytest.raises(FaceError):
        store.add(np.zeros((64, 64, 3), np.uint8), "nobody")
    assert not list((tmp_path / "avatars").iterdir())


def test_the_same_picture_from_many_threads_is_kept_once(store: AvatarStore, tmp_path: Path) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(store.add(picture(), "x").id)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1
    assert [folder.name for folder in (tmp_path / "avatars").iterdir()] == ids[:1]


def _broken(rig: Rig, fault: str) -> Rig:
    if fault == "size":
        return replace(rig, size=(10, 10))
    if fault == "far":
        points = rig.points.copy()
        points[3] = 9000, 3
        return replace(rig, points=points)
    if fault == "coincide":
        return replace(rig, points=np.full_like(rig.points, 100.0))
    if fault == "radius":
        return replace(rig, irises=rig.irises * np.array([1, 1, -1], np.float32))
    if fault in ("right_eye", "lips_outer"):
        points, group = rig.points.copy(), slice(36, 42) if fault == "right_eye" else slice(48, 60)
        points[group] = points[group].mean(0)
        return replace(rig, points=points)
    mirrored = rig.points.copy()
    mirrored[36:42], mirrored[42:48] = rig.points[42:48], rig.points[36:42]
    return replace(rig, points=mirrored)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("size", "picture of"),
        ("far", "outside"),
        ("coincide", "coincide"),
        ("radius", "radius"),
        ("right_eye", "corners of 'right_eye' coincide"),
        ("lips_outer", "corners of 'lips_outer' coincide"),
        ("mirror", "mirrored"),
    ],
)
def test_rigs_that_cannot_be_a_face_are_refused(fault: str, message: str) -> None:
    rig = Rig.load(PRESENTERS / "ada" / "rig.json")
    check_rig(rig, rig.size)
    with pytest.raises(UnprocessableError, match=message):
        check_rig(_broken(rig, fault), rig.size)


def test_about_files_may_be_missing(tmp_path: Path, finder: Finder) -> None:
    store = AvatarStore(tmp_path, finder)
    info = store.add(picture(), "named")
    about = tmp_path / "avatars" / info.id / "about.json"
    assert json.loads(about.read_text(encoding="utf-8"))["name"] == "named"
    about.unlink()
    assert store.get(info.id).name == info.id
