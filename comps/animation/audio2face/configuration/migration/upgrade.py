"""Files of 1.2 and 1.3 to 2.0, edited where they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from comps.animation.audio2face import parameters
from comps.animation.audio2face.configuration.advanced import AdvancedConfig
from comps.animation.audio2face.configuration.deployment import LOG_LEVELS, DeploymentConfig
from comps.animation.audio2face.configuration.document import Document, KeyPath, shown, switch
from comps.animation.audio2face.configuration.edits import Edits
from comps.animation.audio2face.configuration.migration.defaults import TONGUE_KEYS, TONGUE_ROWS, File, new_keys
from comps.animation.audio2face.configuration.migration.report import Changed, Report
from comps.animation.audio2face.configuration.section import Section
from comps.animation.audio2face.configuration.stylization import (
    DIFFUSION_MODEL,
    REGRESSION_MODELS,
    character_of,
)

_NEW_IDS = {"claire_v2.3": "claire_v2.3.1", "james_v2.3": "james_v2.3.1", "mark_v2.3": "mark_v2.3"}
_OLD_ID = "inference_model_id"
_GONE = ("blendshape_id", "tongue_blendshape_id")
_FALLBACK = "claire"


@dataclass(frozen=True, slots=True)
class Step:
    """One file on its way to 2.0.

    Attributes:
        document: the file.
        report: what is noted.
        prefix: where the configuration is within the file; empty when it is the file.
        label: what reports put before a path.
        character: whose file it is, as the user said; empty when he did not.
    """

    document: Document
    edits: Edits
    report: Report
    prefix: KeyPath = ()
    label: str = ""
    character: str = ""

    def has(self, *path: str) -> bool:
        """Whether the old file has a key."""
        return self.document.has((*self.prefix, *path))

    def get(self, *path: str) -> Any:
        """A value of the old file, None where there is none."""
        return self.document.get((*self.prefix, *path))

    def section(self, *path: str) -> dict[str, Any]:
        """A section of the old file, empty where there is none."""
        return self.document.section((*self.prefix, *path))

    def path(self, *path: str) -> str:
        """A path as the report has it."""
        return self.label + shown(path)

    def add(self, section: KeyPath, entries: Mapping[str, Any]) -> None:
        """Append those entries of a section that the file lacks."""
        present = self.section(*section)
        missing = {key: value for key, value in entries.items() if key not in present}
        if missing:
            self.edits.append((*self.prefix, *section), missing)
            self.report.added += (self.path(*section, key) for key in missing)

    def replace(self, path: KeyPath, value: str) -> None:
        """Give a key another value."""
        self.report.changed.append(Changed(self.path(*path), self.get(*path), value))
        self.edits.replace((*self.prefix, *path), value)


def upgrade_stylization(step: Step) -> None:
    """The model block, the tongue's parameters and rows; the ids of blend shapes go."""
    if any(step.has("a2f", name) for name in ("inference_type", "regression_model", "diffusion_model")):
        raise step.document.error(
            f"is half migrated: it has keys of 2.0 beside {_OLD_ID}", (*step.prefix, "a2f", _OLD_ID)
        )
    for name in _GONE:
        if step.has("a2f", name):
            step.report.removed.append((step.path("a2f", name), step.get("a2f", name)))
            step.edits.remove((*step.prefix, "a2f", name))
    entries = _model_block(step)
    tongue = {key: parameters.defaults(character=_FALLBACK)[key] for key in TONGUE_KEYS}
    if not step.has("a2f"):
        entries["face_params"] = tongue
        step.report.added += (step.path("a2f", "face_params", key) for key in tongue)
    carried = _OLD_ID if step.has("a2f", _OLD_ID) else ""
    step.edits.lead((*step.prefix, "a2f"), entries, carried, ("regression_model", _OLD_ID) if carried else ())
    if step.has("a2f"):
        step.add(("a2f", "face_params"), tongue)
    for table, rows in TONGUE_ROWS.items():
        if step.section("a2f", "blendshape_params", table):
            step.add(("a2f", "blendshape_params", table), rows)


def upgrade_deployment(step: Step) -> None:
    """The length of the silence, the keys of encryption, the names of log levels."""
    level = step.get("logging", "log_level")
    new = "disabled" if level is False else LOG_LEVELS.get(str(level))
    if new is not None:
        step.replace(("logging", "log_level"), new)
    _add_new(step, DeploymentConfig)
    if _is(step.get("endpoints", "use_bidirectional"), False):
        step.report.warn(
            "unidirectional_removed",
            f"{step.path('endpoints', 'use_bidirectional')} is false, but 2.0 has bidirectional endpoints only",
        )


def upgrade_advanced(step: Step) -> None:
    """Pacing, the solver, resampling; the detector's only precision."""
    precision = ("trt_model_generation", "a2e", "precision")
    if step.get(*precision) not in (None, "fp32"):
        step.replace(precision, "fp32")
    _add_new(step, AdvancedConfig)
    if _is(step.get("garbage_collector", "enabled"), True):
        step.report.warn(
            "garbage_collector_deprecated",
            f"{step.path('garbage_collector', 'enabled')} is true, but 2.0 has no use for it",
        )


UPGRADES: dict[File, Callable[[Step], None]] = {
    "stylization": upgrade_stylization,
    "deployment": upgrade_deployment,
    "advanced": upgrade_advanced,
}


def _model_block(step: Step) -> dict[str, Any]:
    entries: dict[str, Any] = {"inference_type": "regression"}
    if step.has("a2f", _OLD_ID):
        entries["regression_model"] = {_OLD_ID: _new_id(step)}
    entries["diffusion_model"] = {
        _OLD_ID: DIFFUSION_MODEL,
        "identity": _identity(step),
        "constant_noise": True,
    }
    for name, value in entries.items():
        keys = [(name, key) for key in value] if isinstance(value, dict) else [(name,)]
        step.report.added += (step.path("a2f", *key) for key in keys)
    if not step.has("a2f", "enable_tongue_blendshapes"):
        entries["enable_tongue_blendshapes"] = True
        step.report.added.append(step.path("a2f", "enable_tongue_blendshapes"))
    return entries


def _new_id(step: Step) -> str:
    old = step.get("a2f", _OLD_ID)
    if not isinstance(old, str) or not old:
        raise step.document.error("names no model", (*step.prefix, "a2f", _OLD_ID))
    path, new = step.path("a2f", _OLD_ID), _NEW_IDS.get(old, old)
    step.report.removed.append((path, old))
    step.report.moved[path] = step.path("a2f", "regression_model", _OLD_ID)
    if new != old:
        step.report.changed.append(Changed(path, old, new))
    if new not in REGRESSION_MODELS.values():
        known = ", ".join(REGRESSION_MODELS.values())
        step.report.warn("unknown_model", f"{path} '{old}' is carried over, but 2.0 has {known}")
    return new


def _identity(step: Step) -> str:
    """Whose way of moving the diffusion model takes: the old model's character."""
    old = step.get("a2f", _OLD_ID)
    named = None if old else character_of(step.document.name)
    found = character_of(old) or step.character or named
    if found:
        return found
    path = step.path("a2f", "diffusion_model", "identity")
    step.report.warn("unknown_model", f"{path} is {_FALLBACK}, as nothing names another character (--character does)")
    return _FALLBACK


def _add_new(step: Step, model: type[Section]) -> None:
    sections: dict[KeyPath, dict[str, Any]] = {}
    for path, default in new_keys(model).items():
        sections.setdefault(path[:-1], {})[path[-1]] = default
    for section, entries in sections.items():
        step.add(section, entries)


def _is(value: object, wanted: bool) -> bool:
    try:
        return switch(value) is wanted
    except ValueError:
        return False
