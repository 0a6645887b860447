"""The engines that can draw a speaking face."""

from __future__ import annotations

from comps.animation.engine import AnimationCapabilities, AnimationEngine
from comps.core.engine import EngineSpec, EngineTable

AnimationTable = EngineTable[AnimationEngine, AnimationCapabilities]

ENGINES: AnimationTable = EngineTable(
    "animation",
    [
        EngineSpec(
            name="portrait",
            factory="comps.animation.engines.portrait.engine:PortraitEngine",
            extra=None,
            capabilities=AnimationCapabilities(look_ahead_s=0.15, needs_phones=True, head_pose=True, emotion=True),
            summary="own 2-D renderer: any portrait photo or drawing, no weights, real time on one core",
        ),
    ],
)
