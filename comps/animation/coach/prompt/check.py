"""A prompt against its rules."""

from __future__ import annotations

from collections.abc import Iterator

from comps.animation.coach.finding import Finding, Measured, Report, Rule
from comps.animation.coach.prompt import rules
from comps.animation.coach.prompt.contradictions import contradictions
from comps.animation.coach.prompt.parts import PARTS, missing
from comps.animation.coach.prompt.sex import mixed_sex
from comps.animation.coach.prompt.text import PromptText, read_text, tokens
from comps.animation.coach.prompt.vague import vague_words

MOST_CHARACTERS = 20_000
"""What is counted; a longer prompt breaks its rules long before."""
READ_CHARACTERS = 4000
"""What is searched for words: more than any text encoder takes in."""
_PART_RULES = {"person": rules.PERSON, "action": rules.ACTION, "setting": rules.SETTING, "style": rules.STYLE}


def check_prompt(text: str) -> Report:
    """Say which rules a prompt, English or Chinese, breaks. Of other languages only the length is judged.

    Takes about a millisecond. Raises nothing.
    """
    text = text[:MOST_CHARACTERS]
    read = read_text(text)
    if not read.length:
        return Report({"words": 0}, (Finding(rules.EMPTY, "empty", "the prompt holds no word"),))
    begun = text[:READ_CHARACTERS]
    told = {part: missing(part, begun) for part in PARTS} if read.language else {}
    measured: dict[str, Measured] = {
        "words": round(read.length),
        "tokens": tokens(text),
        "language": read.language or "unknown",
        "english_percent": round(100 * read.english),
        **{f"missing_{part}": ", ".join(absent) or "nothing" for part, absent in told.items()},
    }
    return Report(measured, tuple(_findings(text, read, told)))


def _findings(text: str, read: PromptText, told: dict[str, tuple[str, ...]]) -> Iterator[Finding]:
    yield from _length(round(read.length), tokens(text))
    for part, absent in told.items():
        if absent:
            yield Finding(
                _PART_RULES[part], f"missing: {', '.join(absent)}", f"the prompt does not say: {', '.join(absent)}"
            )
    begun = text[:READ_CHARACTERS]
    vague = vague_words(begun)
    if vague:
        yield _words(rules.VAGUE, ", ".join(vague), "these words show nothing: {}")
    opposed = [f"'{one}' and '{other}'" for one, other in (*contradictions(begun), *_sexes(begun))]
    if opposed:
        yield _words(rules.CONTRADICTION, "; ".join(opposed), "this cannot be true at once: {}")
    percent = round(100 * read.english)
    if not rules.LANGUAGE.passes(percent):
        yield Finding(
            rules.LANGUAGE, percent, f"{percent} % of the prompt is English; {rules.LANGUAGE.bounds()} is better"
        )


def _length(words: int, count: int) -> Iterator[Finding]:
    if not rules.LENGTH.passes(words):
        yield Finding(rules.LENGTH, words, f"the prompt has {words} words; {rules.LENGTH.bounds()} are wanted")
    if not rules.TOKENS.passes(count):
        yield Finding(rules.TOKENS, count, f"the prompt has about {count} tokens; {rules.TOKENS.bounds()} fit")


def _sexes(text: str) -> list[tuple[str, str]]:
    mixed = mixed_sex(text)
    return [mixed] if mixed else []


def _words(rule: Rule, found: str, sentence: str) -> Finding:
    return Finding(rule, found, sentence.format(found))
