"""What somebody, or some model, has told of a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """The person in a picture, as far as it is known; empty or None for what is not.

    The coach tells none of this from pixels: it is stated by the avatar's owner, or by a vision model where there is one.

    Args:
        sex: ``female`` or ``male``.
        age: years.
        hair: in words, such as ``short grey hair``.
        clothing: in words, such as ``a teal blazer``.
        glasses: whether there are any.
        background: in words.
        confidence: how sure all of this is, 0..1.
    """

    sex: str = ""
    age: int | None = None
    hair: str = ""
    clothing: str = ""
    glasses: bool | None = None
    background: str = ""
    confidence: float = 1.0
