"""What people may say to a knowledge base: its questions, its sentences and common ways to ask about its topics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from comps.asr.adaptation.spoken import spoken_words, tokens

MAX_FILES = 2000
MAX_BYTES = 8 * 1024 * 1024
MAX_TOPICS = 400
QUESTION_WEIGHT, ANSWER_WEIGHT, PATTERN_WEIGHT = 1.0, 0.2, 0.05
"""How often a question, a sentence of an answer and a made-up question count."""

_LANGUAGE = re.compile(r"^language:\s*['\"]?([a-z]+)", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_FENCE = re.compile(r"```.*?```|~~~.*?~~~", re.DOTALL)
_HTML = re.compile(r"<!--.*?-->|<[^>]{1,200}>", re.DOTALL)
_TARGET = re.compile(r"\]\([^)]*\)|https?://\S+|\{[^}]*\}")
_HEADING = re.compile(r"^#{1,6}\s+(.*)$")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(.*)$")
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n")
_LATIN = re.compile(r"[A-Za-z]")
_SLOT = "{}"
_PATTERNS = Path(__file__).with_name("patterns_en.txt")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words as spoken, lower case, and how often the sentence counts."""

    words: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences to learn from, and how words are written that are not plain lower case (``wav2lip``: ``Wav2Lip``)."""

    sentences: tuple[Sentence, ...]
    spellings: dict[str, str]


def read_folder(folder: Path) -> str:
    """The English text of every ``*.md`` below `folder`, files in order of their path; ``""`` when there is none."""
    texts: list[str] = []
    for path in sorted(folder.rglob("*.md"))[:MAX_FILES]:
        text = path.read_text(encoding="utf-8", errors="replace")
        if _is_english(path.relative_to(folder), text):
            texts.append(text)
        if sum(map(len, texts)) > MAX_BYTES:
            break
    return "\n\n".join(map(_without_markup, texts))[:MAX_BYTES]


def _is_english(path: Path, text: str) -> bool:
    """By the front matter, else by the first folder's name when that is a language, else by the letters used."""
    front = _FRONT_MATTER.match(text)
    tag = _LANGUAGE.search(front[0]) if front else None
    if tag:
        return tag[1] == "en"
    if len(path.parts) > 1 and len(path.parts[0]) == 2:
        return path.parts[0] == "en"
    return len(_LATIN.findall(text)) > len(text) // 2


def _without_markup(text: str) -> str:
    for markup in (_FRONT_MATTER, _FENCE, _HTML, _TARGET):
        text = markup.sub(" ", text)
    return text


def build_corpus(text: str) -> Corpus:
    """The corpus of a knowledge base's Markdown, already without code and links (`read_folder`)."""
    said = [*_said(text)]
    spellings = _spellings(sentence for sentence, _ in said)
    topics = [*_topics(text), *spellings.values()][:MAX_TOPICS]
    said += [(line, PATTERN_WEIGHT) for line in _made_up(dict.fromkeys(topics))]
    counted: Counter[tuple[str, ...]] = Counter()
    for sentence, weight in said:
        if words := tuple(spoken_words(sentence)):
            counted[words] += weight  # type: ignore[assignment]  # weights are fractions
    return Corpus(tuple(Sentence(words, weight) for words, weight in counted.items()), spellings)


def _said(text: str) -> Iterator[tuple[str, float]]:
    """Sentences with their weights: headings, list items and what ends in ``?`` are questions."""
    for line in text.splitlines():
        short = _HEADING.match(line) or _ITEM.match(line)
        if short:
            yield short[1], QUESTION_WEIGHT
            continue
        for sentence in _SENTENCE_END.split(line):
            yield sentence, QUESTION_WEIGHT if sentence.endswith("?") else ANSWER_WEIGHT


def _topics(text: str) -> list[str]:
    headings = (match[1].strip() for line in text.splitlines() if (match := _HEADING.match(line)))
    return [heading for heading in headings if len(heading.split()) <= 4]


def _spellings(sentences: Iterable[str]) -> dict[str, str]:
    """Names and abbreviations: words written with capitals or digits even where no sentence begins."""
    seen: dict[str, Counter[str]] = {}
    for sentence in sentences:
        for token in tokens(sentence)[1:]:
            seen.setdefault(token.lower(), Counter())[token] += 1
    usual = {word: forms.most_common(1)[0][0] for word, forms in seen.items()}
    return {word: form for word, form in usual.items() if form != word and not form[0].isdigit()}


def _made_up(topics: Iterable[str]) -> Iterator[str]:
    lines = [line for line in _PATTERNS.read_text(encoding="utf-8").splitlines() if line]
    names = list(topics)
    for line in lines:
        if _SLOT in line:
            yield from (line.replace(_SLOT, name) for name in names)
        else:
            yield line
