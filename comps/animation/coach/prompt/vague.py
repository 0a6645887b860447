"""Words that praise without showing anything."""

from __future__ import annotations

import re

_COLOUR = (
    r"(?:[- ](?:white|blue|grey|gray|green|tones?|tint|hues?|palette|colou?rs?|colou?red|lights?|lighting|daylight|temperature|"
    r"shade|air|breeze))"
)
_ENGLISH = re.compile(
    r"(?<![-\w])(?:nice(?:ly|r|st)?|beautiful(?:ly)?|good(?!-)(?! (?:morning|afternoon|evening|night|day|bye)\b)|great(?!-)(?! (?:wall|hall|grand\w+|dane|barrier)\b)|"
    rf"cool(?!{_COLOUR})|pretty|lovely|amazing(?:ly)?|awesome|wonderful(?:ly)?|perfect|fantastic|gorgeous|stunning(?:ly)?|"
    r"attractive|incredible|impressive|marvell?ous|splendid|superb|terrific|fabulous|excellent|brilliant(?! (?:white|light|sun\w*|blue|red))|"
    r"good-looking|great-looking|nice-looking|interesting|high[- ]quality|best quality|masterpiece|pleasant|decent|fine-looking|"
    r"somehow|something|stuff|whatever)\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    "漂亮|很?好看|美丽|优美|很美|美女|帅哥|不错|很棒|太棒|真棒|完美|(?<![冷残])酷(?!似)|很帅|帅气|迷人|绝美|唯美|精美|很好|非常好|超级好|惊艳|高质量|高品质|最佳|杰作|好听|一流|出色"
)


def vague_words(text: str) -> list[str]:
    """The vague words of `text` in lower case, each once, in order."""
    found = [(match.start(), match[0].lower()) for pattern in (_ENGLISH, _CHINESE) for match in pattern.finditer(text)]
    return list(dict.fromkeys(word for _, word in sorted(found)))
