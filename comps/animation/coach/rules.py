"""Every rule of the coach, in the order in which they are judged: the table of docs/coach.md."""

from __future__ import annotations

from comps.animation.coach.agreement import AGREEMENT_RULES
from comps.animation.coach.engines import ENGINE_RULES
from comps.animation.coach.finding import Rule
from comps.animation.coach.image.rules import IMAGE_RULES
from comps.animation.coach.memory import MEMORY_RULES
from comps.animation.coach.prompt.rules import PROMPT_RULES
from comps.animation.coach.sound.rules import AUDIO_RULES

RULES: tuple[Rule, ...] = (
    *IMAGE_RULES,
    *AUDIO_RULES,
    *PROMPT_RULES,
    *AGREEMENT_RULES,
    *ENGINE_RULES,
    *MEMORY_RULES,
)
"""Codes are unique."""
