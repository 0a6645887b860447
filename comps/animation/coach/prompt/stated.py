"""What a prompt states that can be compared with a voice or a picture: age, glasses, and how excited somebody is."""

from __future__ import annotations

import re

from comps.animation.coach.prompt.contradictions import is_denied

_YEARS = re.compile(
    r"\b(\d{1,3})[- ]years?[- ]old\b|\baged (?:about |around )?(\d{1,3})\b|(?<!\d)(\d{1,3})岁", re.IGNORECASE
)
_DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties")
_DECADE = re.compile(rf"\b(?:his|her|their) (?:(early|mid|late)[- ])?({'|'.join(_DECADES)})\b", re.IGNORECASE)
_WITHIN = {"early": 2, "mid": 5, "late": 8, "": 5}
_AGES: tuple[tuple[int, re.Pattern[str]], ...] = (
    (8, re.compile(r"\bchild\b|\blittle (?:girl|boy)\b|小孩|儿童|小女孩|小男孩", re.IGNORECASE)),
    (16, re.compile(r"\bteen(?:age[rd]?)?\b|少年|少女", re.IGNORECASE)),
    (27, re.compile(r"\byoung (?:[\w-]+ ){0,2}?(?:wom[ae]n|m[ae]n|lady|adult|person)\b|年轻|青年", re.IGNORECASE)),
    (48, re.compile(r"\bmiddle[- ]aged\b|中年", re.IGNORECASE)),
    (
        72,
        re.compile(
            r"\belderly\b|\bold (?:[\w-]+ ){0,2}?(?:wom[ae]n|m[ae]n|lady|gentleman)\b|老人|老年|老太太|年老",
            re.IGNORECASE,
        ),
    ),
)
_GLASSES = re.compile(r"\b(?:glasses|spectacles|bespectacled)\b|眼镜", re.IGNORECASE)
_SUNK = re.compile(r"\b(?:magnifying|wine|drinking|beer|champagne) glasses\b", re.IGNORECASE)
_AROUSAL: tuple[tuple[float, re.Pattern[str]], ...] = (
    (
        1.0,
        re.compile(
            r"\b(?:enthusiastic(?:ally)?|enthusiasm|excite(?:d|dly|ment)|energetic(?:ally)?|laughing|laughs|shout(?:s|ing)?|furious(?:ly)?|enraged|"
            r"overjoyed|ecstatic|passionate(?:ly)?|frantic(?:ally)?|hysterical(?:ly)?|exuberant(?:ly)?|thrilled|screaming)\b|"
            "激动|兴奋|热情洋溢|大笑|愤怒|狂喜|慷慨激昂|激昂",
            re.IGNORECASE,
        ),
    ),
    (
        -0.7,
        re.compile(
            r"\b(?:sad(?:ly|ness)?|solemn(?:ly)?|sleepy|tired|gloomy|mournful(?:ly)?|whisper(?:s|ing)?|melanchol(?:y|ic)|sorrowful(?:ly)?|subdued|"
            r"serene(?:ly)?|soothing(?:ly)?|hushed|depressed|grave(?:ly)?)\b|悲伤|肃穆|庄严|忧郁|疲惫|低声|沉痛|安详",
            re.IGNORECASE,
        ),
    ),
)


def stated_age(text: str) -> int | None:
    """Years, to the nearest that a word such as "young" can mean; None where `text` names no age."""
    years = _YEARS.search(text)
    if years:
        return int(next(group for group in years.groups() if group))
    decade = _DECADE.search(text)
    if decade:
        return 20 + 10 * _DECADES.index(decade[2].lower()) + _WITHIN[(decade[1] or "").lower()]
    return next((age for age, pattern in _AGES if pattern.search(text)), None)


def stated_glasses(text: str) -> bool | None:
    """Whether `text` has the person wear glasses; None where it does not say."""
    match = _GLASSES.search(_SUNK.sub("", text))
    if match is None:
        return None
    return not is_denied(_SUNK.sub("", text)[: match.start()])


def stated_arousal(text: str) -> float | None:
    """How excited the person is said to be: 1 very, -0.7 subdued; None where `text` says neither or both."""
    found = {
        value for value, pattern in _AROUSAL for match in pattern.finditer(text) if not is_denied(text[: match.start()])
    }
    return found.pop() if len(found) == 1 else None
