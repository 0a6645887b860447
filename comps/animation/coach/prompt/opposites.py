"""Pairs of opposites that one picture cannot show together, and how each side is said, in English and Chinese.

Patterns speak of the person, the place or the light only where the words around say so: an old library around a young
woman, a standing lamp beside a seated man and a view of the park from an office are no contradictions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Side = tuple[re.Pattern[str], ...]

_ABOUT_THINGS = (
    r"(?!\s+(?:story|stories|news|ending|music|song|memor\w+|customers?|events?|topics?|films?|movies?|poems?|tales?|scenes?|"
    r"subjects?|matters?|birthday|hour|news|history|issue|chapter|letters?|books?)\b)"
)
_PERSON = (
    r"(?:wom[ae]n|m[ae]n|person|girl|boy|lady|gentleman|host(?:ess)?|presenter|teacher|speaker|professor|doctor|student|lecturer|"
    r"agent|clerk|receptionist|scientist|engineer|chef|musician|anchor|nurse|couple|businesswom[ae]n|businessm[ae]n|newsreader|guide|"
    r"sailor|farmer|lawyer|manager|adult|face|figure|actor|actress|singer|writer|librarian)"
)
_DESCRIBED = r"(?:[\s,-]+\w+){0,3}?\s+"
_NOT_SEEN = (
    r"(?<!view of )(?<!view of the )(?<!view of a )(?<!view over )(?<!view over the )(?<!picture of )(?<!picture of a )(?<!photo of a )"
    r"(?<!painting of a )(?<!painting of )(?<!poster of a )(?<!overlooking )(?<!overlooking a )(?<!overlooking the )(?<!windows? )"
)
_AT = r"\b(?:in|inside|on|at|within|through|across|amid|into)\s+(?:(?:a|an|the|his|her|their|some)\s+)?(?:[\w-]+\s+){0,3}?"


@dataclass(frozen=True, slots=True)
class Opposites:
    """What is contrasted, and the sides of which at most one can be true; `of_person` where things may have both."""

    name: str
    sides: tuple[Side, ...]
    of_person: bool = False


def _side(english: str, chinese: str = "") -> Side:
    patterns = [re.compile(rf"(?<![\w-])(?:{english})(?![\w-])", re.IGNORECASE)]
    return (*patterns, re.compile(chinese)) if chinese else tuple(patterns)


OPPOSITES: tuple[Opposites, ...] = (
    Opposites(
        "mood",
        (
            _side(
                r"(?:happy|cheerful|joyful|joyous|delighted|overjoyed|elated|merry)"
                + _ABOUT_THINGS
                + r"|happily|cheerfully|joyfully|"
                r"(?:laughing|laughs|smiling|smiles|grinning|grins|beaming|(?:warm|broad|wide|bright|happy|gentle|friendly) smile)",
                "开心|快乐|高兴|喜悦|欢快|愉快|微笑|大笑|笑容|笑着|欢笑",
            ),
            _side(
                r"(?:sad|sorrowful|gloomy|miserable|depressed|heartbroken|mournful|tearful|grieving|angry|furious|enraged|hostile)"
                + _ABOUT_THINGS
                + r"|sadly|angrily|furiously|crying|weeping|sobbing|scowling|scowls|mourning|in tears",
                "悲伤|难过|伤心|哭泣|流泪|沮丧|忧伤|痛苦|愤怒|生气|暴怒|悲痛|大哭",
            ),
        ),
        of_person=True,
    ),
    Opposites(
        "earnestness",
        (
            _side(
                r"laughing|laughs|giggling|giggles|laughing heartily|bursts? of laughter|joking|jokes around",
                "大笑|哈哈|嬉笑|开玩笑",
            ),
            _side(
                r"(?:solemn|grave|stern|deadly serious|serious)(?:ly)?(?=\s+(?:expression|face|look|mood|tone|man|woman|and|,|but|yet|manner|about)|[,.;]|$)",
                "严肃|庄严|肃穆",
            ),
        ),
        of_person=True,
    ),
    Opposites(
        "arousal",
        (
            _side(r"calm(?:ly)?(?! water| sea| lake)|serene(?:ly)?|relaxed|tranquil", "平静|冷静|放松|安详|从容"),
            _side(
                r"frantic(?:ally)?|hysterical(?:ly)?|panick(?:ed|ing)|in (?:a )?panic|agitated|hectic(?:ally)?|nervous(?:ly)?|restless(?:ly)?|tense",
                "激动|慌张|惊慌|焦躁|紧张|歇斯底里|狂躁",
            ),
        ),
        of_person=True,
    ),
    Opposites(
        "confidence",
        (
            _side(r"confident(?:ly)?|self-assured|sure of (?:him|her)self", "自信|胸有成竹"),
            _side(r"shy|shyly|timid(?:ly)?|insecure|frightened|scared|terrified|afraid", "害羞|胆怯|害怕|恐惧|怯懦"),
        ),
    ),
    Opposites(
        "posture",
        (
            _side(
                r"(?:is |was |and |are )?(?:sitting|seated|sits)(?! room)|(?:sitting|seated) (?:down|upright|at|on|in)",
                "坐(?!下来?以?前)(?:在|着|姿|于)?",
            ),
            _side(
                r"(?<!free)standing(?! lamp| desk| ovation| clock| order| light| mirror| joke| water)(?! stones?)|stands(?! (?:a|an|the|two|three|some|rows?)\b| of\b| for\b| out\b| behind (?:him|her|them))",
                "站(?!台|点|长|内|外)(?:在|着|立|姿)?",
            ),
            _side(r"lying (?:down|on|in)|reclin(?:ing|es)|lies (?:down|on)", "躺"),
            _side(r"kneeling|kneels", "跪"),
        ),
        of_person=True,
    ),
    Opposites(
        "movement",
        (
            _side(
                r"motionless|perfectly still|completely still|stands still|sits still|frozen in place|does not move|statue-like",
                "一动不动|静止不动|完全静止",
            ),
            _side(
                r"gesturing|gesticulating|waving|walking|walks|dancing|dances|jumping|jumps|running|runs (?:across|through|along)|pacing|paces|clapping",
                "挥手|走动|走来走去|跳舞|跳跃|奔跑|手舞足蹈|打手势|比划",
            ),
        ),
        of_person=True,
    ),
    Opposites(
        "place",
        (
            _side(
                r"indoors?(?![- ]plants?)|"
                + _AT
                + r"(?:office|studio|living room|bedroom|classroom|kitchen|library|meeting room|newsroom|lobby|laboratory|auditorium|lecture hall|museum|"
                r"basement|bathroom|gallery|hallway|conference room|caf[eé])(?! garden| terrace| courtyard| building outside)",
                "室内|屋内|(?:在|坐在|站在|位于)[^，。；！？]{0,8}(?:办公室|演播室|演播厅|教室|图书馆|客厅|卧室|厨房|书房|会议室|实验室|大厅)",
            ),
            _side(
                r"(?<!door )outdoors?(?! scene (?:on|behind)| view| jacket| gear| picture| photo)|outside(?= in| on| under|[,.;]|$)|in the open air|"
                + _AT
                + r"(?:beach|forest|woods|meadow|mountain(?:top|side|s)?|desert|street|park(?!ing)|garden(?! cent)|field of \w+|lake ?shore|river ?bank|seaside|woodland)",
                "室外|户外|野外|露天|(?:在|坐在|站在|位于)[^，。；！？]{0,8}(?:海滩|沙滩|海边|森林|草原|草地|公园|街头|街上|街道|山顶|田野|湖边|沙漠|花园)",
            ),
        ),
    ),
    Opposites(
        "age",
        (
            _side(
                rf"(?:young|youthful|teenaged?|adolescent|boyish|girlish){_DESCRIBED}?{_PERSON}|teenager|young {_PERSON}|(?:is|looks|appears) (?:very )?young|"
                r"(?:1[0-9]|2[0-9])[- ]years?[- ]old|in (?:his|her|their) (?:early |mid[- ]|late )?(?:teens|twenties|20s)",
                r"年轻|少年|少女|青年(?!会)|小伙子|(?<!\d)[12]\d岁|(?<![二三四五六七八九])十[几多一二三四五六七八九]?岁|(?<![二三四五六七八九])二十[几多一二三四五六七八九]?岁",
            ),
            _side(
                rf"(?:elderly|old|aged|wrinkled|senior){_DESCRIBED}?(?<!colleague )(?:wom[ae]n|m[ae]n|person|lady|gentleman|couple|professor|sailor|farmer)|"
                rf"elderly|(?:is|looks|appears) (?:very )?old|grandmother|grandfather|pensioner|"
                r"(?:[6-9][0-9])[- ]years?[- ]old|in (?:his|her|their) (?:early |mid[- ]|late )?(?:sixties|seventies|eighties|nineties|[6-9]0s)",
                r"年老|老年|老人|老太太|老奶奶|老爷爷|白发苍苍|年迈|(?<!\d)[6-9]\d岁|[六七八九]十[几多一二三四五六七八九]?岁",
            ),
        ),
    ),
    Opposites(
        "time of day",
        (
            _side(
                r"daylight(?![- ](?:balanced|lamps?|bulbs?|tubes?|temperature))|broad day|midday|at noon|sunny|bright sun(?:light|shine)|morning (?:sun|light)|"
                r"(?:in|of) the (?:morning|afternoon)|by day|sunlight|sunlit|afternoon (?:sun|light)",
                "白天|正午|中午|阳光|清晨|早晨|上午|下午|晴朗|日光(?!灯)",
            ),
            _side(
                r"at night|(?:dark|late|starry|moonlit|winter|summer) night|midnight(?! blue)|moonlight|moonlit|night sky|in the night|by night|night scene|"
                r"night-?time",
                "夜晚|深夜|黑夜|夜里|夜间|午夜|月光|星空|夜景|夜色|晚上",
            ),
        ),
    ),
    Opposites(
        "weather",
        (
            _side(r"sunny|cloudless|clear blue sky|bright sunshine", "晴朗|晴天|烈日|万里无云"),
            _side(
                r"raining|rainy|pouring rain|heavy rain|snowing|stormy|thunderstorm|thick fog|in the rain",
                "下雨|雨中|大雨|下雪|暴风雨|雷雨|大雾",
            ),
        ),
    ),
    Opposites(
        "lighting",
        (
            _side(
                r"(?:bright|brilliant|strong|high-key)(?:,? \w+)? (?:light(?:ing)?|studio light(?:ing)?)|brightly lit|high-key|brightly illuminated",
                "光线明亮|灯光明亮|明亮的(?:光|灯|照明)|光线充足|亮堂",
            ),
            _side(
                r"(?:dim|dark|gloomy|low|faint|low-key)(?:,? \w+)? (?:light(?:ing)?)|dimly lit|low-key|near(?:ly)? darkness|almost dark|pitch[- ]black|poorly lit",
                "光线昏暗|灯光昏暗|昏暗|漆黑|幽暗|光线很暗|黑暗中",
            ),
        ),
    ),
    Opposites(
        "depth of field",
        (
            _side(
                r"shallow (?:depth of (?:field|focus)|focus)|bokeh|(?:blurred|blurry|defocused|out[- ]of[- ]focus) background|background (?:\w+ )?(?:is |stays )?(?:\w+ )?(?:blurred|out of focus)",
                "浅景深|背景虚化|背景模糊|散景|背景失焦",
            ),
            _side(
                r"deep (?:depth of field|focus)|(?:great|large|wide) depth of field|everything (?:is )?in (?:sharp )?focus|(?:sharp|crisp) background|"
                r"background (?:is |stays |remains )?(?:perfectly |equally )?(?:sharp|in (?:sharp )?focus)|sharp throughout",
                "深景深|大景深|背景清晰|前后清晰|全部清晰|全景清晰",
            ),
        ),
    ),
    Opposites(
        "hair length",
        (
            _side(r"long(?:,? [\w-]+){0,3}? hair|long-haired|waist-length hair", "长发|及腰"),
            _side(
                r"short(?:,? [\w-]+){0,3}? hair|short-haired|pixie cut|buzz cut|crew cut|cropped hair", "短发|寸头|平头"
            ),
            _side(r"bald(?:-headed)?|shaved head|hairless|no hair", "光头|秃头|秃顶"),
        ),
    ),
    Opposites(
        "hair colour",
        (
            _side(
                r"(?:black|jet-black|raven)(?:,? [\w-]+){0,2}? hair(?! with)|black-haired",
                "黑发|乌黑的头发|黑色[的长短卷直]{0,2}头?发",
            ),
            _side(
                r"(?:blonde?|golden|platinum)(?:,? [\w-]+){0,2}? hair(?! with)|blonde?-haired",
                "金发|金色[的长短卷直]{0,2}头?发",
            ),
            _side(
                r"(?:white|grey|gray|silver)(?:,? [\w-]+){0,2}? hair(?! with)|(?:white|grey|gray|silver)-haired",
                "白发|银发|灰发|花白的头发|白色[的长短卷直]{0,2}头?发",
            ),
            _side(
                r"(?:red|ginger|auburn)(?:,? [\w-]+){0,2}? hair(?! with)|red-haired|redhead",
                "红发|红色[的长短卷直]{0,2}头?发",
            ),
        ),
    ),
    Opposites(
        "glasses",
        (
            _side(
                r"(?<!wine )(?<!drinking )(?<!magnifying )(?:eye)?glasses|spectacles|bespectacled",
                "戴着?[^，。；]{0,6}眼镜",
            ),
            _side(
                r"(?:no|without(?: any)?|takes off (?:his|her)) (?:glasses|spectacles)|not wear(?:ing)? glasses",
                "不戴眼镜|没戴眼镜|没有戴眼镜|未戴眼镜",
            ),
        ),
    ),
    Opposites(
        "beard",
        (
            _side(
                r"bearded|(?:full|long|thick|short|grey|dark|white|trimmed|neat|bushy)(?: [\w-]+)? beard|with a beard",
                "大胡子|络腮胡|留着?胡[子须]|胡须浓密",
            ),
            _side(
                r"clean-?shaven|beardless|without a beard|no beard|smooth-shaven",
                "没有胡[子须]|无胡须|刮得干净|不留胡[子须]",
            ),
        ),
    ),
    Opposites(
        "gaze",
        (
            _side(
                r"(?:look|gaz|star|fac)(?:s|es|ing) (?:straight |directly |right )?(?:at|into|to) the (?:camera|lens|viewer)|eye contact with the (?:camera|viewer)",
                "(?:看着?|望着|直视|面对|注视)(?:镜头|观众|相机)",
            ),
            _side(
                r"(?:look|gaz|star|turn)(?:s|es|ing) away(?: from the (?:camera|lens|viewer))?|back (?:turned )?to the camera|never looks at the camera|with eyes closed|eyes (?:are )?(?:closed|shut)",
                "背对(?:镜头|观众|相机)|闭着?眼|看向别处|不看镜头",
            ),
        ),
    ),
    Opposites(
        "mouth",
        (
            _side(
                r"speaking|speaks|talking|talks|explaining|explains|presenting|singing|narrating",
                "说话|讲话|讲解|演讲|交谈|唱歌|介绍着|正在说",
            ),
            _side(
                r"(?:mouth|lips) (?:is |are |kept |stays? |remains? )?(?:firmly |tightly )?(?:closed|shut|sealed)|in (?:complete )?silence|silent(?:ly)?(?! film)|says nothing|"
                r"with (?:his|her) (?:mouth|lips) closed",
                "闭着?嘴|嘴巴?紧闭|沉默不语|一言不发|不说话",
            ),
        ),
    ),
    Opposites(
        "voice",
        (
            _side(
                r"whisper(?:s|ing)?|in a (?:soft|quiet|hushed|low) voice|murmur(?:s|ing)?|speak(?:s|ing)? (?:softly|quietly)",
                "低声|轻声|小声|窃窃",
            ),
            _side(
                r"shout(?:s|ing)?|scream(?:s|ing)?|yell(?:s|ing)?|in a loud voice|speak(?:s|ing)? loudly",
                "大声|高喊|喊叫|尖叫|咆哮",
            ),
        ),
    ),
    Opposites(
        "realism",
        (
            _side(
                r"photo-?realistic|hyper-?realistic|photorealism|like a photograph|true to life",
                "写实|照片级|超现实主义摄影|逼真|真人摄影",
            ),
            _side(
                r"cartoon(?:ish)?(?! poster| on)|anime|manga|claymation|pixel art|comic[- ]book|stick figure|watercolou?r (?:style|painting)|ukiyo-e|"
                r"in (?:the )?style of (?:a )?(?:cartoon|comic|watercolou?r|oil painting)",
                "卡通|动漫|漫画|黏土动画|像素画|水彩画?风|水墨画?风|二次元",
            ),
        ),
    ),
    Opposites(
        "colour",
        (
            _side(
                r"black[- ]and[- ]white (?:film|photo\w*|picture|style|image|movie|footage)|monochrome|in black and white|greyscale|grayscale|desaturated",
                "黑白(?:电影|照片|影像|画面|风格|摄影)|单色",
            ),
            _side(
                r"vivid colou?rs|full colou?r|colou?rful(?: \w+)? (?:palette|picture|image|style|film|scene)|rich colou?rs|bright colou?rs|vibrant colou?rs|saturated colou?rs",
                "色彩鲜艳|色彩斑斓|全彩|鲜艳的色彩|色彩丰富|五彩缤纷",
            ),
        ),
    ),
    Opposites(
        "camera",
        (
            _side(r"close-?up|tight shot|headshot|head-and-shoulders", "特写|近景|大头照"),
            _side(
                r"full[- ]body|full[- ]length|wide shot|long shot|head[- ]to[- ]toe|from head to foot",
                "全身|远景|全景镜头|大远景",
            ),
        ),
    ),
)
