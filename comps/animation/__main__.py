"""``python -m comps.animation`` serves the animation service."""

from __future__ import annotations

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import serve

if __name__ == "__main__":
    settings = AnimationSettings()
    serve(create_app(settings), settings)
