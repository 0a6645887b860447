"""What to say of an avatar that is asked for and not there."""

from __future__ import annotations

from collections.abc import Sequence

from comps.animation.avatar_folder import AvatarInfo
from comps.core.errors import NotFoundError
from comps.core.language.closest import closest

_NAMED = 6
"""Avatars that the sentence names."""


def unknown_avatar(wanted: str, avatars: Sequence[AvatarInfo]) -> NotFoundError:
    """The error for `wanted`: those of `avatars` that are like it by id or name, or where there are none the first."""
    labels = {key: _label(avatar) for avatar in avatars for key in (avatar.id, avatar.name)}
    close = list(dict.fromkeys(labels[key] for key in closest(wanted, labels)))
    named = close or list(dict.fromkeys(labels.values()))[:_NAMED]
    offer = f"{'closest' if close else 'there are'}: {', '.join(named)}; " if named else ""
    return NotFoundError(f"there is no avatar '{wanted[:40]}'; {offer}GET /v1/avatars lists all", param="avatar")


def _label(avatar: AvatarInfo) -> str:
    return avatar.id if avatar.name.lower() == avatar.id else f"{avatar.id} ({avatar.name})"
