"""The engines that can draw a speaking face, and what can make it better."""

from __future__ import annotations

from comps.animation.engine import AnimationCapabilities, AnimationEngine
from comps.animation.enhancer import Enhancer
from comps.core.engine import EngineSpec, EngineTable

AnimationTable = EngineTable[AnimationEngine, AnimationCapabilities]
EnhancerTable = EngineTable[Enhancer, None]

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
        EngineSpec(
            name="wav2lip",
            factory="comps.animation.engines.wav2lip.engine:Wav2LipEngine",
            extra="neural",
            capabilities=AnimationCapabilities(look_ahead_s=0.2155, needs_phones=False, head_pose=False, emotion=False),
            summary="lips of photos and films by the network of that name; weights for non-commercial use only",
            weights="wav2lip",
        ),
        EngineSpec(
            name="sadtalker",
            factory="comps.animation.engines.sadtalker.engine:SadTalkerEngine",
            extra="neural",
            capabilities=AnimationCapabilities(look_ahead_s=2.215, needs_phones=False, head_pose=True, emotion=False),
            summary="face and head of a photo move with the speech; wants a GPU; weights with terms of their own",
            weights="sadtalker",
        ),
        EngineSpec(
            name="liveavatar",
            factory="comps.animation.engines.liveavatar.engine:LiveAvatarEngine",
            extra=None,
            capabilities=AnimationCapabilities(
                look_ahead_s=0.5, needs_phones=False, head_pose=False, emotion=False, text=True
            ),
            summary="a whole person by the program of that name, on one NVIDIA GPU of 48 GB or live on five; untested here",
        ),
    ],
)

ENHANCERS: EnhancerTable = EngineTable(
    "animation",
    [
        EngineSpec(
            name="gfpgan",
            factory="comps.animation.engines.gfpgan.enhancer:FaceEnhancer",
            extra="neural",
            capabilities=None,
            summary="restores faces by the network of that name, after any engine; wants a GPU",
            weights="gfpgan",
        ),
    ],
    "enhancer",
)
"""What can make the faces better that an engine drew."""
