"""The thresholds of a prompt. Their table is in docs/coach.md."""

from __future__ import annotations

from comps.animation.coach.finding import Rule, Severity, Subject

_GUIDE = "LiveAvatar guide"


def _rule(
    code: str,
    severity: Severity,
    measure: str,
    advice: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    fix: str = "",
    source: str = _GUIDE,
) -> Rule:
    return Rule(code, Subject.PROMPT, severity, measure, unit, least, most, advice, fix, source)


EMPTY = _rule(
    "prompt_empty",
    Severity.ERROR,
    "whether there is a word",
    "Describe the person, what they do, where they are, and the style; LiveAvatar would draw a scene of its own.",
    source="LiveAvatar's code",
)
LENGTH = _rule(
    "prompt_length",
    Severity.WARNING,
    "words; 1.6 Chinese signs count as one",
    "Say it in 100 to 200 words: with less the generator invents, with more it leaves out.",
    unit="words",
    least=100.0,
    most=200.0,
)
TOKENS = _rule(
    "prompt_tokens",
    Severity.WARNING,
    "tokens, estimated from above",
    "Shorten it; the text encoder cuts the rest off in the middle of a word.",
    unit="tokens",
    most=512.0,
    fix="cuts at the end of the last sentence that fits",
    source="LiveAvatar's code",
)
PERSON = _rule(
    "prompt_person",
    Severity.WARNING,
    "what is said of the person: sex, age, hair, clothing",
    "Name the sex, an age, the hair and the clothes of the person.",
)
ACTION = _rule(
    "prompt_action",
    Severity.WARNING,
    "what is said of the action: posture, gesture, emotion",
    "Say how the person stands or sits, what the hands do, and what the face expresses.",
)
SETTING = _rule(
    "prompt_setting",
    Severity.WARNING,
    "what is said of the setting: background, lighting, depth of field",
    "Say what is behind the person, where the light comes from, and whether the background is sharp.",
)
STYLE = _rule(
    "prompt_style",
    Severity.WARNING,
    "whether a style is named",
    "Name a kind of film, broadcast, photograph or painting that it shall look like.",
)
VAGUE = _rule(
    "prompt_vague",
    Severity.WARNING,
    "words that praise without showing anything",
    "Say what one would see instead: a colour, a material, a movement.",
)
CONTRADICTION = _rule(
    "prompt_contradiction",
    Severity.WARNING,
    "statements that cannot be true at once",
    "Decide for one of the two, or say what becomes what: from one to the other.",
)
LANGUAGE = _rule(
    "prompt_language",
    Severity.HINT,
    "share of the text that is English",
    "Write it in English, which such models have seen most of.",
    unit="%",
    least=50.0,
)

PROMPT_RULES: tuple[Rule, ...] = (
    EMPTY,
    LENGTH,
    TOKENS,
    PERSON,
    ACTION,
    SETTING,
    STYLE,
    VAGUE,
    CONTRADICTION,
    LANGUAGE,
)
"""In the order in which they are judged."""
