"""Topics out of Markdown: the project's own format, and any plain Markdown file as well.

A file may begin with front matter (``language``, ``emotion``). Each heading with text below it is a
topic; attributes may follow the heading: ``## Ports {#ports emotion=joy offer=2 suggest=1}``. A list directly below
the heading holds example questions when one of its items ends with a question mark, or when the heading
has an id, as then the author writes for this program. Everything else is the answer, a paragraph at a time; code blocks, tables, images and comments are not spoken and are left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from comps.core.language.sentences import split_sentences
from comps.llm.knowledge.text import has_cjk, tokens
from comps.llm.knowledge.topic import Topic

_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCE = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?(?:^\1[^\n]*$|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_UNDERLINE = re.compile(r"^(=+|-+)\s*$")
_ATTRIBUTES = re.compile(r"\s*\{([^{}]*)\}\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.*)$")
_TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$")
_QUESTION_END = ("?", "？")
_ENDS = frozenset(".!?:;,…。！？：；，)]\"'”’」』）")

_INLINE = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"<?(?:https?|ftp)://[^\s>)]+>?"), ""),
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)([*_])(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"~~(.+?)~~"), r"\1"),
    (re.compile(r"`+([^`]*)`+"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!>-])"), r"\1"),
    (re.compile(r"^\s*(?:>\s?)+"), ""),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\s+([.,;:!?])"), r"\1"),
    (re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s+(?=[\u3000-\u9fff\uff00-\uffef])"), ""),
)


@dataclass
class _Section:
    """Lines under one heading; `level` 1 to 6, 0 before the first one."""

    level: int
    title: str
    attributes: tuple[str, ...]
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FileDefaults:
    """What front matter says for a whole file; `language` ``""`` means it is guessed per topic."""

    language: str = ""
    emotion: str = ""


def parse(text: str, name: str, fallback_language: str = "en") -> list[Topic]:
    """The topics of one Markdown file.

    Args:
        text: the file's content.
        name: title of text before the first heading, usually the file's stem.
        fallback_language: language of topics without Chinese characters when front matter names none.

    Raises:
        ValueError: the front matter is not a YAML mapping.
    """
    defaults, body = _front_matter(text.replace("\r\n", "\n").lstrip("\ufeff"))
    body = _FENCE.sub("", _COMMENT.sub("", body))
    topics: list[Topic] = []
    parents: dict[int, str] = {}
    for section in _sections(body, name):
        parents = {level: title for level, title in parents.items() if level < section.level}
        topic = _topic(section, defaults, fallback_language, " ".join(parents.values()))
        if section.level:
            parents[section.level] = section.title
        topics += [topic] if topic else []
    return topics


def spoken(markdown: str) -> str:
    """One line of Markdown as it should be said: no marks, links by their text, no addresses."""
    for pattern, replacement in _INLINE:
        markdown = pattern.sub(replacement, markdown)
    return markdown.strip()


def _front_matter(text: str) -> tuple[FileDefaults, str]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return FileDefaults(), text
    try:
        values = yaml.safe_load(match.group(1)) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"the front matter is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError("the front matter is not a mapping such as 'language: en'")
    language = str(values.get("language", "")).lower().partition("-")[0]
    return FileDefaults(language, str(values.get("emotion", ""))), text[match.end() :]


def _sections(body: str, name: str) -> Iterator[_Section]:
    section = _Section(0, name, ())
    for line in body.split("\n"):
        heading = _HEADING.match(line)
        if heading is not None:
            yield section
            section = _Section(len(heading.group(1)), *_heading(heading.group(2)))
        elif _UNDERLINE.match(line) and section.lines and section.lines[-1].strip():
            title = section.lines.pop()
            yield section
            section = _Section(1 if line.startswith("=") else 2, *_heading(title))
        else:
            section.lines.append(line)
    yield section


def _heading(text: str) -> tuple[str, tuple[str, ...]]:
    match = _ATTRIBUTES.search(text)
    if match is None:
        return spoken(text), ()
    return spoken(text[: match.start()]), tuple(match.group(1).split())


def _topic(section: _Section, defaults: FileDefaults, fallback_language: str, context: str) -> Topic | None:
    blocks = _blocks(section.lines)
    ids = [part[1:] for part in section.attributes if part.startswith("#")]
    examples = blocks.pop(0) if len(blocks) > 1 and _are_questions(section.lines, blocks[0], bool(ids)) else []
    answer: list[str] = []
    breaks: list[int] = []
    for block in blocks:
        breaks.append(len(answer))
        answer += [sentence.strip() for line in block for sentence in split_sentences(_ended(line))]
    if not answer:
        return None
    options = dict(part.partition("=")[::2] for part in section.attributes if not part.startswith("#"))
    language = defaults.language or ("zh" if has_cjk(section.title + answer[0]) else fallback_language)
    return Topic(
        id=ids[0] if ids else "-".join(tokens(section.title)) or "untitled",
        title=section.title,
        context=context,
        language=language,
        examples=tuple(examples),
        answer=tuple(answer),
        breaks=tuple(breaks[1:]),
        emotion=options.get("emotion", defaults.emotion),
        offered=_place(options, "offer"),
        suggested=_place(options, "suggest"),
    )


def _ended(line: str) -> str:
    """`line` with a full stop when it has no end of its own, as items of lists often have not."""
    return line if line[-1:] in _ENDS else f"{line}{'。' if has_cjk(line[-1:]) else '.'}"


def _place(options: dict[str, str], name: str) -> int:
    """`offer=2` is 2, `offer` alone comes after all numbered ones."""
    if name not in options:
        return 0
    return int(options[name]) if options[name].isdecimal() else sys.maxsize


def _are_questions(lines: list[str], first: list[str], has_id: bool) -> bool:
    begins_with_list = next((_ITEM.match(line) is not None for line in lines if line.strip()), False)
    return begins_with_list and (has_id or any(item.endswith(_QUESTION_END) for item in first))


def _blocks(lines: list[str]) -> list[list[str]]:
    """Paragraphs as one line each, lists as one line per item; what cannot be spoken is left out."""
    blocks: list[list[str]] = []
    previous = "blank"
    for line in lines:
        kind, text = _classify(line)
        if kind == "item" and previous in {"item", "item text"}:
            blocks[-1].append(text)
        elif kind == "text" and previous in {"text", "item", "item text"}:
            blocks[-1][-1] = f"{blocks[-1][-1]} {text}".strip()
            kind = "text" if previous == "text" else "item text"
        elif kind in {"item", "text"}:
            blocks.append([text])
        previous = kind
    said = ([spoken(line) for line in block] for block in blocks)
    return [kept for block in said if (kept := [line for line in block if line])]


def _classify(line: str) -> tuple[str, str]:
    if not line.strip() or _TABLE_ROW.match(line) or _RULE.match(line):
        return "blank", ""
    item = _ITEM.match(line)
    return ("item", item.group(1)) if item else ("text", line.strip())
