"""Migration of configuration files of Audio2Face-3D 1.0, 1.2 and 1.3 to 2.0."""

from comps.animation.audio2face.configuration.migration.migrate import Migration, Options, Output, migrate
from comps.animation.audio2face.configuration.migration.report import Report

__all__ = ["Migration", "Options", "Output", "Report", "migrate"]
