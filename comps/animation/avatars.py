"""AvatarStore: the faces that can speak, on disk, each with its rig beside it.

A folder per avatar, named by the first 16 hexadecimal digits of the SHA-256 of its pixels: the same picture is the
same avatar, its rig is found once, and no name that a client sends ever becomes a path.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np

from comps.animation.avatar_folder import (
    ABOUT,
    FILM,
    PICTURE,
    RIG,
    AvatarInfo,
    Picture,
    about_json,
    encode_png,
    info_of,
    last_use,
    read_about,
    read_picture,
    read_rig,
    readable,
    replace_file,
    require_picture,
    size_of,
)
from comps.animation.engine import Avatar
from comps.animation.engines.portrait.rig.checked import check_rig, scaled
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.footage import Footage, FootageLimits, import_footage
from comps.animation.unknown_avatar import unknown_avatar
from comps.core.errors import FaceError, NotFoundError, UnprocessableError
from comps.core.own_folder import OwnFolder

logger = logging.getLogger(__name__)

FindRig = Callable[[Picture], Rig]

PRESENTERS = Path(__file__).parent / "presenters"
"""The avatars that come with the package."""
MAX_SIDE = 1536
"""Longer side, in pixels, of a stored picture: more than any video shows."""
MAX_NAME = 80
MAX_VOICE = 100
DRAFT_AGE_S = 3600.0
"""Seconds after which what never became an avatar was left by a process that is gone."""
MOST_LOOKS = 20
"""Frames of a video in which a face is looked for."""
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Never ``__pycache__``, which pip leaves beside the shipped avatars."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds of a store: `avatars` and `bytes` that are kept, and `temporary` pictures held for single requests."""

    avatars: int = 200
    bytes: int = 1024**3
    temporary: int = 64


class AvatarStore:
    """The shipped presenters and the uploaded avatars. Every method blocks; all may be called from any thread.

    Pictures of single requests are kept in a folder of this store alone, which `close` removes.

    Args:
        data: folder of the uploaded ones; made when it is missing.
        find_rig: finds the points of a picture; raises FaceError when it holds no usable face.
        limits: how much may be kept.
        shipped: folder of the presenters.
    """

    def __init__(
        self, data: Path, find_rig: FindRig, limits: StoreLimits | None = None, shipped: Path = PRESENTERS
    ) -> None:
        self._shipped = shipped
        self._kept = data / "avatars"
        self._all_temporary = data / "temporary"
        self._temporary = OwnFolder(self._all_temporary)
        self._find_rig = find_rig
        self._limits = limits or StoreLimits()
        self._lock = threading.Lock()
        self.default = ""
        self._kept.mkdir(parents=True, exist_ok=True)
        _remove_drafts(self._kept)
        self._temporary.clear_leftovers()

    def close(self) -> None:
        """Remove the pictures of single requests."""
        self._temporary.close()

    def list(self) -> list[AvatarInfo]:
        """Every avatar: the default first, then the shipped, then the uploaded, by name; damaged ones are left out."""
        infos = [info for folder, builtin in self._folders() if (info := readable(folder, builtin))]
        default = self.resolve("") if infos else ""
        return sorted(infos, key=lambda info: (info.id != default, not info.builtin, info.name.lower(), info.id))

    def resolve(self, avatar: str) -> str:
        """The id that `avatar` means: ``""`` and ``"default"`` are the default one."""
        if avatar not in ("", "default"):
            return avatar
        first = next((folder.name for folder, _ in self._folders()), "")
        return self.default or first

    def get(self, avatar: str) -> AvatarInfo:
        """One avatar by id; raises NotFoundError, or UnprocessableError for a damaged one."""
        return info_of(*self._find(avatar))

    def open(self, avatar: str) -> Avatar:
        """The avatar as engines take it; raises NotFoundError, or UnprocessableError for a damaged one."""
        folder, _ = self._find(avatar)
        about = read_about(folder)
        read_rig(folder)
        require_picture(folder)
        film = folder / FILM
        name = str(about.get("name", folder.name))
        return Avatar(folder.name, name, folder / PICTURE, folder / RIG, film if film.is_file() else None)

    def rig(self, avatar: str) -> Rig:
        """Its points; raises NotFoundError, or UnprocessableError for a damaged one."""
        return read_rig(self._find(avatar)[0])

    def picture(self, avatar: str) -> Picture:
        """Its picture, uint8 `[h, w, 3]` RGB; raises NotFoundError, or UnprocessableError for a damaged one."""
        return read_picture(self._find(avatar)[0])

    def add(self, picture: Picture, name: str, rig: Rig | None = None, voice: str = "") -> AvatarInfo:
        """Keep a picture; one that is there already stays as it is, but for a rig or a voice that is given.

        What cannot be read of one that is there is made anew.

        Raises:
            FaceError: the picture holds no usable face and no rig is given.
            UnprocessableError: the rig does not fit the picture, or the store is full.
        """
        if rig is not None:
            check_rig(rig, (picture.shape[1], picture.shape[0]))
        picture, rig = _reduced(picture, rig)
        identity = _identity(picture)
        folder, voice = self._kept / identity, _printable(voice)[:MAX_VOICE]
        if not folder.exists():
            points = rig or self._find_rig(picture)
            about = {"name": _printable(name)[:MAX_NAME] or f"Avatar {identity[:4]}", "licence": "", "voice": voice}
            self._make(self._kept, identity, picture, points, about)
            return info_of(folder, builtin=False)
        if rig is not None:
            replace_file(folder / RIG, rig.to_json().encode())
        self._mend(folder, picture)
        if voice:
            replace_file(folder / ABOUT, about_json({**read_about(folder), "voice": voice}).encode())
        return info_of(folder, builtin=False)

    def add_film(self, data: bytes, name: str, voice: str = "", limits: FootageLimits | None = None) -> AvatarInfo:
        """Keep a video of a face, in the form footage.py makes of it; its picture is the first frame with a face.

        Raises:
            UnsupportedMediaError, TooLargeError: as `import_footage` does.
            FaceError: no usable face in its first seconds.
            UnprocessableError: the video has no frames, or the store is full.
        """
        identity = hashlib.sha256(b"film" + data).hexdigest()[:16]
        folder, voice = self._kept / identity, _printable(voice)[:MAX_VOICE]
        if not folder.exists():
            draft = self._kept / f".{uuid4().hex}.mp4"
            try:
                import_footage(data, draft, limits)
                picture, rig = self._face_of(draft)
                about = {"name": _printable(name)[:MAX_NAME] or f"Avatar {identity[:4]}", "licence": "", "voice": voice}
                self._make(self._kept, identity, picture, rig, about, draft)
            finally:
                draft.unlink(missing_ok=True)
        elif voice:
            replace_file(folder / ABOUT, about_json({**read_about(folder), "voice": voice}).encode())
        return info_of(folder, builtin=False)

    def _face_of(self, film: Path) -> tuple[Picture, Rig]:
        """The first frame of a film in which a face can be used, and its points."""
        problem: FaceError | None = None
        with Footage(film) as footage:
            step = max(1, min(footage.fps // 2, len(footage) // MOST_LOOKS))
            for index in range(0, len(footage), step)[:MOST_LOOKS]:
                picture = footage.frame(index)
                try:
                    return picture, self._find_rig(picture)
                except FaceError as error:
                    problem = problem or error
        raise problem or FaceError("the video shows no face", param="file")

    def edit(self, avatar: str, rig: Rig) -> AvatarInfo:
        """Replace the points of an uploaded avatar.

        Raises:
            NotFoundError: there is no such avatar.
            UnprocessableError: it came with the package, or the points do not fit its picture.
        """
        folder, builtin = self._find(avatar)
        if builtin:
            raise UnprocessableError(f"avatar '{folder.name}' comes with the package and cannot be changed")
        check_rig(rig, read_rig(folder).size)
        replace_file(folder / RIG, replace(rig, source="edited").to_json().encode())
        return info_of(folder, builtin)

    def delete(self, avatar: str) -> None:
        """Forget an uploaded avatar; raises NotFoundError, or UnprocessableError for one of the package."""
        folder, builtin = self._find(avatar)
        if builtin:
            raise UnprocessableError(f"avatar '{folder.name}' comes with the package and cannot be deleted")
        identity = folder.name
        gone = folder.with_name(f".{uuid4().hex}")
        with self._lock:
            if not folder.exists():  # another request was quicker
                raise NotFoundError(f"there is no avatar '{identity}'", param="avatar")
            folder.rename(gone)
            if self.default == identity:
                self.default = ""
        shutil.rmtree(gone, ignore_errors=True)
        # the same picture may also have been used for a single request
        for borrowed in self._all_temporary.glob(f"*/{identity}"):
            shutil.rmtree(borrowed, ignore_errors=True)

    def temporary(self, picture: Picture) -> Avatar:
        """An avatar for one request; it is kept until newer ones need its place, or `close`. Raises FaceError."""
        picture, _ = _reduced(picture, None)
        identity = _identity(picture)
        kept = self._kept / identity
        if kept.exists():
            self._mend(kept, picture)
            return self.open(identity)
        folder = self._temporary.path / identity
        if folder.exists():
            self._mend(folder, picture)
        else:
            self._make(folder.parent, identity, picture, self._find_rig(picture), {"name": identity})
            self._drop_oldest()
        (folder / ABOUT).touch()
        return Avatar(identity, identity, folder / PICTURE, folder / RIG)

    def _folders(self) -> Iterator[tuple[Path, bool]]:
        for parent, builtin in ((self._shipped, True), (self._kept, False)):
            for folder in sorted(parent.iterdir()):
                if _ID.fullmatch(folder.name) and folder.is_dir():
                    yield folder, builtin

    def _find(self, avatar: str) -> tuple[Path, bool]:
        identity = self.resolve(avatar)
        if _ID.fullmatch(identity):
            # pictures of single requests also where another process that shares the folder has them
            borrowed = [folder.parent for folder in self._all_temporary.glob(f"*/{identity}")]
            for parent, builtin in (
                (self._shipped, True),
                (self._kept, False),
                *((place, False) for place in borrowed),
            ):
                if (parent / identity).is_dir():
                    return parent / identity, builtin
        raise unknown_avatar(identity, self.list())

    def _make(
        self, parent: Path, identity: str, picture: Picture, rig: Rig, about: dict[str, str], film: Path | None = None
    ) -> None:
        """Write a whole avatar beside its place and move it there at once."""
        draft = parent / f".{uuid4().hex}"
        draft.mkdir()
        try:
            (draft / PICTURE).write_bytes(encode_png(picture))
            (draft / RIG).write_text(rig.to_json(), encoding="utf-8")
            (draft / ABOUT).write_text(about_json(about), encoding="utf-8")
            if film is not None:
                film.rename(draft / FILM)
            with self._lock:
                if parent == self._kept:
                    self._check_room(draft)
                if not (parent / identity).exists():
                    draft.rename(parent / identity)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _mend(self, folder: Path, picture: Picture) -> None:
        """Write again what cannot be read of the avatar whose picture is `picture`; raises FaceError."""
        parts: tuple[tuple[Callable[[Path], object], str, Callable[[], bytes]], ...] = (
            (require_picture, PICTURE, lambda: encode_png(picture)),
            (read_rig, RIG, lambda: self._find_rig(picture).to_json().encode()),
            (read_about, ABOUT, lambda: about_json({"name": f"Avatar {folder.name[:4]}"}).encode()),
        )
        for check, file, content in parts:
            try:
                check(folder)
            except UnprocessableError as error:
                logger.warning("%s; %s is made anew", error, file)
                replace_file(folder / file, content())

    def _check_room(self, draft: Path) -> None:
        folders = [folder for folder, builtin in self._folders() if not builtin]
        size = sum(size_of(folder) for folder in (*folders, draft))
        if len(folders) >= self._limits.avatars or size > self._limits.bytes:
            raise UnprocessableError("the store of avatars is full: delete one first")

    def _drop_oldest(self) -> None:
        with self._lock:
            folders = sorted(self._temporary.path.glob("[0-9a-f]*"), key=last_use)
            for folder in folders[: -self._limits.temporary]:
                shutil.rmtree(folder, ignore_errors=True)


def _remove_drafts(folder: Path) -> None:
    for draft in folder.glob(".*"):
        with suppress(OSError):
            if time.time() - draft.stat().st_mtime > DRAFT_AGE_S:
                shutil.rmtree(draft, ignore_errors=True)
                draft.unlink(missing_ok=True)


def _reduced(picture: Picture, rig: Rig | None) -> tuple[Picture, Rig | None]:
    factor = MAX_SIDE / max(picture.shape[:2])
    if factor >= 1:
        return picture, rig
    width, height = (max(1, round(side * factor)) for side in (picture.shape[1], picture.shape[0]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return small, scaled(rig, factor) if rig else None


def _identity(picture: Picture) -> str:
    digest = hashlib.sha256(repr(picture.shape).encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()[:16]


def _printable(text: str) -> str:
    """`text` on one line, without what cannot be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
