"""AvatarStore: the faces that can speak, on disk, each with its rig beside it.

A folder per avatar, named by the first 16 hexadecimal digits of the SHA-256 of its pixels: the same picture is the
same avatar, its rig is found once, and no name that a client sends ever becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engine import Avatar
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.portrait.rig.warnings import rig_warnings
from comps.animation.footage import Footage, FootageLimits, import_footage
from comps.core.errors import AvatarError, FaceError, NotFoundError, UnprocessableError

logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
FindRig = Callable[[Picture], Rig]

PRESENTERS = Path(__file__).parent / "presenters"
"""The avatars that come with the package."""
MAX_SIDE = 1536
"""Longer side, in pixels, of a stored picture: more than any video shows."""
MAX_NAME = 80
MAX_VOICE = 100
MOST_LOOKS = 20
"""Frames of a video in which a face is looked for."""
_CORNERS = {"right_eye": (0, 3), "left_eye": (0, 3), "lips_outer": (0, 6)}
_NARROWEST = 0.05
"""Least width of an eye and a mouth, in eye distances; a face without them cannot be drawn."""
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Never ``__pycache__``, which pip leaves beside the shipped avatars."""
_PICTURE, _RIG, _ABOUT, _FILM = "portrait.png", "rig.json", "about.json", "film.mp4"
_PNG_HEAD, _PNG_TAIL = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds of a store: `avatars` and `bytes` that are kept, and `temporary` pictures cached for single requests."""

    avatars: int = 200
    bytes: int = 1024**3
    temporary: int = 64


@dataclass(frozen=True, slots=True)
class AvatarInfo:
    """What clients are told of an avatar.

    `builtin` ones came with the package; `voice`, a name of `GET /v1/voices`, goes with the face, ``""`` when none
    does; `warnings` are about the rig; `video` says whether it is a film.
    """

    id: str
    name: str
    builtin: bool
    summary: str
    licence: str
    voice: str
    width: int
    height: int
    confidence: float
    warnings: tuple[str, ...]
    video: bool = False


class AvatarStore:
    """The shipped presenters and the uploaded avatars. Every method blocks; all may be called from any thread.

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
        self._temporary = data / "temporary"
        self._find_rig = find_rig
        self._limits = limits or StoreLimits()
        self._lock = threading.Lock()
        self.default = ""
        for folder in (self._kept, self._temporary):
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(".*"):
                shutil.rmtree(leftover, ignore_errors=True)
                leftover.unlink(missing_ok=True)

    def list(self) -> list[AvatarInfo]:
        """Every avatar: the default first, then the shipped, then the uploaded, by name; damaged ones are left out."""
        infos = [info for folder, builtin in self._folders() if (info := _readable(folder, builtin))]
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
        return _info(*self._find(avatar))

    def open(self, avatar: str) -> Avatar:
        """The avatar as engines take it; raises NotFoundError, or UnprocessableError for a damaged one."""
        folder, _ = self._find(avatar)
        about = _read_about(folder)
        _read_rig(folder)
        _require_picture(folder)
        film = folder / _FILM
        name = str(about.get("name", folder.name))
        return Avatar(folder.name, name, folder / _PICTURE, folder / _RIG, film if film.is_file() else None)

    def rig(self, avatar: str) -> Rig:
        """Its points; raises NotFoundError, or UnprocessableError for a damaged one."""
        return _read_rig(self._find(avatar)[0])

    def picture(self, avatar: str) -> Picture:
        """Its picture, uint8 `[h, w, 3]` RGB; raises NotFoundError, or UnprocessableError for a damaged one."""
        return _read_picture(self._find(avatar)[0])

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
            return _info(folder, builtin=False)
        if rig is not None:
            _replace(folder / _RIG, rig.to_json().encode())
        self._mend(folder, picture)
        if voice:
            _replace(folder / _ABOUT, _about_json({**_read_about(folder), "voice": voice}).encode())
        return _info(folder, builtin=False)

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
            _replace(folder / _ABOUT, _about_json({**_read_about(folder), "voice": voice}).encode())
        return _info(folder, builtin=False)

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
        check_rig(rig, _read_rig(folder).size)
        _replace(folder / _RIG, replace(rig, source="edited").to_json().encode())
        return _info(folder, builtin)

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
        shutil.rmtree(self._temporary / identity, ignore_errors=True)

    def temporary(self, picture: Picture) -> Avatar:
        """An avatar for one request; its rig is cached, the oldest such avatars are dropped. Raises FaceError."""
        picture, _ = _reduced(picture, None)
        identity = _identity(picture)
        kept = self._kept / identity
        if kept.exists():
            self._mend(kept, picture)
            return self.open(identity)
        folder = self._temporary / identity
        if folder.exists():
            self._mend(folder, picture)
        else:
            self._make(self._temporary, identity, picture, self._find_rig(picture), {"name": identity})
            self._drop_oldest()
        (folder / _ABOUT).touch()
        return Avatar(identity, identity, folder / _PICTURE, folder / _RIG)

    def _folders(self) -> Iterator[tuple[Path, bool]]:
        for parent, builtin in ((self._shipped, True), (self._kept, False)):
            for folder in sorted(parent.iterdir()):
                if _ID.fullmatch(folder.name) and folder.is_dir():
                    yield folder, builtin

    def _find(self, avatar: str) -> tuple[Path, bool]:
        identity = self.resolve(avatar)
        if _ID.fullmatch(identity):
            for parent, builtin in ((self._shipped, True), (self._kept, False), (self._temporary, False)):
                if (parent / identity).is_dir():
                    return parent / identity, builtin
        raise NotFoundError(f"there is no avatar '{identity[:40]}'", param="avatar")

    def _make(
        self, parent: Path, identity: str, picture: Picture, rig: Rig, about: dict[str, str], film: Path | None = None
    ) -> None:
        """Write a whole avatar beside its place and move it there at once."""
        draft = parent / f".{uuid4().hex}"
        draft.mkdir()
        try:
            (draft / _PICTURE).write_bytes(encode_png(picture))
            (draft / _RIG).write_text(rig.to_json(), encoding="utf-8")
            (draft / _ABOUT).write_text(_about_json(about), encoding="utf-8")
            if film is not None:
                film.rename(draft / _FILM)
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
            (_require_picture, _PICTURE, lambda: encode_png(picture)),
            (_read_rig, _RIG, lambda: self._find_rig(picture).to_json().encode()),
            (_read_about, _ABOUT, lambda: _about_json({"name": f"Avatar {folder.name[:4]}"}).encode()),
        )
        for check, file, content in parts:
            try:
                check(folder)
            except UnprocessableError as error:
                logger.warning("%s; %s is made anew", error, file)
                _replace(folder / file, content())

    def _check_room(self, draft: Path) -> None:
        folders = [folder for folder, builtin in self._folders() if not builtin]
        size = sum(_bytes(folder) for folder in (*folders, draft))
        if len(folders) >= self._limits.avatars or size > self._limits.bytes:
            raise UnprocessableError("the store of avatars is full: delete one first")

    def _drop_oldest(self) -> None:
        with self._lock:
            folders = sorted(self._temporary.glob("[0-9a-f]*"), key=_last_use)
            for folder in folders[: -self._limits.temporary]:
                shutil.rmtree(folder, ignore_errors=True)


def check_rig(rig: Rig, size: tuple[int, int]) -> None:
    """Raise UnprocessableError, saying what is wrong, unless `rig` can be the face of a picture of `size`."""
    if rig.size != size:
        raise UnprocessableError(f"the rig is for a picture of {rig.size}, this one is {size}", param="rig")
    everything = np.concatenate([rig.points, rig.irises[:, :2], rig.crown[None]])
    # Jaw and crown may lie outside a tight crop, but not by more than the picture itself.
    low, high = -np.array(size, float), 2 * np.array(size, float)
    if not ((everything >= low) & (everything <= high)).all():
        raise UnprocessableError("a point of the rig lies far outside the picture", param="rig")
    if rig.eye_distance < 8 or (rig.irises[:, 2] <= 0).any() or (rig.irises[:, 2] > rig.eye_distance).any():
        raise UnprocessableError("the eyes of the rig coincide, or an iris has no sensible radius", param="rig")
    for name, (first, last) in _CORNERS.items():
        points = rig.group(name)
        if float(np.linalg.norm(points[last] - points[first])) < _NARROWEST * rig.eye_distance:
            raise UnprocessableError(f"the corners of '{name}' coincide", param="rig")
    across = rig.group("left_eye").mean(0) - rig.group("right_eye").mean(0)
    down = rig.group("lips_outer").mean(0) - rig.points[36:48].mean(0)
    if float(across[0] * down[1] - across[1] * down[0]) <= 0:
        raise UnprocessableError(
            "the rig is mirrored: 'right_eye' is the subject's, on the picture's left", param="rig"
        )


def encode_png(picture: Picture) -> bytes:
    """`picture`, uint8 `[h, w, 3]` RGB, as a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return data.tobytes()


def scaled(rig: Rig, factor: float) -> Rig:
    """The rig of the same picture made `factor` times as large."""
    width, height = (max(1, round(side * factor)) for side in rig.size)
    return replace(
        rig,
        size=(width, height),
        points=rig.points * np.float32(factor),
        irises=rig.irises * np.float32(factor),
        crown=rig.crown * np.float32(factor),
    )


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


def _info(folder: Path, builtin: bool) -> AvatarInfo:
    about, rig = _read_about(folder), _read_rig(folder)
    return AvatarInfo(
        id=folder.name,
        name=about.get("name", folder.name),
        builtin=builtin,
        summary=about.get("summary", ""),
        licence=about.get("licence", ""),
        voice=about.get("voice", ""),
        width=rig.size[0],
        height=rig.size[1],
        confidence=round(float(rig.confidence.mean()), 3),
        warnings=rig_warnings(rig),
        video=(folder / _FILM).is_file(),
    )


def _readable(folder: Path, builtin: bool) -> AvatarInfo | None:
    """What clients are told of it, or None when a file of the avatar is damaged or has just been deleted."""
    try:
        return _info(folder, builtin)
    except (UnprocessableError, NotFoundError) as error:
        logger.warning("%s; it is not listed", error)
        return None


def _read_about(folder: Path) -> dict[str, str]:
    path = folder / _ABOUT
    try:
        document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {str(key): str(value) for key, value in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise _damage(folder, _ABOUT) from error


def _read_rig(folder: Path) -> Rig:
    try:
        return Rig.load(folder / _RIG)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise _damage(folder, _RIG) from error


def _require_picture(folder: Path) -> None:
    """Raise UnprocessableError unless the picture is there from beginning to end; decoding it would take too long."""
    try:
        with (folder / _PICTURE).open("rb") as file:
            head = file.read(len(_PNG_HEAD))
            file.seek(-len(_PNG_TAIL), os.SEEK_END)
            tail = file.read()
    except OSError as error:
        raise _damage(folder, _PICTURE) from error
    if (head, tail) != (_PNG_HEAD, _PNG_TAIL):
        raise _damage(folder, _PICTURE)


def _damage(folder: Path, file: str) -> AvatarError:
    """What to say of an avatar whose `file` cannot be read."""
    if not folder.is_dir():  # deleted since it was found
        return NotFoundError(f"there is no avatar '{folder.name}'", param="avatar")
    remedy = "install the package again" if folder.parent == PRESENTERS else "add its picture again, or delete it"
    return UnprocessableError(f"avatar '{folder.name}' is damaged, its {file} cannot be read: {remedy}", param="avatar")


def _about_json(about: dict[str, str]) -> str:
    return json.dumps(about, ensure_ascii=False)


def _read_picture(folder: Path) -> Picture:
    _require_picture(folder)
    picture = cv2.imdecode(np.frombuffer((folder / _PICTURE).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise _damage(folder, _PICTURE)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{uuid4().hex}")
    draft.write_bytes(content)
    draft.replace(path)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _last_use(folder: Path) -> float:
    try:
        return (folder / _ABOUT).stat().st_mtime
    except FileNotFoundError:
        return 0.0
