"""Written text into text to be spoken: marks that have no sound go, signs that have one get words.

Every change keeps track of where its characters came from, so that the times of words can still
point into the text as it was written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_DOT = {
    "en": "dot",
    "de": "Punkt",
    "fr": "point",
    "es": "punto",
    "it": "punto",
    "pt": "ponto",
    "zh": "点",
    "nl": "punt",
}
_AT = {
    "en": "at",
    "de": "ät",
    "fr": "arobase",
    "es": "arroba",
    "it": "chiocciola",
    "pt": "arroba",
    "nl": "apenstaartje",
}

_MARKDOWN: tuple[_Rule, ...] = (
    (re.compile(r"^[ \t]*(?:```|~~~).*$", re.M), ""),
    (re.compile(r"!?\[([^\[\]\n]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>"), " "),
    (re.compile(r"^[ \t|]*:?-{3,}:?(?:[ \t|]+:?-{3,}:?)*[ \t|]*$|^[ \t]*(?:[*_=][ \t]*){3,}$", re.M), ""),
    # Blanks are looked at from where they begin only: from each of them, a long row would take its square in time.
    (re.compile(r"^[ \t]*\|[ \t]*|(?:(?<![ \t])[ \t]+)?\|[ \t]*$", re.M), ""),
    (re.compile(r"(?<![ \t])[ \t]+\|[ \t]+"), ", "),
    (re.compile(r"^[ \t]*(?:#{1,6}|>+|[-*+•–])[ \t]+(?:\[[ xX]\][ \t]+)?", re.M), ""),
    (re.compile(r"(\*{1,3}|_{1,3}|~~)(?=\S)([^*_~\n]+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"`+|\*{2,}|(?<![\S\d])[*_#]+(?=[^\s\d])|(?<=[^\s\d])[*_]+(?!\S)"), ""),
)
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'）】」，。]+[^\s<>\"'）】」，。.,;:!?)\]}]")
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
# Pictures and what joins or colours them; their names are never what was meant to be said.
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"
)
_CURRENCY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}


def _money(match: re.Match[str]) -> str:
    unit, small = _CURRENCY[match["sign"]]
    amount, cents, scale = match["amount"], match["cents"], match["scale"]
    if scale:
        return f"{amount}{'.' + cents if cents else ''} {scale} {unit}s"
    said = f"{amount} {unit}{'' if amount == '1' else 's'}"
    if not cents or not int(cents):
        return said
    plural = "pence" if small == "penny" else f"{small}s"
    return f"{said} and {int(cents)} {small if int(cents) == 1 else plural}"


_RULES: dict[str, tuple[_Rule, ...]] = {
    "en": (
        (
            re.compile(r"(?P<sign>[$€£])(?P<amount>\d[\d,]*)(?:\.(?P<cents>\d+))?(?: (?P<scale>[mbtr]+illion))?\b"),
            _money,
        ),
        (re.compile(r"\bNo\.(?= ?\d)"), "number"),
        (re.compile(r"\bvs\.?(?=\s)"), "versus"),
        (re.compile(r"\b([BCDFGHJ-NP-TV-Z]|A)(S)R\b"), r"\1 \2 R"),
        (re.compile(r"\bH\.(?=26[45]\b)"), "H "),
        (re.compile(r"\bC#(?!\w)"), "C sharp"),
        (re.compile(r"[→⇒]"), " to "),
        (re.compile(r"(?<=\d)\s?×\s?(?=\d)"), " by "),
        (re.compile(r"(?<=[\d%]) ?[–—-] ?(?=[\d$€£]+(?![\d-]))(?<![\d]-\d\d-)"), " to "),
    ),
    "zh": (
        (re.compile(r"(\d+(?:\.\d+)?)[%％]"), r"百分之\1"),
        (re.compile(r"(?<!\d)(\d{4})(?=年)"), lambda m: "".join("零一二三四五六七八九"[int(d)] for d in m[1])),
        (re.compile(r"℃|°C"), "摄氏度"),
        (re.compile(r"[→⇒]"), "到"),
    ),
}


@dataclass(frozen=True, slots=True)
class SpokenText:
    """`text` to be spoken; `origins[i]` is the range of the written text that character `i` stands for."""

    text: str
    origins: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The range of the written text behind the spoken characters ``start:end``."""
        inside = self.origins[start:end]
        return (inside[0][0], max(stop for _, stop in inside)) if inside else (0, 0)

    def moved(self, place: int) -> SpokenText:
        """The same, where the written text begins at character `place` of a longer one."""
        return SpokenText(self.text, tuple((first + place, stop + place) for first, stop in self.origins))

    def part(self, start: int, end: int) -> SpokenText:
        """The spoken characters ``start:end``, with their ranges."""
        return SpokenText(self.text[start:end], self.origins[start:end])


def spoken_text(written: str, language: str) -> SpokenText:
    """What to say for `written`: Markdown, HTML tags and emoji removed, addresses and signs put in words.

    Words and numbers all stay. `language` is a BCP 47 tag; English and Chinese have rules of their
    own, others the common ones. The result is blank when there is nothing to say.
    """
    base = language.partition("-")[0].lower()
    base = {"cmn": "zh", "yue": "zh"}.get(base, base)
    spoken = SpokenText(written, tuple((i, i + 1) for i in range(len(written))))
    for rule in _MARKDOWN:
        spoken = _apply(spoken, rule)
    spoken = _apply(spoken, (_URL, lambda match: _say_url(match, base)))
    spoken = _apply(spoken, (_EMAIL, lambda match: _say_email(match, base)))
    for rule in _RULES.get(base, ()):
        spoken = _apply(spoken, rule)
    spoken = _apply(spoken, (_EMOJI, " "))
    return _printable(spoken)


def is_speakable(text: str) -> bool:
    """Whether `text` holds a letter or a digit, of any script."""
    return any(char.isalnum() for char in text)


def _apply(spoken: SpokenText, rule: _Rule) -> SpokenText:
    """Replace every match; characters of a replacement stand for all of what they replace."""
    pattern, replacement = rule
    text: list[str] = []
    origins: list[tuple[int, int]] = []
    end = 0
    for match in pattern.finditer(spoken.text):
        new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
        old = spoken.origins[match.start() : match.end()]
        text += spoken.text[end : match.start()], new
        origins += spoken.origins[end : match.start()]
        origins += _origins_of(old, match, new)
        end = match.end()
    if not end:
        return spoken
    return SpokenText("".join((*text, spoken.text[end:])), (*origins, *spoken.origins[end:]))


def _origins_of(old: tuple[tuple[int, int], ...], match: re.Match[str], new: str) -> list[tuple[int, int]]:
    """Ranges of the characters of `new`: their own where it is a part of what it replaces."""
    if not old:
        return []
    offset = match.group().find(new)
    return list(old[offset : offset + len(new)]) if offset >= 0 else [(old[0][0], old[-1][1])] * len(new)


def _say_url(match: re.Match[str], language: str) -> str:
    """The host in words, and in English the path when it is made of words; query and fragment are not speech."""
    address = re.sub(r"^(?:https?://)?(?:www\.)?", "", match.group())
    host, _, path = address.partition("/")
    host = host.partition("?")[0].partition(":")[0]
    words = [part for part in re.split(r"[?#]", path)[0].split("/") if re.fullmatch(r"[a-zA-Z]+", part)]
    tail = "".join(f" slash {word}" for word in words[:3]) if language == "en" else ""
    return host.replace(".", f" {_DOT[language]} " if language in _DOT else ".") + tail


def _say_email(match: re.Match[str], language: str) -> str:
    if language not in _AT:
        return match.group()
    return match.group().replace("@", f" {_AT[language]} ").replace(".", f" {_DOT[language]} ")


def _printable(spoken: SpokenText) -> SpokenText:
    """Without control, private, unassigned and invisible characters; odd blanks become plain ones."""
    kept = [
        (_plain(char), origin) for char, origin in zip(spoken.text, spoken.origins, strict=True) if _has_shape(char)
    ]
    return SpokenText("".join(char for char, _ in kept), tuple(origin for _, origin in kept))


def _has_shape(char: str) -> bool:
    # Zero-width joiners matter in Indic and Arabic scripts.
    return char in "\n\t\u200c\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cn", "Cs")


def _plain(char: str) -> str:
    return " " if char.isspace() and char != "\n" else char
