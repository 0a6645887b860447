"""The folder of knowledge that the environment names, looked at before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.cli.failure import UsageFailureError

_VARIABLES = ("AVATAR_KNOWLEDGE_DIR", "AVATAR_LLM_KNOWLEDGE_DIR", "AVATAR_ASR_KNOWLEDGE_DIR")


def check_knowledge_folder() -> None:
    """Raise UsageFailureError, naming variable and folder, for one that the services could not read."""
    for variable in _VARIABLES:
        named = os.environ.get(variable, "")
        if named and not Path(named).is_dir():
            problem = "is a file" if Path(named).exists() else "does not exist"
            raise UsageFailureError(
                f"{variable} names the folder {named}, which {problem}; make it, or unset the variable"
            )
