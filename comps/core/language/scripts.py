"""Which language a text is written in, as far as its letters tell, and where another one begins."""

from __future__ import annotations

from dataclasses import dataclass

_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "Latn"),
    (0x0370, 0x03FF, "Grek"),
    (0x0400, 0x052F, "Cyrl"),
    (0x0530, 0x058F, "Armn"),
    (0x0590, 0x05FF, "Hebr"),
    (0x0600, 0x06FF, "Arab"),
    (0x0750, 0x077F, "Arab"),
    (0x0900, 0x097F, "Deva"),
    (0x0980, 0x09FF, "Beng"),
    (0x0A00, 0x0A7F, "Guru"),
    (0x0A80, 0x0AFF, "Gujr"),
    (0x0B00, 0x0B7F, "Orya"),
    (0x0B80, 0x0BFF, "Taml"),
    (0x0C00, 0x0C7F, "Telu"),
    (0x0C80, 0x0CFF, "Knda"),
    (0x0D00, 0x0D7F, "Mlym"),
    (0x0D80, 0x0DFF, "Sinh"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x1000, 0x109F, "Mymr"),
    (0x10A0, 0x10FF, "Geor"),
    (0x1100, 0x11FF, "Hang"),
    (0x1200, 0x139F, "Ethi"),
    (0x13A0, 0x13FF, "Cher"),
    (0x1E00, 0x1EFF, "Latn"),
    (0x1F00, 0x1FFF, "Grek"),
    (0x3040, 0x30FF, "Kana"),
    (0x3130, 0x318F, "Hang"),
    (0x3400, 0x9FFF, "Hani"),
    (0xAC00, 0xD7AF, "Hang"),
    (0xF900, 0xFAFF, "Hani"),
    (0x20000, 0x2FA1F, "Hani"),
)

_LANGUAGE_OF_SCRIPT = {
    "Grek": "el", "Cyrl": "ru", "Armn": "hy", "Hebr": "he", "Arab": "ar", "Deva": "hi", "Beng": "bn", "Guru": "pa",
    "Gujr": "gu", "Orya": "or", "Taml": "ta", "Telu": "te", "Knda": "kn", "Mlym": "ml", "Sinh": "si", "Thai": "th",
    "Mymr": "my", "Geor": "ka", "Hang": "ko", "Ethi": "am", "Cher": "chr", "Kana": "ja", "Hani": "zh",
}  # fmt: skip

# Languages not written in Latin letters, with their scripts; every other language is.
_SCRIPTS_OF_LANGUAGE: dict[str, frozenset[str]] = {
    **{language: frozenset({script}) for script, language in _LANGUAGE_OF_SCRIPT.items()},
    **dict.fromkeys(("cmn", "yue", "hak", "zh"), frozenset({"Hani"})),
    "ja": frozenset({"Kana", "Hani"}),
    "ko": frozenset({"Hang", "Hani"}),
    **dict.fromkeys(
        ("uk", "be", "bg", "mk", "sr", "kk", "ky", "tt", "ba", "cv", "nog", "uz", "az", "tk"), frozenset({"Cyrl"})
    ),
    **dict.fromkeys(("fa", "ur", "ug", "sd", "ku"), frozenset({"Arab"})),
    **dict.fromkeys(("mr", "ne", "kok", "sa"), frozenset({"Deva"})),
    **dict.fromkeys(("as", "bpy"), frozenset({"Beng"})),
    **dict.fromkeys(("grc",), frozenset({"Grek"})),
    **dict.fromkeys(("ti",), frozenset({"Ethi"})),
    **dict.fromkeys(("shn",), frozenset({"Mymr"})),
    **dict.fromkeys(("hyw",), frozenset({"Armn"})),
}
# Letters that only one of the languages of a script uses.
_TELLTALES = (
    ("Cyrl", "іїєґІЇЄҐ", "uk"),
    ("Arab", "پچژگ", "fa"),
    ("Arab", "ٹڈڑے", "ur"),
    ("Latn", "ơưăạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "vi"),
)
# One Chinese or Japanese sign says about as much as three letters.
_WEIGHTS = {"Hani": 3, "Kana": 3, "Hang": 3}


@dataclass(frozen=True, slots=True)
class Run:
    """Characters ``start:end`` of a text, to be spoken in `language`."""

    start: int
    end: int
    language: str


def script_of(char: str) -> str:
    """ISO 15924 code of a letter's script, ``""`` for signs, digits and letters of rare scripts."""
    if not char.isalpha() and not "\u0900" <= char <= "\u0dff":
        return ""
    code = ord(char)
    return next((script for first, last, script in _RANGES if first <= code <= last), "")


def detect_language(text: str, default: str = "en") -> str:
    """Language of the script that most of `text` is written in; Latin letters give `default`.

    Languages that share a script are told apart only by letters that one of them has alone.
    """
    counts: dict[str, int] = {}
    for char in text:
        if script := script_of(char):
            counts[script] = counts.get(script, 0) + _WEIGHTS.get(script, 1)
    if not counts:
        return default
    main = max(counts, key=lambda script: counts[script])
    if main == "Hani" and "Kana" in counts:
        return "ja"
    for script, letters, language in _TELLTALES:
        if script == main and any(letter in text for letter in letters):
            return language
    return _LANGUAGE_OF_SCRIPT.get(main, default)


def script_runs(text: str, language: str) -> list[Run]:
    """`text` cut where its letters change to a script that `language` is not written in.

    Latin letters stay with any language (its voice reads them), and signs, digits and blanks with
    the letters before them. The runs cover the text.
    """
    own = _SCRIPTS_OF_LANGUAGE.get(language.partition("-")[0].lower(), frozenset())
    runs: list[Run] = []
    for index, char in enumerate(text):
        script = script_of(char)
        if script and (script == "Latn" or script in own):
            wanted = language
        elif script:
            wanted = _LANGUAGE_OF_SCRIPT[script]
        else:
            wanted = runs[-1].language if runs else language
        if runs and runs[-1].language == wanted:
            runs[-1] = Run(runs[-1].start, index + 1, wanted)
        else:
            runs.append(Run(index, index + 1, wanted))
    return runs
