"""Model weights: a table of what exists, a folder they lie in, and the only code that fetches them.

Engines call `require` for their paths; the commands `avatarchatbot models ...` and the containers
(``python -m comps.core.weights FOLDER NAME...``) fetch and check. Nothing is fetched unasked.
"""

from comps.core.user_data import models_folder
from comps.core.weights.folder import ModelFolder, State, require, state_of
from comps.core.weights.importing import Imported, import_files
from comps.core.weights.pull import Pulled, Puller, PullOptions
from comps.core.weights.table import Licence, Model, WeightFile, documented, find, manifest
from comps.core.weights.watcher import Watcher

__all__ = [
    "Imported",
    "Licence",
    "Model",
    "ModelFolder",
    "PullOptions",
    "Pulled",
    "Puller",
    "State",
    "Watcher",
    "WeightFile",
    "documented",
    "find",
    "import_files",
    "manifest",
    "models_folder",
    "require",
    "state_of",
]
