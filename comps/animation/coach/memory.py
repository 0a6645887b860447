"""The memory of the GPUs as a report: whether LiveAvatar can draw at all, and what it would have to do without."""

from __future__ import annotations

from dataclasses import replace

from comps.animation.coach.finding import Finding, Measured, Report, Rule, Severity, Subject
from comps.animation.engine import AnimationEngine
from comps.animation.engines.liveavatar.engine import LiveAvatarEngine
from comps.animation.engines.liveavatar.launch.fit import LookAtGpus, judged
from comps.animation.engines.liveavatar.launch.gpus import read_gpus
from comps.animation.engines.liveavatar.launch.ladder import saved
from comps.animation.presets import PresetName
from comps.animation.settings import AnimationSettings
from comps.core.errors import EngineUnavailableError

_NEED = "memory that LiveAvatar needs on each GPU; at most what is free"
SHORT = Rule(
    "engine_memory",
    Subject.ENGINE,
    Severity.ERROR,
    _NEED,
    "GiB",
    None,
    None,
    "Use GPUs with more memory, or another engine, such as portrait.",
)
TIGHT = Rule(
    "engine_memory_tight",
    Subject.ENGINE,
    Severity.WARNING,
    "the same with all settings as they are, where those left on auto make it fit",
    "GiB",
    None,
    None,
    "Leave it to the engine, which does this by itself, or use GPUs with more memory.",
)
ABSENT = Rule(
    "engine_gpus",
    Subject.ENGINE,
    Severity.ERROR,
    "GPUs that LiveAvatar can use as it is set",
    "",
    None,
    None,
    "Run it on a machine with NVIDIA GPUs, correct the setting, or use another engine, such as portrait.",
)
MEMORY_RULES: tuple[Rule, ...] = (SHORT, TIGHT, ABSENT)


def memory_report(
    engine: str,
    settings: AnimationSettings,
    preset: PresetName,
    look: LookAtGpus = read_gpus,
    loaded: AnimationEngine | None = None,
) -> Report | None:
    """What the GPUs are good for; None for another engine, and for LiveAvatar where nothing is set. Blocks.

    Args:
        look: what reads the GPUs of this machine.
        loaded: the engine where it is loaded; the memory that its programs hold counts as free.
    """
    unset = settings.liveavatar_dir is None and settings.liveavatar_gpu_gib is None
    if engine != "liveavatar" or unset:
        return None
    occupied = loaded.occupied if isinstance(loaded, LiveAvatarEngine) else ()
    try:
        found = judged(settings, preset, look, occupied)
    except EngineUnavailableError as error:
        return Report(findings=(_weighed(Finding(ABSENT, "none", error.message), settings),))
    free = round(found.verdict.free_gib, 2)
    measured: dict[str, Measured] = {"need_gib": round(found.verdict.need_gib, 2), "free_gib": free}
    if not found.verdict.fits:
        short = Finding(replace(SHORT, most=free), measured["need_gib"], f"LiveAvatar {found.verdict}")
        return Report(measured, (_weighed(short, settings),))
    if remedies := saved(found.plan):
        said = f"LiveAvatar fits only with {'; '.join(remedies)}"
        return Report(measured, (Finding(replace(TIGHT, most=free), round(found.asked_gib, 2), said),))
    return Report(measured)


def nothing_to_tell(engine: str) -> str:
    """Why `memory_report` has nothing to say of an engine, and what to do for it to have."""
    if engine == "liveavatar":
        return (
            "set AVATAR_ANIMATION_LIVEAVATAR_DIR to the program that shall run here, or "
            "AVATAR_ANIMATION_LIVEAVATAR_GPU_GIB to the memory of the GPUs that it is meant for"
        )
    return f"the engine '{engine}' needs no GPU that could be too small"


def _weighed(finding: Finding, settings: AnimationSettings) -> Finding:
    """An error is a warning where another engine draws meanwhile."""
    other = settings.liveavatar_fallback
    if not other:
        return finding
    rule = replace(finding.rule, severity=Severity.WARNING)
    return replace(finding, rule=rule, message=f"{finding.message}; {other} draws instead")
