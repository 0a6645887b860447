"""Presets: one name for how much work an answer is worth, whatever engine draws it.

| preset | longer side | frames/s | x264 preset | enhancer |
|---|---|---|---|---|
| `quick` | 384 | 20 | ultrafast | none |
| `standard` | the deployment's (512) | the deployment's (25) | the deployment's (superfast) | the deployment's |
| `quality` | 768 | 30 | fast | the deployment's |

A request that names no preset gets `standard`. What it says itself (`size`, `fps`, `enhancer`) overrules its preset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from comps.core.errors import UnknownChoiceError

PresetName = Literal["quick", "standard", "quality"]
STANDARD: PresetName = "standard"


@dataclass(frozen=True, slots=True)
class Preset:
    """`size` longer side in pixels, `fps` frames per second, `video_preset` of x264; None takes the deployment's.

    `enhanced`: whether the enhancer of the deployment, if it has one, works on the faces.
    """

    name: PresetName
    size: int | None = None
    fps: int | None = None
    video_preset: str | None = None
    enhanced: bool = True


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("quick", size=384, fps=20, video_preset="ultrafast", enhanced=False),
        Preset("standard"),
        Preset("quality", size=768, fps=30, video_preset="fast"),
    )
}


def preset_of(name: str) -> Preset:
    """The preset `name`, ``""`` for `standard`; raises UnknownChoiceError that names the three."""
    preset = PRESETS.get(name or STANDARD)
    if preset is None:
        raise UnknownChoiceError(f"there is no preset '{name[:40]}'; there are: {', '.join(PRESETS)}", param="preset")
    return preset
