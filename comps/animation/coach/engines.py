"""What advice means to one engine and preset: not every engine draws from text, nor every video as large."""

from __future__ import annotations

from dataclasses import replace

from comps.animation.coach.coach import Advice
from comps.animation.coach.finding import Finding, Measured, Report, Rule, Severity, Subject
from comps.animation.direction.direction import read_prompt
from comps.animation.engine import AnimationCapabilities

BELOW_PRESET = Rule(
    "image_below_preset",
    Subject.IMAGE,
    Severity.HINT,
    "longer side of the picture; at least that of the video",
    "px",
    None,
    None,
    "Use a larger picture or a smaller preset: the video will be enlarged and look soft.",
)
ENGINE_RULES: tuple[Rule, ...] = (BELOW_PRESET,)
"""Those whose thresholds come with the preset."""


def for_preset(advice: Advice, size: int) -> Advice:
    """`advice` with what a video of `size` pixels adds to it."""
    measured = advice.image.measured if advice.image is not None else {}
    longer = max(int(measured.get(side, 0)) for side in ("width", "height"))
    if advice.image is None or not 0 < longer < size:
        return advice
    rule = replace(BELOW_PRESET, least=size)
    found = Finding(rule, longer, f"the picture is {longer} pixels long and the video {size}")
    return replace(advice, image=replace(advice.image, findings=(*advice.image.findings, found)))


def for_engine(advice: Advice, capabilities: AnimationCapabilities, prompt: str | None) -> Advice:
    """`advice` as an engine with `capabilities` makes it matter.

    To one that does not draw from text, findings on the prompt are hints, and the report says what is done about it.
    """
    if capabilities.text or advice.prompt is None or prompt is None:
        return advice
    asked = read_prompt(prompt)
    understood: dict[str, Measured] = {
        "understood_emotion": asked.emotion or "none",
        "understood_head_motion": asked.head_motion,
        "understood_backdrop": str(asked.backdrop),
    }
    findings = tuple(_hint(finding) for finding in advice.prompt.findings)
    return replace(advice, prompt=Report({**advice.prompt.measured, **understood}, findings))


def _hint(finding: Finding) -> Finding:
    return replace(finding, rule=replace(finding.rule, severity=Severity.HINT))
