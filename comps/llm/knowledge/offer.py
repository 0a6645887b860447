"""What a topic is called in "You can ask me about ...", and how to ask for it; headings may be names or questions."""

from __future__ import annotations

import re

from comps.llm.knowledge.capitals import Capitals
from comps.llm.knowledge.text import has_cjk

_THING = re.compile(r"(?:what|who)(?:\s+(?:is|are|was|were)|'s|’s)\s+(.+)", re.IGNORECASE)
_DOING = re.compile(
    r"(how|where|when|what|which\b.*?)\s+(?:do|can|could|should|shall|must|may)\s+(?:i|we|you|one)\s+(.+)",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(where|when|how)\s+(is|are|was|were)\s+(.+)", re.IGNORECASE)
_ALLOWED = re.compile(r"(?:can|may|could)\s+(?:i|we)\s+(.+)", re.IGNORECASE)
_WORD_OF_A_QUESTION = re.compile(
    r"(?:what|who|whose|how|where|when|why|which|is|are|do|does|did|can|may|will)\b", re.IGNORECASE
)


def offer_name(title: str) -> str:
    """`title` as the object of "ask about": "What are the opening hours?" is "the opening hours"."""
    question = title.rstrip(" ?？!！.。")
    if not question or has_cjk(question):
        return question or title
    if found := _THING.fullmatch(question):
        return found[1]
    if found := _DOING.fullmatch(question):
        return f"{found[1].lower()} to {_yours(found[2])}"
    if found := _PLACE.fullmatch(question):
        return f"{found[1].lower()} {found[3]} {found[2].lower()}"
    if found := _ALLOWED.fullmatch(question):
        return f"whether you can {_yours(found[1])}"
    if _WORD_OF_A_QUESTION.match(question) and question != title:
        return question[0].lower() + question[1:]
    return question


def asking(title: str, language: str, capitals: Capitals) -> str:
    """A question for a topic that gives none: its title, in English "What about ...?" unless that is a question."""
    if has_cjk(title):
        return title if title.endswith(("?", "？")) else f"{title.rstrip('。.')}？"
    if title.endswith("?"):
        return title
    name = title.rstrip(" .!")
    if language != "en":
        return f"{name}?"
    if _WORD_OF_A_QUESTION.match(name):
        return f"{name[0].upper()}{name[1:]}?"
    return f"What about {capitals.within_sentence(name)}?"


def _yours(text: str) -> str:
    """The asker's own things, as the one who answers calls them."""
    return re.sub(r"\b(?:my|our)\b", "your", text)
