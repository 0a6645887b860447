"""Which English words are relatives: "deliver", "delivery" and "delivered"."""

from __future__ import annotations

import re
from functools import lru_cache

_ENDING = re.compile(r"(?:ations?|ments?|[ae]nces?|ings?|ness|ables?|ful|ers?|ors?|ions?|ies|ed|es|s|ly|al|y|e)$")
_KEPT = {"y": 5, "al": 5, "er": 4, "ers": 4, "or": 4, "ors": 4, "ion": 4, "ions": 4}
"""Letters that must stay when an ending goes that many words have by chance ("water", "story"); otherwise three."""
_MOST_ENDINGS = 3
_IRREGULAR = {
    form: word
    for word, forms in {
        "pay": "paid", "child": "children", "tooth": "teeth", "foot": "feet", "man": "men", "woman": "women",
        "person": "people persons", "mouse": "mice", "break": "broke broken", "buy": "bought", "lose": "lost",
        "sell": "sold", "send": "sent", "bring": "brought", "come": "came", "go": "went gone", "eat": "ate eaten",
        "forget": "forgot forgotten", "fly": "flew flown flight flights flies", "spend": "spent", "find": "found",
        "leave": "left", "write": "wrote written", "speak": "spoke spoken", "choose": "chose chosen", "see": "saw seen",
        "drive": "drove driven", "ride": "rode ridden", "swim": "swam swum", "wear": "wore worn", "keep": "kept",
        "sleep": "slept", "meet": "met", "steal": "stole stolen", "teach": "taught", "catch": "caught", "begin": "began begun",
    }.items()
    for form in forms.split()
}  # fmt: skip


@lru_cache(maxsize=16_384)
def family(word: str) -> str:
    """What `word` (lower case) has in common with its relatives.

    >>> family("deliver") == family("delivery") == family("delivered")
    True
    """
    word = _IRREGULAR.get(word, word)
    for _ in range(_MOST_ENDINGS):
        found = _ENDING.search(word)
        if found is None:
            break
        bare = word[: found.start()]
        if len(bare) < _KEPT.get(found[0], 3) or not re.search("[aeiouy]", bare):
            break
        doubled = len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] != "s"
        word = f"{bare}y" if found[0] == "ies" else bare[:-1] if doubled else bare
    return word
