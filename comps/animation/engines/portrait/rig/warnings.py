"""What to tell people about a rig that may be wrong."""

from __future__ import annotations

from comps.animation.engines.portrait.rig.rig import GROUPS, Rig
from comps.animation.engines.portrait.rig.subject import SMALL_EYE_DISTANCE

DOUBTFUL = 0.35
"""Mean confidence of a group below which its points should be looked at."""

_WORDS = {
    "jaw": "the jaw line",
    "right_brow": "the right brow",
    "left_brow": "the left brow",
    "nose_bridge": "the bridge of the nose",
    "nose_base": "the nostrils",
    "right_eye": "the right eye",
    "left_eye": "the left eye",
    "lips_outer": "the outline of the lips",
    "lips_inner": "the mouth line",
}


def rig_warnings(rig: Rig) -> tuple[str, ...]:
    """One sentence per doubtful part, empty when the rig can be trusted."""
    found, start = [], 0
    if rig.eye_distance < SMALL_EYE_DISTANCE:
        found.append("the face is small in its picture, so the video will look soft: use a larger picture")
    for name, count in GROUPS.items():
        if float(rig.confidence[start : start + count].mean()) < DOUBTFUL:
            found.append(f"{_WORDS[name]} could not be seen clearly: look at the preview and move its points if needed")
        start += count
    return tuple(found)
