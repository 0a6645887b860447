"""Configuration of the Audio2Face service: the files of 2.0, their layers, and the migration of older ones."""

from comps.animation.audio2face.configuration.advanced import AdvancedConfig
from comps.animation.audio2face.configuration.deployment import DeploymentConfig
from comps.animation.audio2face.configuration.document import ConfigurationError
from comps.animation.audio2face.configuration.layers import (
    Layers,
    ModelDefaults,
    StreamParameters,
    StreamRequest,
)
from comps.animation.audio2face.configuration.reading import Configuration, Notice, read_configuration
from comps.animation.audio2face.configuration.stylization import StylizationConfig

__all__ = [
    "AdvancedConfig",
    "Configuration",
    "ConfigurationError",
    "DeploymentConfig",
    "Layers",
    "ModelDefaults",
    "Notice",
    "StreamParameters",
    "StreamRequest",
    "StylizationConfig",
    "read_configuration",
]
