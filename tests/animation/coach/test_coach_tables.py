"""The tables of docs/coach.md on sound, prompt and agreement are the rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from comps.animation.coach.agreement import AGREEMENT_RULES
from comps.animation.coach.engines import ENGINE_RULES
from comps.animation.coach.finding import Rule
from comps.animation.coach.memory import MEMORY_RULES
from comps.animation.coach.prompt.rules import PROMPT_RULES
from comps.animation.coach.sound.rules import AUDIO_RULES

DOCUMENT = Path(__file__).parents[3] / "docs" / "coach.md"


def row(rule: Rule) -> list[str]:
    cells = (f"`{rule.code}`", rule.severity.value, rule.measure, rule.bounds(), rule.advice, rule.fix)
    return [cell or "–" for cell in cells]


@pytest.mark.parametrize(
    ("title", "rules"),
    [
        ("Sound", AUDIO_RULES),
        ("Prompt", PROMPT_RULES),
        ("Agreement", AGREEMENT_RULES),
        ("Engine", MEMORY_RULES),
    ],
)
def test_the_table_is_the_rules(title: str, rules: tuple[Rule, ...]) -> None:
    section = re.search(
        rf"^## {title}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert section
    lines = [
        line for line in section[1].splitlines() if line.startswith("| `") and f"{rules[0].code.split('_')[0]}_" in line
    ]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [row(rule) for rule in rules]


@pytest.mark.parametrize(
    "rule", [*AUDIO_RULES, *PROMPT_RULES, *AGREEMENT_RULES, *MEMORY_RULES], ids=lambda rule: rule.code
)
def test_every_rule_says_what_to_do(rule: Rule) -> None:
    assert rule.advice.endswith(".")
    assert rule.measure
    assert "|" not in "".join(row(rule))


def test_the_rule_of_presets_is_in_the_document() -> None:
    for rule in ENGINE_RULES:
        cells = [cell if cell != "–" or at != 3 else "that of the preset" for at, cell in enumerate(row(rule))]
        assert f"| {' | '.join(cells)} |" in DOCUMENT.read_text(encoding="utf-8")
