"""Backdrop: what is shown behind a person instead of what the picture has there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from comps.core.errors import UnknownChoiceError

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "white": (242, 242, 240),
    "black": (14, 14, 16),
    "grey": (128, 130, 133),
    "blue": (58, 98, 158),
    "green": (62, 122, 84),
    "red": (150, 48, 46),
    "purple": (96, 70, 140),
    "yellow": (222, 188, 92),
    "orange": (206, 126, 62),
    "pink": (222, 160, 174),
    "brown": (112, 82, 60),
    "beige": (214, 200, 178),
    "teal": (44, 116, 122),
}
"""Colours a backdrop may have, sRGB 0..255: as painted walls have them, none so loud that it drowns a face."""

Kind = Literal["own", "blurred", "plain", "studio"]


@dataclass(frozen=True, slots=True)
class Backdrop:
    """`kind`: the picture's ``own``; the same ``blurred`` as by a wide lens; a ``plain`` wall or a lit ``studio``.

    `colour` is a name of `COLOURS` for the last two.
    """

    kind: Kind = "own"
    colour: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.colour}" if self.colour else self.kind

    @classmethod
    def parse(cls, text: str) -> Backdrop:
        """Read ``own``, ``blurred``, ``studio``, ``studio:blue``, ``plain:white``; raises UnknownChoiceError."""
        kind, _, colour = text.strip().lower().partition(":")
        colour = "grey" if colour == "gray" else colour
        if kind in ("", "own") and not colour:
            return cls()
        if kind == "blurred" and not colour:
            return cls("blurred")
        if kind == "studio" and (not colour or colour in COLOURS):
            return cls("studio", colour or "grey")
        if kind == "plain" and colour in COLOURS:
            return cls("plain", colour)
        raise UnknownChoiceError(
            f"no backdrop '{text[:40]}'; there are: own, blurred, studio, studio:COLOUR and plain:COLOUR, "
            f"COLOUR being one of {', '.join(COLOURS)}",
            param="backdrop",
        )
