"""One avatar on disk: a folder with its picture, its points, what is said about it, and its film if it has one."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.engines.portrait.rig.warnings import rig_warnings
from comps.core.errors import AvatarError, NotFoundError, UnprocessableError

logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]

PICTURE, RIG, ABOUT, FILM = "portrait.png", "rig.json", "about.json", "film.mp4"
_PNG_HEAD, _PNG_TAIL = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
_PACKAGE = Path(__file__).parent


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


def info_of(folder: Path, builtin: bool) -> AvatarInfo:
    """What clients are told of it; raises UnprocessableError for a damaged one."""
    about, rig = read_about(folder), read_rig(folder)
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
        video=(folder / FILM).is_file(),
    )


def readable(folder: Path, builtin: bool) -> AvatarInfo | None:
    """What clients are told of it, or None when a file of the avatar is damaged or has just been deleted."""
    try:
        return info_of(folder, builtin)
    except (UnprocessableError, NotFoundError) as error:
        logger.warning("%s; it is not listed", error)
        return None


def read_about(folder: Path) -> dict[str, str]:
    """Its name, voice, summary and licence; empty where the file is missing. Raises UnprocessableError, NotFoundError."""
    path = folder / ABOUT
    try:
        document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {str(key): str(value) for key, value in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise _damage(folder, ABOUT) from error


def read_rig(folder: Path) -> Rig:
    """Its points. Raises UnprocessableError, NotFoundError."""
    try:
        return Rig.load(folder / RIG)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise _damage(folder, RIG) from error


def read_picture(folder: Path) -> Picture:
    """Its picture, uint8 `[h, w, 3]` RGB. Raises UnprocessableError, NotFoundError."""
    require_picture(folder)
    picture = cv2.imdecode(np.frombuffer((folder / PICTURE).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise _damage(folder, PICTURE)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)


def require_picture(folder: Path) -> None:
    """Raise UnprocessableError unless the picture is there from beginning to end; decoding it would take too long."""
    try:
        with (folder / PICTURE).open("rb") as file:
            head = file.read(len(_PNG_HEAD))
            file.seek(-len(_PNG_TAIL), os.SEEK_END)
            tail = file.read()
    except OSError as error:
        raise _damage(folder, PICTURE) from error
    if (head, tail) != (_PNG_HEAD, _PNG_TAIL):
        raise _damage(folder, PICTURE)


def about_json(about: dict[str, str]) -> str:
    """The text of its about.json."""
    return json.dumps(about, ensure_ascii=False)


def encode_png(picture: Picture) -> bytes:
    """`picture`, uint8 `[h, w, 3]` RGB, as a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return data.tobytes()


def replace_file(path: Path, content: bytes) -> None:
    """Write a file at once, beside its place."""
    draft = path.with_name(f".{uuid4().hex}")
    draft.write_bytes(content)
    draft.replace(path)


def size_of(folder: Path) -> int:
    """Bytes of all its files."""
    return sum(file.stat().st_size for file in folder.iterdir())


def last_use(folder: Path) -> float:
    """Unix seconds at which it was used last; 0 for one that has just been deleted."""
    try:
        return (folder / ABOUT).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _damage(folder: Path, file: str) -> AvatarError:
    """What to say of an avatar whose `file` cannot be read."""
    if not folder.is_dir():  # deleted since it was found
        return NotFoundError(f"there is no avatar '{folder.name}'", param="avatar")
    remedy = "install the package again" if _PACKAGE in folder.parents else "add its picture again, or delete it"
    return UnprocessableError(f"avatar '{folder.name}' is damaged, its {file} cannot be read: {remedy}", param="avatar")
