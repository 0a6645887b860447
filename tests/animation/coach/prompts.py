"""Labelled prompts: good ones, with traps for a careless reader, and ones with planted faults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelledPrompt:
    """A prompt, the rules it breaks on purpose, and words that a finding on it must name."""

    name: str
    text: str
    planted: frozenset[str] = frozenset()
    named: tuple[str, ...] = ()


GOOD: dict[str, str] = {
    "librarian": (
        "A young woman with curly auburn hair stands between the shelves of an old library and introduces the week's books. She wears a "
        "mustard cardigan over a linen shirt and small round glasses. Her expression is warm and curious, and she keeps a gentle smile "
        "while she speaks. Her right hand holds a worn volume, the left one sketches shapes in the air whenever she describes a place. "
        "Behind her, rows of leather spines fade into a soft blur; the depth of field is shallow. Late sun comes through a tall window "
        "on the left and leaves a golden edge on her hair. The picture follows the manner of a quiet literary documentary, filmed on a "
        "steady tripod with muted, natural colours."
    ),
    "captain": (
        "An elderly man with a trimmed white beard and short silver hair sits at a heavy oak table and recalls his years at sea. He wears "
        "a navy wool jumper with a rolled collar. At first his face is serious, then, when the tale turns funny, it breaks into a broad "
        "smile. His weathered hands rest on a chart and move only when he names a harbour. On the wall behind him hang brass instruments "
        "and a painting of a storm at night. A single lamp throws warm light from the right, and the corners of the room stay in shadow. "
        "The background is slightly out of focus. It looks like an intimate portrait from a prize-winning film about old trades, with "
        "fine grain and deep browns."
    ),
    "newsreader": (
        "A middle-aged news anchor, a man with neatly parted dark hair, is seated behind a curved glass desk. He wears a charcoal suit, a "
        "white shirt and a burgundy tie. He looks straight into the camera, composed and attentive, and underlines figures with small "
        "movements of both hands. He does not smile, nor does he frown; now and then he nods before turning to the next item. The wall "
        "of the newsroom behind him shows a world map in cool blue tones, kept softly blurred by a shallow focus. Even studio lighting "
        "from above and from both sides leaves no hard shadow on the face. The style is that of an evening television broadcast, clean, "
        "sharp and restrained, in steady medium framing."
    ),
    "physics teacher": (
        "A woman in her forties with straight black hair tied in a ponytail stands beside a whiteboard and explains how a pendulum swings. "
        "She is dressed in a teal blouse and dark trousers. Her expression is enthusiastic and patient; she raises her brows at the "
        "surprising step and points at the drawing with an open palm. A wooden pendulum hangs from a stand on the bench in front of her. "
        "The classroom behind her has pale walls, a row of windows and two potted plants. Daylight from the windows mixes with bright "
        "ceiling lamps. Everything is in sharp focus, from the chalk dust on her sleeve to the last row. The whole has the look of a "
        "modern educational series made for online viewers."
    ),
    "blacksmith": (
        "A broad-shouldered man of about thirty with a shaved head and a short red beard stands at his anvil and tells how a blade is "
        "made. He wears a scarred leather apron over a grey shirt with rolled sleeves. He looks proud but tired, and wipes his forehead "
        "with the back of his hand before he goes on. His other hand points toward the tools on the wall. The workshop behind him "
        "is dim and full of iron; glowing coals colour his left cheek orange while a cold window outlines his shoulder on the right. The "
        "depth of field is shallow, and sparks turn into soft discs of light. The scene is filmed like a craft documentary in a "
        "cinematic style with strong contrast."
    ),
    "host of a show": (
        "A lively hostess, twenty-nine years of age, with a platinum pixie cut, stands on a round stage and welcomes the audience. She "
        "wears a glittering emerald jacket, black trousers and long silver earrings. She beams with excitement, spreads her arms at the "
        "greeting and then counts the guests of the evening on her fingers. Her posture is upright, her shoulders are loose. Behind her, "
        "a curtain of violet and magenta lamps melts into large circles, as the lens is wide open and only her face is in focus. Two "
        "spotlights cross on her from above while a soft front light fills the eyes. It is shot in the style of a Saturday night talk "
        "show, glossy, saturated and fast."
    ),
    "receptionist": (
        "A man in his early twenties with short brown curls stands behind the counter of a quiet hotel lobby. He wears a dark green waistcoat, "
        "a pale shirt and a name badge. He greets the viewer with a friendly, attentive smile, leans forward a little and turns one "
        "palm up when he offers help. He never looks annoyed, even while he waits. Keys, a brass bell and a vase standing on the counter frame "
        "the lower edge. The lobby behind him, with tall mirrors and a standing lamp, is gently blurred. Warm light falls from a "
        "chandelier, and a weaker glow from the street enters through the glass door. The picture has the calm, polished look of a "
        "corporate video for travellers."
    ),
    "scientist outdoors": (
        "A female botanist around fifty-five years old with grey hair under a straw hat kneels in a meadow and speaks about rare orchids. She wears "
        "a khaki vest over a checked shirt. Her face is tanned and joyful; she lowers her voice near the flowers, and her fingers follow "
        "the line of a petal without touching it. Tall grass moves slightly around her. Far behind, a row of poplars dissolves into a "
        "green haze because of the long lens and the shallow depth of field. Overcast daylight wraps her evenly, with no harsh shadows "
        "and no glare. It is meant to look like a nature film of the seventies: soft, faintly grainy, with pastel greens and a patient, observing camera."
    ),
    "anime guide": (
        "An anime girl with long violet hair and amber eyes floats at the side of a museum hall and guides visitors. She is sixteen years old "
        "and wears a white sailor dress with a blue ribbon. She stands on tiptoe, tilts her head, and waves at the viewer with an excited "
        "smile before she points toward a glass case. Her cheeks turn pink when she laughs. Behind her, marble columns and paintings in "
        "gold frames are drawn in watercolour with loose edges, so that the foreground stays crisp and the background blurred. Clean "
        "light falls through the roof and leaves pale squares on the floor. The artwork follows hand-drawn feature animation of the "
        "nineties, with flat shading and thin ink lines."
    ),
    "mood change": (
        "A young man with wavy blond hair leans against a brick wall and reads aloud a letter from home. He is dressed in a faded denim jacket "
        "and a black T-shirt. He goes from sad to happy: his first lines are slow and heavy, and later his face opens into a relieved grin. His "
        "free hand rubs his neck in the beginning and finally lifts in a small triumphant gesture. The wall behind him carries peeling "
        "posters that are kept out of focus. It is late afternoon; the light is low and warm and reaches him from the side, and long "
        "shadows lie across the bricks. The take imitates an independent film shot on 16 mm stock, with a handheld camera that hardly "
        "moves at all."
    ),
    "doctor with a view": (
        "A female doctor in her thirties with black hair in a low bun sits at a tidy desk and explains a treatment. She wears a white coat over a "
        "blue blouse, and a stethoscope lies around her neck. Her expression is calm and reassuring, without any trace of worry; she "
        "folds her hands, then opens them to show two choices. Through the window behind her one sees a view of a park with sunny lawns, "
        "strongly blurred. A softbox at the left and a white wall at the right give even, neutral light, and a small lamp adds warmth to the shelf. "
        "The lens separates her clearly from the room. The style is that of a public health film: honest, clear, bright in tone, and free of "
        "drama."
    ),
    "sad story": (
        "A grandmother of seventy-eight with thin white hair in a braid sits in an armchair and tells her grandchildren a sad story with a happy "
        "ending. She wears a knitted lilac shawl over a dark dress. Her gaze is kind, her lips smile at the corners, and her crooked fingers draw "
        "every figure of the tale into the air. A cat is lying on the carpet next to her feet. Behind the chair stands a bookcase "
        "with photographs, softened by a shallow depth of field. Firelight flickers from the left; a floor lamp keeps the other half of the face "
        "readable. The picture looks like an oil painting of the Dutch golden age brought to life, rich in brown, ochre and "
        "deep red, with the movements of real people."
    ),
}
CHINESE_GOOD: dict[str, str] = {
    "zh teacher": (
        "一位三十多岁的女教师，黑色长发扎成马尾，戴着一副细框眼镜，身穿浅蓝色衬衫和深灰色长裤，站在教室的黑板旁边，正在为学生讲解行星的运动。"
        "她面向镜头，表情亲切而专注，说到关键之处会微微扬起眉毛，右手指向黑板上的图示，左手自然地放在讲台上。身后的黑板上画着太阳和几条轨道，"
        "窗边摆着两盆绿色植物，背景因为浅景深而略显模糊。柔和的自然光从左侧的窗户照进来，天花板上的灯光补充了脸部的亮度，没有明显的阴影。"
        "整体采用现代教育纪录片的风格，画面干净，色调自然，镜头平稳。"
    ),
    "zh host": (
        "一位二十八岁的男主持人，留着利落的短发，身穿深绿色西装和白色衬衫，打着细领带，站在圆形舞台的中央，向观众介绍今晚的嘉宾。他的神情兴奋而自信，"
        "面带微笑，双手在胸前打开，说到名字时用手势强调节奏。他的身姿挺直，肩膀放松，目光一直看着镜头。身后是一块弧形的大屏幕，蓝紫色的图案被虚化成柔和的光斑，"
        "只有人物清晰地处在焦点之中。两束聚光从上方交叉照下来，正面还有一盏柔光灯照亮眼睛。画面采用周末综艺节目的风格，色彩饱满，"
        "质感细腻，镜头缓慢推进，皮肤和布料的纹理都清楚可见。"
    ),
    "zh from sad to happy": (
        "一位中年男子，灰白相间的短发，穿着一件旧的棕色皮夹克，坐在窗边的木椅上，读着一封远方的来信。他的表情从悲伤逐渐变成开心，起初声音低沉缓慢，"
        "后来嘴角慢慢上扬。他的左手拿着信纸，右手轻轻敲着桌面，读到最后一行时抬手擦了擦眼角。身后的墙上挂着几张老照片，书架上放着一台收音机，"
        "背景有轻微的虚化。下午的阳光从右侧斜照进来，在脸上留下温暖的轮廓，房间的另一边保持着安静的阴影。"
        "整个画面模仿八十年代的电影风格，带有细细的胶片颗粒，色调偏黄，镜头固定不动，只记录他的脸和双手。"
    ),
    "zh no glasses": (
        "一位六十五岁的老奶奶，满头白发盘在脑后，不戴眼镜，穿着绣有小花的深红色棉衣，坐在厨房的小桌旁，一边包饺子一边讲述家乡的往事。她的脸上带着温柔的微笑，"
        "眼神明亮，双手熟练地捏着面皮，偶尔停下来用手比划锅的大小。她的坐姿端正而放松，头随着说话轻轻点动。身后是白色的瓷砖墙和一排陶罐，"
        "蒸汽让背景显得朦胧，焦点始终落在她的脸上。窗外透进来的自然光柔和均匀，炉火又添了一点橙色的暖光。整体像一部讲述美食的纪录片，"
        "画风朴素真实，声音亲切，节奏缓慢，没有多余的装饰。"
    ),
}

_BASE = GOOD["newsreader"]
_LONG_TAIL = " The camera stays on a tripod at eye level." * 12


def _with(name: str, *changes: tuple[str, str]) -> str:
    text = {**GOOD, **CHINESE_GOOD}[name]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def good_prompts() -> list[LabelledPrompt]:
    chinese = frozenset({"prompt_language"})
    return [LabelledPrompt(name, text) for name, text in GOOD.items()] + [
        LabelledPrompt(name, text, chinese) for name, text in CHINESE_GOOD.items()
    ]


def vague_prompts() -> list[LabelledPrompt]:
    planted = frozenset({"prompt_vague"})
    return [
        LabelledPrompt("beautiful", _with("librarian", ("A young", "A beautiful young")), planted, ("beautiful",)),
        LabelledPrompt("nice", _with("receptionist", ("friendly, attentive smile", "nice smile")), planted, ("nice",)),
        LabelledPrompt(
            "great, cool",
            _with("host of a show", ("A lively hostess", "A great hostess with a cool look")),
            planted,
            ("great", "cool"),
        ),
        LabelledPrompt(
            "good", _with("physics teacher", ("bright ceiling lamps", "good ceiling lamps")), planted, ("good",)
        ),
        LabelledPrompt(
            "stunning",
            _with("captain", ("an intimate portrait", "a stunning, amazing portrait")),
            planted,
            ("stunning", "amazing"),
        ),
        LabelledPrompt(
            "漂亮", _with("zh teacher", ("女教师", "漂亮的女教师")), planted | {"prompt_language"}, ("漂亮",)
        ),
        LabelledPrompt(
            "完美", _with("zh host", ("画面采用", "画面完美，采用")), planted | {"prompt_language"}, ("完美",)
        ),
    ]


def contradictory_prompts() -> list[LabelledPrompt]:
    planted = frozenset({"prompt_contradiction"})
    cases: tuple[tuple[str, str, tuple[tuple[str, str], ...], tuple[str, ...]], ...] = (
        ("happy but sad", "librarian", (("warm and curious", "happy but sad"),), ("happy", "sad")),
        ("smile and tears", "receptionist", (("friendly, attentive smile", "warm smile and is crying bitterly"),), ("crying",)),
        ("sits and stands", "newsreader", (("He does not smile", "He is standing on one leg. He does not smile"),), ("seated", "standing")),
        ("indoor and outdoor", "newsreader", (("The wall of the newsroom", "He is in a newsroom and on a sunny beach. The wall"),), ("beach",)),
        ("young and elderly", "librarian", (("Her expression", "The elderly woman seems at ease. Her expression"),), ("elderly",)),
        ("day and night", "physics teacher", (("Daylight from the windows", "At night, bright sunlight from the windows"),), ("at night",)),
        ("long and short hair", "doctor with a view", (("black hair in a low bun", "long black hair in a low bun and short hair"),), ("short hair",)),
        ("hair colours", "receptionist", (("He greets", "His black hair shines. His blond hair shines. He greets"),), ("blond hair",)),
        ("shallow and deep", "captain", (("The background is slightly out of focus", "There is a shallow depth of field, and the background is perfectly sharp"),), ("shallow depth of field",)),
        ("motionless and waving", "host of a show", (("Her posture is upright", "She is motionless. She is waving all the time"),), ("motionless", "waving")),
        ("laughing and solemn", "newsreader", (("composed and attentive", "laughing heartily with a solemn expression"),), ("laughing", "solemn")),
        ("photo and cartoon", "blacksmith", (("in a cinematic style", "as a photorealistic cartoon"),), ("cartoon",)),
        ("bright and dim", "newsreader", (("Even studio lighting", "The room is brightly lit and dimly lit. Even studio lighting"),), ("dimly lit",)),
        ("calm and frantic", "doctor with a view", (("calm and reassuring", "calm and frantic"),), ("frantic",)),
        ("glasses and none", "librarian", (("Her expression", "She wears no glasses. Her expression"),), ("glasses",)),
        ("beard and shaven", "captain", (("He wears", "He is clean-shaven with a full beard. He wears"),), ("clean-shaven",)),
        ("a man, she", "newsreader", (("He looks", "She looks"), ("He wears", "She wears"), ("He does not smile, nor does he", "She does not smile, nor does she"), ("behind him", "behind her"), ("then he nods", "then she nods")), ("man", "she")),
        ("开心又悲伤", "zh host", (("兴奋而自信", "开心又悲伤"),), ("开心", "悲伤")),
        ("站着坐着", "zh teacher", (("站在教室", "站在教室里坐在椅子上，靠近教室"),), ("站", "坐")),
        ("室内海滩", "zh host", (("站在圆形舞台的中央", "站在演播室里，也在海滩上"),), ("海滩",)),
        ("年轻的老人", "zh no glasses", (("满头白发", "年轻的老人，满头白发"),), ("年轻",)),
    )  # fmt: skip
    return [
        LabelledPrompt(
            name, _with(base, *changes), planted | ({"prompt_language"} if base.startswith("zh") else set()), named
        )
        for name, base, changes, named in cases
    ]


def short_and_long_prompts() -> list[LabelledPrompt]:
    everything = {"prompt_length", "prompt_person", "prompt_action", "prompt_setting", "prompt_style"}
    guide = (
        "A young woman with long black hair in a blue suit stands in an office, smiles and gestures. Soft light, shallow depth of field, "
        "corporate video style."
    )
    return [
        LabelledPrompt("three words", "a woman talking", frozenset(everything)),
        LabelledPrompt("one word", "teacher", frozenset(everything)),
        LabelledPrompt("complete but short", guide, frozenset({"prompt_length"})),
        LabelledPrompt("too long", _BASE + _LONG_TAIL, frozenset({"prompt_length"})),
        LabelledPrompt("beyond the encoder", _BASE + _LONG_TAIL * 4, frozenset({"prompt_length", "prompt_tokens"})),
        LabelledPrompt("短", "一位女士在讲话", frozenset({*everything, "prompt_language"})),
        LabelledPrompt("过长", CHINESE_GOOD["zh host"] * 2, frozenset({"prompt_length", "prompt_language"})),
        LabelledPrompt("empty", "", frozenset({"prompt_empty"})),
        LabelledPrompt("blanks and stops", " \n ... !", frozenset({"prompt_empty"})),
    ]


def incomplete_prompts() -> list[LabelledPrompt]:
    """A part or an element taken out, the length kept by more of the rest."""
    more = " Lips and jaw follow every word. The frame holds head and chest. Nothing covers the mouth, and nobody else is seen. The take is one piece."
    return [
        LabelledPrompt(
            "no clothes",
            _with("newsreader", ("He wears a charcoal suit, a white shirt and a burgundy tie.", "")) + more,
            frozenset({"prompt_person"}),
            ("clothing",),
        ),
        LabelledPrompt(
            "no age", _with("newsreader", ("A middle-aged news anchor", "A news anchor")), frozenset({"prompt_person"}), ("age",)
        ),
        LabelledPrompt(
            "no hair", _with("newsreader", (" with neatly parted dark hair", "")), frozenset({"prompt_person"}), ("hair",)
        ),
        LabelledPrompt(
            "no gesture",
            _with("newsreader", (", and underlines figures with small movements of both hands", ""), ("; now and then he nods before turning to the next item", "")) + more,
            frozenset({"prompt_action"}),
            ("gesture",),
        ),
        LabelledPrompt(
            "no light",
            _with("newsreader", ("Even studio lighting from above and from both sides leaves no hard shadow on the face.", "")) + more,
            frozenset({"prompt_setting"}),
            ("lighting",),
        ),
        LabelledPrompt(
            "no depth", _with("newsreader", (", kept softly blurred by a shallow focus", "")), frozenset({"prompt_setting"}), ("depth",)
        ),
        LabelledPrompt(
            "no style",
            _with("newsreader", ("The style is that of an evening television broadcast, clean, sharp and restrained, in steady medium framing.", "")) + more,
            frozenset({"prompt_style"}),
            ("style",),
        ),
        LabelledPrompt(
            "没有服装", _with("zh host", ("身穿深绿色西装和白色衬衫，打着细领带，", "")), frozenset({"prompt_person", "prompt_language"}), ("clothing",)
        ),
        LabelledPrompt(
            "没有景深",
            _with("zh teacher", ("，背景因为浅景深而略显模糊", "，东西都很整齐，地面也很干净")),
            frozenset({"prompt_setting", "prompt_language"}),
            ("depth",),
        ),
    ]  # fmt: skip


def faulty_prompts() -> list[LabelledPrompt]:
    return [*vague_prompts(), *contradictory_prompts(), *short_and_long_prompts(), *incomplete_prompts()]
