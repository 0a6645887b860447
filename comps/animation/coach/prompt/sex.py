"""Which sex a prompt says the person has: by nouns, else by pronouns."""

from __future__ import annotations

import re

_NOUNS = {
    "female": re.compile(
        r"\b(?:wom[ae]n|girl|lady|female|mother|grandmother|aunt|sister|daughter|actress|hostess|queen|"
        r"(?:business|sales|spokes|anchor)wom[ae]n)\b|女",
        re.IGNORECASE,
    ),
    "male": re.compile(
        r"\b(?:m[ae]n|boy|gentleman|male|father|grandfather|uncle|brother|son|king|(?:business|sales|spokes|anchor)m[ae]n)\b|(?<!渣)男",
        re.IGNORECASE,
    ),
}
_PRONOUNS = {
    "female": re.compile(r"\b(?:she|her|hers|herself)\b|她", re.IGNORECASE),
    "male": re.compile(r"\b(?:he|him|his|himself)\b|他(?![们人])", re.IGNORECASE),
}


def stated_sex(text: str) -> str:
    """``male``, ``female``, or ``""`` where `text` says nothing or speaks of both."""
    return _one_of(_NOUNS, text) or ("" if _said(_NOUNS, text) else _one_of(_PRONOUNS, text))


def mixed_sex(text: str) -> tuple[str, str] | None:
    """A noun and a pronoun of opposite sexes where `text` has no other noun and no other pronouns; else None."""
    noun, pronoun = _one_of(_NOUNS, text), _one_of(_PRONOUNS, text)
    if not noun or not pronoun or noun == pronoun:
        return None
    return _first(_NOUNS[noun], text), _first(_PRONOUNS[pronoun], text)


def _said(patterns: dict[str, re.Pattern[str]], text: str) -> set[str]:
    return {sex for sex, pattern in patterns.items() if pattern.search(text)}


def _one_of(patterns: dict[str, re.Pattern[str]], text: str) -> str:
    said = _said(patterns, text)
    return said.pop() if len(said) == 1 else ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[0].lower() if match else ""
