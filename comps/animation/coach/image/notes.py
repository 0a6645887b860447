"""Notes: what was measured while a picture is looked at, and the rules found broken."""

from __future__ import annotations

from comps.animation.coach.finding import Finding, Measured, Report, Rule, Severity

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.HINT)


class Notes:
    """Collects values and findings; `report` puts the findings worst first."""

    def __init__(self) -> None:
        self.measured: dict[str, Measured] = {}
        self._findings: list[Finding] = []

    def keep(self, name: str, value: float, digits: int = 1) -> float:
        """Write `value` down, rounded, under `name`; returns the value that was written."""
        written = round(value, digits) if digits else round(value)
        self.measured[name] = written
        return float(written)

    def judge(self, rule: Rule, value: float, message: str) -> bool:
        """Whether `value` keeps `rule`; a finding with `message` when it does not."""
        if rule.passes(value):
            return True
        self.find(rule, value, message)
        return False

    def judge_both(self, worse: Rule, bad: Rule, value: float, message: str) -> None:
        """Judge by `worse`, and only where that is kept by `bad`, so that one fault is told once."""
        if self.judge(worse, value, message):
            self.judge(bad, value, message)

    def find(self, rule: Rule, measured: Measured, message: str) -> None:
        """Note that `rule` is broken."""
        self._findings.append(Finding(rule, measured, message))

    def report(self) -> Report:
        """What was noted."""
        ordered = sorted(self._findings, key=lambda finding: _ORDER.index(finding.rule.severity))
        return Report(self.measured, tuple(ordered))
