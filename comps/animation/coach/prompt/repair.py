"""Mends what can be mended of a prompt without inventing anything: blanks and length."""

from __future__ import annotations

import re
from dataclasses import dataclass

from comps.animation.coach.finding import Report
from comps.animation.coach.prompt import rules
from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.prompt.text import sentences, tokens

_MOST_TOKENS = int(rules.TOKENS.most or 0)
_INVISIBLE = re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b-\u200f\ufeff]")


@dataclass(frozen=True, slots=True)
class RepairedPrompt:
    """A mended prompt.

    Args:
        text: what is left.
        steps: what was done, a sentence each.
        before: the report of the original.
        after: the report of `text`.
    """

    text: str
    steps: tuple[str, ...]
    before: Report
    after: Report


def repair_prompt(text: str) -> RepairedPrompt:
    """Tidy blanks and cut a prompt that the text encoder would cut, at a sentence where there is one. Raises nothing."""
    steps = []
    tidy = " ".join(_INVISIBLE.sub("", text).split())
    if tidy != text.strip():
        steps.append("tidied blanks and invisible signs")
    kept = _fitting(tidy)
    if kept != tidy:
        steps.append(f"cut it from about {tokens(tidy)} to {tokens(kept)} tokens")
    return RepairedPrompt(kept, tuple(steps), check_prompt(text), check_prompt(kept))


def _fitting(text: str) -> str:
    """The sentences from the beginning that fit together; of a first one that does not, its words."""
    kept = _while_fitting(sentences(text))
    return kept or _while_fitting(re.findall(r"\S+\s*", text)) or _while_fitting(re.findall(r"(?s).{1,4}", text))


def _while_fitting(parts: list[str]) -> str:
    count, kept = 1, 0
    for part in parts:
        count += tokens(part) - 1
        if count > _MOST_TOKENS:
            break
        kept += 1
    return "".join(parts[:kept]).rstrip()
