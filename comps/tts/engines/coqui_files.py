"""Which files of a local Coqui model are what, and its config with the places they have here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comps.core.errors import EngineUnavailableError

_WEIGHTS = ("model.pth", "best_model.pth", "model_file.pth")
_LOADS_ITS_FOLDER = frozenset({"xtts", "tortoise", "bark"})
_MAX_CONFIG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LocalModel:
    """What the library is given: weights, a file or their folder, and the text of ``config.json``."""

    weights: Path
    config: str


def local_model(path: Path) -> LocalModel:
    """The model in the folder `path`, or with the weights `path` and ``config.json`` beside them.

    A config names its files (speakers, languages, statistics) where they lay on the machine that
    trained the model; those that are not there but in the folder are taken from it.

    Raises:
        EngineUnavailableError: no config, an unreadable one, or no weights.
    """
    folder = path if path.is_dir() else path.parent
    try:
        config = _config(folder / "config.json")
    except (OSError, ValueError) as error:
        raise EngineUnavailableError(f"'{path}' needs a readable config.json in its folder: {error}") from error
    by_folder = config.get("model") in _LOADS_ITS_FOLDER
    weights = folder if by_folder else path if path.is_file() else _weights(folder)
    return LocalModel(weights, json.dumps(_placed(config, folder)))


def _config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise ValueError(f"it has more than {_MAX_CONFIG_BYTES} bytes")
    config = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError("it is no JSON object")
    return config


def _weights(folder: Path) -> Path:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("checkpoint_*.pth"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise EngineUnavailableError(f"'{folder}' holds no weights: {', '.join(_WEIGHTS)} or checkpoint_*.pth")
    return found[-1]


def _placed(value: Any, folder: Path, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _placed(part, folder, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_placed(part, folder, key) for part in value]
    if isinstance(value, str) and value and key.endswith(("_file", "_path")) and not Path(value).is_file():
        own = folder / Path(value).name
        return str(own) if own.is_file() else value
    return value
