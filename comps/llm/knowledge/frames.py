"""How questions usually begin and end, whatever they are about: what these share says nothing of a topic."""

from __future__ import annotations

from comps.llm.knowledge.text import tokens

_EN = [
    "what is the",
    "what is a",
    "what are the",
    "what does it do",
    "what do you think about the",
    "what kind of",
    "which is the best",
    "which one",
    "who is the",
    "who was the",
    "who are they",
    "who made this",
    "when is the",
    "when was it",
    "when will it be",
    "where is the",
    "where can i find a",
    "where do i get it",
    "why is it",
    "why does it not",
    "why do you have",
    "how do i",
    "how do you",
    "how can i",
    "how can you",
    "how is it",
    "how are they",
    "how does it",
    "how does the",
    "how many are there",
    "how much is it",
    "how long does it take",
    "how big is it",
    "how old is",
    "how often do you",
    "is it",
    "is there a",
    "is this the",
    "are there any",
    "are you",
    "am i",
    "can i",
    "can you",
    "can it",
    "could you please",
    "could i have",
    "do i have to",
    "do i need",
    "do you know",
    "do you have",
    "do they",
    "does it",
    "does the",
    "did you",
    "did it",
    "will it be",
    "would you",
    "should i",
    "may i",
    "was it",
    "has it",
    "have you",
    "tell me about the",
    "tell me what",
    "tell me how to",
    "tell me a",
    "please tell me",
    "please explain the",
    "explain to me",
    "give me the",
    "show me the",
    "i want to know",
    "i want to",
    "i would like to",
    "i would like a",
    "i need to",
    "let me know",
    "can you tell me",
    "can you tell me about the",
    "do you know what the",
    "do you know how to",
    "do you know where",
    "what about the",
    "and what about",
    "how about",
    "in the",
    "of the",
    "on the",
    "at the",
    "for the",
    "to the",
    "with the",
    "from the",
    "for me",
    "for my",
    "with my",
    "to my",
    "in my",
    "is not",
    "that is",
    "this is",
    "there is",
]

_ZH = [
    "什么是",
    "是什么",
    "什么",
    "怎么",
    "怎么样",
    "怎样",
    "如何",
    "为什么",
    "哪里",
    "在哪里",
    "哪个",
    "哪些",
    "谁是",
    "是谁",
    "多少",
    "多久",
    "几个",
    "有没有",
    "是不是",
    "能不能",
    "可以吗",
    "可不可以",
    "能吗",
    "会吗",
    "你会",
    "你能",
    "你可以",
    "我想知道",
    "我想",
    "我要",
    "我需要",
    "请告诉我",
    "告诉我",
    "请问",
    "请",
    "你知道",
    "你有",
    "它是",
    "这个是",
    "那个是",
    "介绍一下",
    "说说",
    "讲讲",
    "解释一下",
    "给我",
    "怎么用",
    "怎么办",
    "需要什么",
    "支持吗",
    "有什么",
    "是的吗",
    "在吗",
    "了吗",
    "的吗",
    "呢",
    "吗",
]

_EN_FILLERS = """
a about actually after again all also always am an and another any anybody anyone anything are around as ask at away
basically be because been before being between both but by call called can could did do does doing done down each
either else ever every everything exactly explain find first for from get give go going good got had has have he help
her here hers him his how i idea if in into is it its itself just kind know learn let like little lot made make many
may maybe me mean means might mine more most much must my myself need never new no not now of off often ok okay on one
only or other our out over own part please possible possibly put quite rather really right said same say see seen she
should show so some somebody someone something somewhere sort still such sure take tell than that the their them then
there these they thing things think this those through to together too try two under understand up upon us use used
using usually very want wanted was way we well were what when where which while who whom whose why will wish with
within without wonder would yes yet you your yours yourself
able accept accepted access actual allow allowed alone already although amount anyhow anyway appear application apply
approach available aware bad based beginner begin beginning behind believe belong belongs below beside best big biggest
bit bring brought case certain certainly charge charged chance clear clearly close come comes coming common complete
completely concern consider contain correct correctly could couple current currently deal decide depend depends describe
desire detail details detect detected differ difficult directly easily easy effect else enable enough enter entire
especially etc eventually exact example expect explanation extra fact fairly far feel few figure finally fine finished
fit follow following force form former forward full fully further general generally given gone great guess guide hand
handle happen happened happens hard hardly hello hey high hold hope huge imagine important include including indeed
inside instead interested involve involved issue item itself keep kinds large last late later latest least leave left
less level likely line list literally live longer look looking lot lots low main major manage matter mention mentioned
method minute moment mostly move multiple name namely near nearly necessary next nice normal normally note nothing
notice number numbers obvious occur old once ones open order ordinary original otherwise outside overall particular
pass past perhaps person place plan plenty point position potential practical prefer present previous prior probably
procedure proceed process program proper properly provide provided provides purpose quick random range rate reach ready
real reason reasonable recent recently regard regarding regular relate related relevant remain rest result results
return round second see seem seems select self send sense sent separate serious set several shall share short shortly
side similar simple simply since single situation small software somehow special specific specify standard start state
step steps strong stuff stupid suggest suitable support suppose supposed system systems task tend term terms thanks
therefore third though three thus time times today together tomorrow total toward true truly turn type types typical
typically ultimate unable unless until usual various version via view wait way ways week whatever whenever whether
whole wide work working works world worth wrong year years yesterday bigger smaller longest shortest newest sometimes
always never anybody nobody everyone everybody anywhere everywhere somewhere nowhere
"""

_ZH_FILLERS = """
的了吗呢吧啊呀嘛着过是什么怎样如何能可以不有没我你您它他她这那请问要会用在多少哪些里为都就还很太也又再一下个给和与跟到把被让对从得地想
该来去上说讲
"""

FILLERS = frozenset(_EN_FILLERS.split()) | frozenset(_ZH_FILLERS) - {"\n"}
"""Words and Chinese characters that name no topic: they count, but little."""

_EN_ASKING = """
what who whom whose when where why how which do does did can could will would should may is are was were am
"""

ASKING = frozenset(_EN_ASKING.split())
"""English words that begin a question."""

FRAMES = {"en": tuple(_EN), "zh": tuple(_ZH)}
"""Frames by language; others have none and rely on the folder's own words."""

_PREFIXES = {language: frozenset(tuple(tokens(frame)) for frame in frames) for language, frames in FRAMES.items()}


def frame_length(words: list[str], language: str) -> int:
    """How many words at the beginning are a frame; 0 when nothing else would be left."""
    prefixes = _PREFIXES.get(language, frozenset())
    return next((n for n in range(min(len(words) - 1, 7), 0, -1) if tuple(words[:n]) in prefixes), 0)
