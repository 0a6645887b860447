"""The words of a prompt that an engine without a text encoder can act on, English and Chinese."""

from __future__ import annotations


def _words(english: str, chinese: str) -> frozenset[str]:
    return frozenset((*english.split(), *chinese.split()))


MOODS: dict[str, frozenset[str]] = {
    "joy": _words(
        "happy happily cheerful cheerfully joyful joyfully smiling smile smiles warmly friendly delighted enthusiastic "
        "enthusiastically laughing laughs excited upbeat welcoming",
        "开心 高兴 快乐 微笑 笑容 热情 愉快 亲切 喜悦",
    ),
    "sadness": _words(
        "sad sadly sorrowful melancholy melancholic gloomy unhappy wistful downcast tearful",
        "悲伤 难过 忧伤 伤心 忧郁 沮丧",
    ),
    "anger": _words("angry angrily furious irritated annoyed outraged", "生气 愤怒 恼火"),
    "surprise": _words("surprised astonished amazed startled", "惊讶 吃惊 惊奇"),
    "fear": _words("afraid fearful scared anxious frightened nervous nervously worried", "害怕 恐惧 紧张 焦虑 担心"),
    "disgust": _words("disgusted repelled", "厌恶"),
    "cheekiness": _words("playful playfully cheeky mischievous teasing", "俏皮 调皮 顽皮"),
    "grief": _words("grieving mourning heartbroken", "悲痛 哀悼"),
    "neutral": _words("neutral serious seriously solemn calm calmly", "严肃 平静 冷静"),
}
"""Emotion, by its name in `comps.animation.motion.emotion`, to the words that ask for it."""

LIVELY, COMPOSED, STILL = 1.5, 0.6, 0.2
"""Factors on the head's movement: 1 is how people move in a conversation; newsreaders move less, hosts more."""

MANNERS: dict[float, frozenset[str]] = {
    LIVELY: _words(
        "lively energetic energetically animated expressive expressively dynamic gesturing gestures nodding",
        "活泼 活力 生动 手势",
    ),
    COMPOSED: _words(
        "calm calmly composed formal formally newsreader anchor professional professionally solemn reserved dignified "
        "documentary corporate",
        "沉着 正式 庄重 专业 新闻 稳重 平静",
    ),
    STILL: _words("motionless still statuesque frozen", "静止 不动"),
}
"""Factor to the words that ask for it."""

NOT = _words("not no never without hardly barely isn't aren't doesn't don't", "不 没 无 非")
"""Words that take back what follows them at once."""

TURNS = _words("but rather instead", "而 但")
"""Words that begin another thought."""

BLURRED = frozenset(
    {
        "shallow depth of field",
        "blurred background",
        "blurry background",
        "soft background",
        "out of focus background",
        "background is blurred",
        "background blurred",
        "bokeh",
        "背景虚化",
        "背景模糊",
        "浅景深",
    }
)
"""Phrases that ask for the picture's own background, out of focus."""

STUDIO = frozenset(("studio", "seamless backdrop", "演播室", "摄影棚", "影棚"))
"""Phrases that ask for a lit studio wall."""

GROUND = frozenset({"background", "backdrop", "wall", "studio", "背景", "墙", "演播室", "摄影棚"})
"""Words near which a colour is that of the backdrop and not that of a suit."""

LINKS = _words("is are in of painted a the", "是 为")
"""Words that may stand between the backdrop and its colour."""

COLOUR_WORDS: dict[str, str] = {
    "gray": "grey", "navy": "blue", "crimson": "red", "violet": "purple", "cream": "beige",
    "白": "white", "黑": "black", "灰": "grey", "蓝": "blue", "绿": "green", "红": "red", "紫": "purple", "黄": "yellow",
    "橙": "orange", "粉": "pink", "棕": "brown",
}  # fmt: skip
"""Other names of the colours of `backdrop.COLOURS`."""

PLACES = _words(
    "office kitchen forest beach street city classroom library garden park room cafe restaurant stage mountain desert "
    "lobby hospital shop",
    "办公室 厨房 森林 海滩 街道 城市 教室 图书馆 花园 公园 房间 餐厅 舞台 医院 商店",
)
"""Places that only an engine which makes pixels from text can show."""
