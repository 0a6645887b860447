"""``python -m comps.animation`` serves the animation service."""

from __future__ import annotations

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import serve_configured

if __name__ == "__main__":
    serve_configured(AnimationSettings, create_app)
