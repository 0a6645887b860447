"""The fields of a prompt, and three sets of them to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.text import read_text
from comps.core.errors import UnknownChoiceError, UnprocessableError

MOST_WORDS = 12
MOST_CHARACTERS = 100
_YOUNGEST, _OLDEST = 3, 110


@dataclass(frozen=True, slots=True)
class PromptFields:
    """What a prompt is composed of; empty or None for what is left to the picture or the preset.

    Text fields are phrases of 1 to 12 words, counted as the rules count them (``black-and-white`` has three), and up
    to 100 characters. Each has to fit its place:

    Args:
        sex: ``female`` or ``male``.
        age: years, 3 to 110.
        hair: "with …": ``short grey hair``.
        clothing: "wearing …": ``a navy suit``.
        glasses: whether the person wears any.
        posture: "She …": ``stands behind a counter``.
        gesture: "The gestures are …": ``small and made with open hands``.
        emotion: "The expression is …": ``friendly and attentive``.
        tone: "the voice is …": ``lively and clear``.
        background: "Behind her one sees …": ``a bookshelf``.
        lighting: "The light is …": ``soft and comes from the left``.
        depth: ``shallow`` or ``deep``: whether the background is blurred.
        style: "in the style of …": ``a television documentary``.
    """

    sex: str = ""
    age: int | None = None
    hair: str = ""
    clothing: str = ""
    glasses: bool | None = None
    posture: str = ""
    gesture: str = ""
    emotion: str = ""
    tone: str = ""
    background: str = ""
    lighting: str = ""
    depth: str = ""
    style: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                self._check(field.name, value)
        _one_of("sex", self.sex, ("", "female", "male"))
        _one_of("depth", self.depth, ("", "shallow", "deep"))
        if self.age is not None and not _YOUNGEST <= self.age <= _OLDEST:
            raise UnprocessableError(
                f"age = {self.age} is out of range; allowed is {_YOUNGEST} to {_OLDEST}", param="age"
            )

    @staticmethod
    def _check(name: str, value: str) -> None:
        length = read_text(value).length
        if len(value) > MOST_CHARACTERS or length > MOST_WORDS:
            limit = f"{MOST_WORDS} words and {MOST_CHARACTERS} characters are the limit"
            raise UnprocessableError(f"the field '{name}' is too long; {limit}", param=name)
        if value and not length:
            raise UnprocessableError(f"the field '{name}' holds no word", param=name)

    def over(self, others: PromptFields) -> PromptFields:
        """These fields, and those of `others` where these are empty."""
        mine = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) not in ("", None)}
        return replace(others, **mine)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(choice for choice in allowed if choice)
        raise UnknownChoiceError(f"{name} = '{value[:40]}' is not known; there are: {choices}", param=name)


def seen(facts: PictureFacts) -> PromptFields:
    """The fields that a picture settles; phrases too long for a field are cut, those without a word left out."""

    def short(text: str) -> str:
        words = text[:MOST_CHARACTERS].split()
        while (length := read_text(" ".join(words)).length) > MOST_WORDS:
            words = words[:-1] if len(words) > 1 else [words[0][:-1]]  # a language without blanks is cut by its signs
        return " ".join(words) if length else ""

    age = facts.age if facts.age is not None and _YOUNGEST <= facts.age <= _OLDEST else None
    sex = facts.sex if facts.sex in ("female", "male") else ""
    return PromptFields(
        sex, age, short(facts.hair), short(facts.clothing), facts.glasses, background=short(facts.background)
    )


PRESETS: dict[str, PromptFields] = {
    "host": PromptFields(
        sex="female",
        age=32,
        hair="shoulder-length brown hair",
        clothing="a dark green blazer over a cream blouse",
        posture="stands upright with the weight on both feet",
        gesture="open and rhythmic, made with both hands at chest height",
        emotion="cheerful and awake, with raised brows at surprises",
        tone="lively and clear",
        background="a studio with a curved screen in muted blue",
        lighting="even and warm, from two large lamps in front",
        depth="shallow",
        style="a live entertainment broadcast",
    ),
    "service desk": PromptFields(
        sex="female",
        age=28,
        hair="black hair tied back",
        clothing="a grey uniform jacket with a plain name badge",
        posture="sits straight at a reception counter",
        gesture="small and calm, with one hand now and then turned up",
        emotion="friendly, patient and attentive",
        tone="calm and helpful",
        background="a lobby with pale wooden panels and a green plant",
        lighting="soft and neutral, from above and from the front",
        depth="shallow",
        style="a corporate information film",
    ),
    "teacher": PromptFields(
        sex="male",
        age=45,
        hair="short greying hair",
        clothing="a blue cardigan over a white shirt",
        posture="stands half turned beside a whiteboard",
        gesture="explanatory, with fingers that count and a hand that points aside",
        emotion="curious and encouraging, with a slight smile",
        tone="unhurried and distinct",
        background="a whiteboard with a few simple diagrams",
        lighting="bright and even, as from a row of windows",
        depth="deep",
        style="an educational television programme",
    ),
}
"""Complete sets of fields by name."""


def prompt_fields(given: Mapping[str, object]) -> PromptFields:
    """Fields by name, as a client sends them; raises UnprocessableError for one that is not known or of another kind."""
    kinds = {"age": int, "glasses": bool}
    known = [field.name for field in fields(PromptFields)]
    for name, value in given.items():
        kind = kinds.get(name, str)
        if name not in known:
            raise UnprocessableError(f"no field '{name[:40]}'; there are: {', '.join(known)}", param=name[:40])
        if type(value) is not kind:
            raise UnprocessableError(f"the field '{name}' is of the kind {kind.__name__}", param=name)
    return PromptFields(**given)  # type: ignore[arg-type] # each checked above


def preset_fields(name: str) -> PromptFields:
    """The preset of that name; raises UnknownChoiceError."""
    key = name.strip().lower().replace("_", " ").replace("-", " ")
    if key not in PRESETS:
        raise UnknownChoiceError(f"no preset '{name[:40]}'; there are: {', '.join(PRESETS)}", param="preset")
    return PRESETS[key]
