"""Where this operating system keeps a user's application data, and where models lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "avatarchatbot"


def user_data() -> Path:
    """The product's own folder; it may not exist yet."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _NAME
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / _NAME


def models_folder() -> Path:
    """Where models lie: ``AVATAR_MODELS_DIR``, else ``AVATAR_WEIGHTS_DIR``, else ``models`` in the user's data."""
    named = os.environ.get("AVATAR_MODELS_DIR") or os.environ.get("AVATAR_WEIGHTS_DIR")
    return Path(named).expanduser() if named else user_data() / "models"
