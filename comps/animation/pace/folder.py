"""Where paces are kept."""

from __future__ import annotations

import os
from pathlib import Path


def pace_folder() -> Path:
    """Beside other things that can be measured again, in the folder of the user's caches."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "avatarchatbot" / "pace"
