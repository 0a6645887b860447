"""What the coach says: rules with thresholds, and findings where something measured breaks one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Subject(str, Enum):
    """What a rule is about; ``together`` are rules on how the three agree, ``engine`` on what is to draw them."""

    IMAGE = "image"
    AUDIO = "audio"
    PROMPT = "prompt"
    TOGETHER = "together"
    ENGINE = "engine"


class Severity(str, Enum):
    """How bad a finding is: an ``error`` cannot work, a ``warning`` will be seen or heard, a ``hint`` may help."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


Measured = float | int | str
"""A measured value: a number in the rule's unit, or words where there is nothing to count."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One threshold of the coach: a row of the table in docs/coach.md.

    Args:
        code: stable name, such as ``image_too_small``.
        measure: what is measured, in words.
        unit: of `least`, `most` and what is measured (``px``, ``dBFS``, ``degrees``); empty for words.
        least: smallest value that passes; None for no bound.
        most: largest value that passes; None for no bound.
        advice: what to do, one sentence.
        fix: what ``--fix`` does about it; empty when only a person can.
        source: where the threshold comes from.
    """

    code: str
    subject: Subject
    severity: Severity
    measure: str
    unit: str
    least: float | None
    most: float | None
    advice: str
    fix: str = ""
    source: str = ""

    def passes(self, value: float) -> bool:
        """Whether `value`, in the rule's unit, keeps both bounds; NaN keeps none."""
        above = self.least is None or value >= self.least
        return above and (self.most is None or value <= self.most) and value == value

    def bounds(self) -> str:
        """The threshold in words, such as ``at least 512 px``; empty for a rule on words."""
        unit = f" {self.unit}" if self.unit else ""
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}{unit}"
        if self.least is not None:
            return f"at least {self.least:g}{unit}"
        return "" if self.most is None else f"at most {self.most:g}{unit}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken, with the value that breaks it and a sentence on it."""

    rule: Rule
    measured: Measured
    message: str

    def to_json(self) -> dict[str, Measured | None]:
        """As `POST /v1/check` and ``check --json`` show it."""
        return {
            "code": self.rule.code,
            "subject": self.rule.subject.value,
            "severity": self.rule.severity.value,
            "message": self.message,
            "measured": self.measured,
            "unit": self.rule.unit,
            "threshold": self.rule.bounds(),
            "advice": self.rule.advice,
            "fix": self.rule.fix,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured of one input, by name, and the findings, worst first.

    Raises nothing; an input that cannot be read at all is a report with one error.
    """

    measured: dict[str, Measured] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether nothing found makes the work impossible."""
        return all(finding.rule.severity is not Severity.ERROR for finding in self.findings)

    def codes(self) -> frozenset[str]:
        """Codes of the rules that are broken."""
        return frozenset(finding.rule.code for finding in self.findings)
