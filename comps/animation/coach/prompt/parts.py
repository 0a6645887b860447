"""The parts of a complete prompt and the words by which each is recognised, English and Chinese."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MATERIALS = (
    "blue|brown|grey|gray|green|pink|yellow|purple|red|orange|beige|skin|hair|coat|jacket|sweater|dress|shirt|blouse|suit|touch|"
    "smile|makeup|beard|stubble|footsteps?|weight|wood|oak|blonde?|tan"
)


@dataclass(frozen=True, slots=True)
class Element:
    """One thing that has to be said, and the patterns that say it."""

    name: str
    english: re.Pattern[str]
    chinese: re.Pattern[str]

    def said(self, text: str) -> bool:
        """Whether `text` says it."""
        return bool(self.english.search(text) or self.chinese.search(text))


def _element(name: str, english: str, chinese: str) -> Element:
    return Element(name, re.compile(rf"\b(?:{english})\b", re.IGNORECASE), re.compile(chinese))


PERSON = (
    _element(
        "sex",
        "wom[ae]n|m[ae]n|girls?|boys?|lady|ladies|gentlem[ae]n|male|female|she|he|her|his|him|mother|father|grand(?:mother|father|ma|pa)|"
        "aunt|uncle|sister|brother|daughter|son|husband|wife|queen|king|actress|hostess|waitress|"
        "(?:business|sales|spokes|anchor)(?:wom[ae]n|m[ae]n)|nun|monk|masculine|feminine|androgynous|non-?binary",
        "[女男她他]|姑娘|小姐|先生|妈妈|爸爸|奶奶|爷爷|母亲|父亲|阿姨|叔叔",
    ),
    _element(
        "age",
        "young|old|older|younger|elderly|middle[- ]aged|teen(?:age[rd]?|s)?|adult|child|kid|girl|boy|toddler|senior|mature|youthful|"
        r"aged (?:about |around )?\w+|age of|\d+[- ]years?|years? (?:old|of age)|student|grand(?:mother|father|ma|pa)|"
        r"(?:early|mid|late)?[- ]?(?:twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties)|\d0s|"
        "(?:twenty|thirty|forty|fifty|sixty|seventy)(?:[- ](?:something|one|two|three|four|five|six|seven|eight|nine))?",
        r"年轻|中年|老年|年老|年长|少年|少女|青年|老人|老太太|老奶奶|老爷爷|孩|青春|成年|[\d一二三四五六七八九十]+[多几来]?岁|\d+后",
    ),
    _element(
        "hair",
        r"hair|\w*[- ]?haired|hairstyle|bald|balding|ponytail|braids?|braided|bun|curls|curly|blonde?|brunette|redhead|afro|dreadlocks|"
        "bob|bangs|fringe|buzz cut|crew cut|pixie cut|shaved head|locks|tresses|hijab|headscarf|turban|bearded",
        "头发|[长短黑金白卷直棕银灰红碎秀]发|发型|发髻|发丝|马尾|辫|光头|秃|刘海|头巾|盘发|披肩",
    ),
    _element(
        "clothing",
        r"wear(?:s|ing)?|dressed|suits?|blazer|shirt|blouse|dress|jacket|sweater|jumper|coat|necktie|tie|uniform|cardigan|t-?shirt|hoodie|"
        "gown|robes?|vest|skirt|trousers|jeans|scarf|apron|turtleneck|outfit|clothes|clothing|attire|kimono|sari|hanfu|qipao|"
        "waistcoat|tunic|polo|overalls|tuxedo|costume|armou?r",
        "穿|身着|着装|西装|西服|衬衫|外套|裙|毛衣|制服|夹克|旗袍|汉服|[Tt]恤|大衣|领带|马甲|衣|长袍|围巾|正装",
    ),
)
ACTION = (
    _element(
        "posture",
        r"st[ao]nd(?:s|ing)?|sit(?:s|ting)?|seated|sat|lean(?:s|ing)?|walk(?:s|ing)?|postures?|upright|kneel(?:s|ing)?|perched|fac(?:es|ing)|"
        r"poised|pose[sd]?|posing|crouch(?:es|ing)?|reclin(?:es|ing)|lounging|straight-backed",
        "站|坐|走|靠着|倚|面向|面对|姿态|姿势|挺直|身姿|端正|前倾|跪|蹲",
    ),
    _element(
        "gesture",
        r"gestur(?:es?|ed|ing)|hands?|nod(?:s|ding)?|wav(?:es|ing)|point(?:s|ing)|(?:folded|crossed|open|raised) arms|arms|shrug(?:s|ging)?|"
        r"thumbs?|fingers?|palms?|tilt(?:s|ing)?|clap(?:s|ping)?|bow(?:s|ing)|motionless|perfectly still",
        "手势|手|挥|点头|指着|指向|摊开|比划|鼓掌|鞠躬|歪头|摇头|一动不动",
    ),
    _element(
        "emotion",
        r"smil(?:es?|ing)|happy|happily|happiness|cheerful(?:ly)?|calm(?:ly)?|serious(?:ly)?|warm(?:ly|th)?|friendly|confiden(?:t|tly|ce)|"
        r"enthusias(?:tic|tically|m)|excite(?:d|dly|ment)|sad(?:ly|ness)?|angr(?:y|ily)|anger|surprised?|worried|thoughtful(?:ly)?|"
        r"gentl[ey]|relaxed|kind(?:ly)?|neutral|expressions?|joy(?:ful|fully)?|proud(?:ly)?|curious(?:ly)?|attentive(?:ly)?|focused|"
        r"determined|laugh(?:s|ing)?|frown(?:s|ing)?|solemn(?:ly)?|nervous(?:ly)?|anxious(?:ly)?|passionate(?:ly)?|playful(?:ly)?|"
        r"melanchol(?:y|ic)|tearful|crying|furious|grin(?:s|ning)?|composed|sincere(?:ly)?|reassuring(?:ly)?|patient(?:ly)?|delighted|"
        r"engaged|welcoming|stern(?:ly)?|upbeat|lively|pensive|amused|emotionless",
        "微笑|笑|开心|高兴|快乐|表情|自信|亲切|热情|严肃|平静|温和|温柔|友好|悲伤|难过|愤怒|生气|惊讶|担心|专注|沉思|认真|自豪|激动|兴奋|神情|忧郁|真诚|和蔼|耐心|哭|庄重|从容",
    ),
)
SETTING = (
    _element(
        "background",
        r"backgrounds?|backdrop|offices?|studio|rooms?|kitchen|classroom|library|streets?|park|garden|beach|forest|city|cityscape|skyline|"
        r"walls?|book(?:shelf|shelves|case)|shelves|windows?|desk|stage|counter|lobby|caf[eé]|lab(?:oratory)?|hospital|clinic|shop|store|"
        r"newsroom|hall|mountains?|sky|indoors?|outdoors?|auditorium|museum|gallery|workshop|temple|castle|meadow|field of \w+|behind (?:him|her|them)|"
        r"terrace|balcony|restaurant|warehouse|factory|lake|river|sea|ocean|desert|bridge|train|airport|station|curtains?|blackboard|whiteboard",
        "背景|办公室|演播室|演播厅|教室|图书馆|房间|客厅|厨房|书房|街|公园|花园|海滩|沙滩|森林|城市|室内|室外|户外|窗|墙|书架|舞台|大厅|前台|柜台|咖啡|实验室|医院|店|天空|山|湖|河|海边|草地|黑板|展厅|会议室",
    ),
    _element(
        "lighting",
        rf"light(?!\s+(?:{_MATERIALS})\b)|lights|lighting|\w*-?lit|sun|sunrays?|sun(?:light|lit|ny|set|rise|shine)|daylight|lamps?|softbox(?:es)?|backlit|glow(?:s|ing)?|"
        "shadows?|shadowless|illuminat(?:es|ed|ing|ion)|moonl(?:ight|it)|candle(?:light|lit|s)|neon|high-key|low-key|golden hour|spotlights?|"
        "overcast|chiaroscuro|firelight|fluorescent",
        "灯|光线|柔光|自然光|阳光|逆光|侧光|布光|照明|日光|月光|打光|光影|暖光|冷光|聚光|烛光|光照|明亮|昏暗|晨光|夕阳|霓虹|背光|轮廓光",
    ),
    _element(
        "depth of field",
        r"depth of (?:field|focus)|bokeh|blurr(?:ed|y|s|ing)|blur|out of focus|in (?:sharp |crisp )?focus|(?:sharp|deep|shallow|soft|selective) focus|"
        r"defocus(?:ed|sed)?|f/?\s?\d(?:\.\d)?|rack focus|softly focused|(?:everything|background|wall|room) (?:is |stays |remains )?(?:sharp|crisp)|"
        "sharp throughout",
        "景深|虚化|模糊|对焦|焦点|失焦|焦外|散景|背景清晰|前后清晰|全部清晰",
    ),
)
STYLE = (
    _element(
        "style",
        r"styles?|styled|cinematic|cinema|cinematography|films?|filmic|movies?|documentar(?:y|ies)|photo-?realis(?:m|tic)|hyper-?realis(?:m|tic)|realis(?:m|tic)|"
        r"photograph(?:y|ic)|anime|manga|cartoon|3d|cgi|render(?:ed|ing)?|pixar|ghibli|disney|blizzard|watercolou?r|oil paint(?:ing|ed)|illustrations?|"
        r"corporate video|commercial|advert(?:isement)?|vlog|broadcasts?|television|tv|noir|editorial|claymation|comic|baroque|renaissance|"
        r"impressionis[mt]\w*|pop art|vintage|retro|aesthetics?|sketch|ukiyo-e|pixel art|webinar|newscast|talk show|tv series|series|programme|look of an?|in the manner of|(?:16|35|70) ?mm",
        "风格|电影|写实|动漫|动画|卡通|纪录片|油画|水彩|水墨|摄影|插画|广告|新闻播报|新闻节目|质感|画风|胶片|宣传片|访谈节目|短片|渲染|复古",
    ),
)
PARTS: dict[str, tuple[Element, ...]] = {"person": PERSON, "action": ACTION, "setting": SETTING, "style": STYLE}
"""The four parts in the order in which they are best written."""


def missing(part: str, text: str) -> tuple[str, ...]:
    """Names of the elements of `part` that `text` says nothing of."""
    return tuple(element.name for element in PARTS[part] if not element.said(text))
