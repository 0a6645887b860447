"""Changes to a YAML file that leave every other character of it alone.

A round trip through a YAML library moves comments that stand before the next section, rewraps long
lines and changes indentation. Here the nodes of ruamel.yaml only tell where things are; what changes
is cut out of the text and pasted into it, and the result is read back and compared with the data.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from comps.animation.audio2face.configuration.document import (
    ConfigurationError,
    Document,
    KeyPath,
    Pair,
    parse_document,
)
from comps.animation.audio2face.configuration.rendering import INDENT, flow, scalar, yaml_lines


@dataclass(frozen=True, slots=True)
class _Splice:
    """Replace the characters from `start` to `end`; at one place the entries of deeper sections come first."""

    start: int
    end: int
    text: str
    column: int = 0


class Edits:
    """Collects changes to one document; a key may be changed once. Sections are made as needed."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._text = document.text
        self._data = copy.deepcopy(document.data)
        self._splices: list[_Splice] = []
        self._flows: set[KeyPath] = set()
        self._indent = self._indent_of_file()

    def replace(self, path: KeyPath, value: str | float | bool) -> None:
        """Give a scalar another value, in the quotes it had."""
        node = self._pair(path).value
        self._place(path[:-1])[path[-1]] = value
        if not self._in_flow(path[:-1]):
            quote = node.style if node.style in ("'", '"') else ""
            self._splice(node.start_mark.index, node.end_mark.index, scalar(value, quote))

    def remove(self, path: KeyPath) -> None:
        """Take a scalar and its key away; a comment behind it stays, on a line of its own."""
        pair = self._pair(path)
        del self._place(path[:-1])[path[-1]]
        if self._in_flow(path[:-1]):
            return
        comment = self._comment_behind(pair)
        if comment:
            start, end = self._lines_of(pair)
            self._splice(start, end, " " * int(pair.key.start_mark.column) + comment)
        else:
            self._cut(pair)

    def append(self, path: KeyPath, entries: Mapping[str, Any]) -> None:
        """Add entries below the last one of a section."""
        known = self._existing(path)
        self._place(path).update(copy.deepcopy(dict(entries)))
        if self._in_flow(known):
            return
        for key in reversed(path[len(known) :]):
            entries = {key: entries}
        node = self._section_node(known)
        if node.id == "scalar":
            self._fill(known, entries)
        else:
            self._append_block(known, node, entries)

    def lead(self, path: KeyPath, entries: Mapping[str, Any], instead_of: str = "", carrier: KeyPath = ()) -> None:
        """Put entries at the top of a section.

        Args:
            path: the section.
            entries: what to put there.
            instead_of: a scalar of the section that gives way to the entries, if any.
            carrier: where in `entries` the comment behind that scalar goes.
        """
        if not self._document.section(path):
            self.append(path, entries)
            return
        leaving = self._pair((*path, instead_of)) if instead_of else None
        place = self._place(path)
        rest = {key: value for key, value in place.items() if key != instead_of}
        place.clear()
        place.update(copy.deepcopy(dict(entries)) | rest)
        if not self._in_flow(path):
            self._lead_block(path, entries, leaving, carrier)

    def replace_block(self, path: KeyPath, text: str) -> None:
        """Give a block of literal text (`|`) another content, indented as it was."""
        node = self._pair(path).value
        self._place(path[:-1])[path[-1]] = text
        start = self._line_end(node.start_mark.index) + 1
        body = self._text[start : node.end_mark.index].rstrip("\n")
        first = next((line for line in body.split("\n") if line.strip()), "")
        indent = " " * (len(first) - len(first.lstrip()))
        if node.style != "|":
            raise self._document.error("must be a block of literal text (|) to be edited in place", path)
        lines = (f"{indent}{line}" if line.strip() else line for line in text.rstrip("\n").split("\n"))
        self._splice(start, start + len(body), "\n".join(lines))

    def result(self) -> Document:
        """The changed document.

        Raises:
            ConfigurationError: aliases or merges make one text mean several places, or comments
                stand within braces that have to be written anew.
        """
        splices = [*self._splices, *map(self._rewritten, self._flows)]
        parts: list[str] = []
        done = 0
        for splice in sorted(splices, key=lambda one: (one.start, one.end, -one.column)):
            parts += self._text[done : splice.start], splice.text
            done = max(done, splice.end)
        try:
            changed = parse_document("".join((*parts, self._text[done:])), self._document.name)
        except ConfigurationError as error:
            raise self._too_clever() from error
        if changed.data != self._data:
            raise self._too_clever()
        return changed

    def _too_clever(self) -> ConfigurationError:
        return self._document.error("cannot be edited in place: write out its aliases and merges (&, *, <<) first")

    def _splice(self, start: int, end: int, text: str, column: int = 0) -> None:
        splice = _Splice(start, end, text, column)
        if start == end or splice not in self._splices:
            self._splices.append(splice)

    def _pair(self, path: KeyPath) -> Pair:
        pair = self._document.pairs.get(path)
        if pair is None or pair.aliased or pair.value.id != "scalar":
            raise self._document.error("cannot be edited: it must be a plain value here, no alias or merge", path)
        return pair

    def _section_node(self, path: KeyPath) -> Any:
        return self._document.pairs[path].value if path else self._document.root

    def _existing(self, path: KeyPath) -> KeyPath:
        """The longest part of `path` that the file has."""
        self._document.section(path)
        return next((path[:length] for length in range(len(path), 0, -1) if path[:length] in self._document.pairs), ())

    def _place(self, path: KeyPath) -> dict[str, Any]:
        found = self._data
        for key in path:
            if found.get(key) is None:
                found[key] = {}
            found = found[key]
        return found

    def _in_flow(self, path: KeyPath) -> bool:
        """Whether a section is written in braces; if so the outermost braces will be written anew."""
        for length in range(len(path) + 1):
            if getattr(self._section_node(path[:length]), "flow_style", False):
                self._flows.add(path[:length])
                return True
        return False

    def _rewritten(self, path: KeyPath) -> _Splice:
        node = self._section_node(path)
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        if re.search(r"(^|\s)#", self._text[start:end]):
            raise self._document.error("has comments within braces, which cannot be kept: write it in lines", path)
        data = self._place(path)
        quoted = bool(node.value) and node.value[0][0].style == '"'
        if quoted and "\n" in self._text[start:end]:
            return _Splice(start, end, json.dumps(data, indent=self._indent, ensure_ascii=False))
        return _Splice(start, end, flow(data, '"' if quoted else ""))

    def _fill(self, path: KeyPath, entries: Mapping[str, Any]) -> None:
        """Entries for a section that is written as a key without a value."""
        pair = self._document.pairs[path]
        column = int(pair.key.start_mark.column) + self._indent
        self._splice(pair.value.start_mark.index, pair.value.end_mark.index, "")
        self._insert(self._line_end(pair.key.end_mark.index), yaml_lines(entries, column, self._indent), column)

    def _append_block(self, path: KeyPath, node: Any, entries: Mapping[str, Any]) -> None:
        last = Pair(*node.value[-1])
        column = int(node.value[0][0].start_mark.column)
        at = self._after_comments(self._line_end(self._content_end(last)), column)
        lines = list(yaml_lines(entries, column, self._indent))
        apart = not path and self._blank_before(last)
        self._insert(at, ["", *lines] if apart else lines, column)

    def _lead_block(self, path: KeyPath, entries: Mapping[str, Any], leaving: Pair | None, carrier: KeyPath) -> None:
        own = [
            self._document.pairs[(*path, key)]
            for key in self._document.section(path)
            if (*path, key) in self._document.pairs
        ]
        first = min(own, key=lambda pair: pair.line)
        column = int(first.key.start_mark.column)
        lines = list(yaml_lines(entries, column, self._indent))
        if leaving is not None and (comment := self._comment_behind(leaving)):
            lines[self._line_of(lines, carrier, column)] += f" {comment}"
        if leaving is not None and leaving.line == first.line:
            start, end = self._lines_of(first)
            self._splice(start, end, "\n".join(lines))
            return
        # above the comments that belong to the first key
        self._insert(self._line_end(self._document.pairs[path].key.end_mark.index), lines, column)
        if leaving is not None:
            self._cut(leaving)

    def _line_of(self, lines: list[str], path: KeyPath, column: int) -> int:
        found = -1
        for depth, key in enumerate(path):
            begin = " " * (column + depth * self._indent) + f"{key}:"
            found = next(index for index in range(found + 1, len(lines)) if lines[index].startswith(begin))
        return found

    def _insert(self, at: int, lines: Iterable[str], column: int) -> None:
        """Put lines behind the line that ends at `at`."""
        self._splice(at, at, "".join(f"\n{line}" for line in lines), column)

    def _cut(self, pair: Pair) -> None:
        start, end = self._lines_of(pair)
        # with the line break before, so that what is put behind the line follows what stays
        self._splice(max(start - 1, 0), end, "")

    def _lines_of(self, pair: Pair) -> tuple[int, int]:
        start = self._text.rfind("\n", 0, pair.key.start_mark.index) + 1
        return start, self._line_end(self._content_end(pair))

    def _comment_behind(self, pair: Pair) -> str:
        end = self._content_end(pair)
        return self._text[end : self._line_end(end)].strip()

    def _content_end(self, pair: Pair) -> int:
        """Where the text of a pair ends, before a comment that follows."""
        node = pair.value
        if pair.aliased:
            return self._line_end(pair.key.end_mark.index)
        if node.id != "scalar" and not node.flow_style and node.value:
            last = node.value[-1]
            return self._content_end(Pair(*last) if node.id == "mapping" else Pair(pair.key, last))
        end = max(int(node.end_mark.index), int(pair.key.end_mark.index) + 1)
        return len(self._text[:end].rstrip())

    def _after_comments(self, at: int, column: int) -> int:
        """The end of the comment lines that follow directly and stand at `column` or deeper."""
        while at < len(self._text):
            end = self._line_end(at + 1)
            line = self._text[at + 1 : end]
            if not line.lstrip().startswith("#") or len(line) - len(line.lstrip()) < column:
                break
            at = end
        return at

    def _blank_before(self, pair: Pair) -> bool:
        start, _ = self._lines_of(pair)
        return start >= 2 and self._text[start - 2] == "\n"

    def _line_end(self, index: int) -> int:
        found = self._text.find("\n", index)
        return len(self._text) if found < 0 else found

    def _indent_of_file(self) -> int:
        """How far the file indents its sections."""
        for path, pair in self._document.pairs.items():
            outer = self._document.pairs.get(path[:-1])
            if outer is not None and not outer.aliased and outer.value.id == "mapping":
                return (
                    max(1, int(pair.key.start_mark.column) - int(outer.key.start_mark.column))
                    if not outer.value.flow_style
                    else INDENT
                )
        return INDENT
