"""``python -m comps.core.weights FOLDER NAME...``: what the containers run at start.

The names are those of ``avatarchatbot models list``; whoever sets them in a container's environment agrees to their
licences, which are printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from comps.core.errors import EngineUnavailableError
from comps.core.weights.folder import ModelFolder
from comps.core.weights.pull import Puller
from comps.core.weights.table import Model, manifest
from comps.core.weights.watcher import Watcher


class _Lines(Watcher):
    """One line per thing worth knowing."""

    def says(self, sentence: str) -> None:
        sys.stderr.write(f"{sentence}\n")


def main(arguments: list[str]) -> int:
    """Fetch the named models into a folder; 0 when all are there, 2 on wrong use, 1 on failure."""
    known = manifest()
    if not arguments or any(name not in known for name in arguments[1:]):
        sys.stderr.write(f"usage: python -m comps.core.weights FOLDER NAME...   names: {', '.join(known)}\n")
        return 2
    try:
        with Puller(ModelFolder(Path(arguments[0])), watcher=_Lines()) as puller:
            for name in arguments[1:]:
                _pull(known[name], puller)
    except EngineUnavailableError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def _pull(model: Model, puller: Puller) -> None:
    sys.stderr.write(f"{model.name}: licence {model.licence.label}. {model.licence.terms} {model.licence.url}\n")
    for file in model.files:
        puller.pull(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
