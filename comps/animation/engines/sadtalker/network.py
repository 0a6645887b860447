"""The networks of SadTalker, each with the keys of the official checkpoints."""

from __future__ import annotations

from comps.animation.engines.sadtalker.expression import ExpressionNet
from comps.animation.engines.sadtalker.generator import SpadeGenerator
from comps.animation.engines.sadtalker.keypoints import KeypointDetector
from comps.animation.engines.sadtalker.mapping import MappingNet
from comps.animation.engines.sadtalker.pose import PoseVAE
from comps.animation.engines.sadtalker.reconstruction import ReconstructionNet

__all__ = ["ExpressionNet", "KeypointDetector", "MappingNet", "PoseVAE", "ReconstructionNet", "SpadeGenerator"]
