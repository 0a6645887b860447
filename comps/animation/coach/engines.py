"""What advice means to one engine: a prompt rules the picture of one, and of the others only mood, manner and backdrop."""

from __future__ import annotations

from dataclasses import replace

from comps.animation.coach.coach import Advice
from comps.animation.coach.finding import Finding, Measured, Report, Severity
from comps.animation.direction.direction import read_prompt
from comps.animation.engine import AnimationCapabilities


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
