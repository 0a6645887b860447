"""Whether picture, recording and prompt speak of the same person in the same mood; hints, each with how sure it is.

What can be told: the sex of a voice by its pitch and how aroused it sounds; of a picture, what is stated of it, and with
landmarks whether the face smiles. A face's sex, age or glasses are not told from pixels here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from comps.animation.coach.finding import Finding, Measured, Report, Rule, Severity, Subject
from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.sex import stated_sex
from comps.animation.coach.prompt.stated import stated_age, stated_arousal, stated_glasses
from comps.animation.direction.direction import read_prompt

_BETWEEN, _SLOPE = 7.5, 0.7
"""Semitones above 100 Hz half-way between calm men and women, and how fast certainty grows from there."""
_SUREST = 0.85
"""Of an orator, whose voice is raised, of low women, high men and children the pitch tells otherwise."""
_PITCHES = 40.0, 500.0
_UNSMILING = frozenset({"sadness", "anger", "fear", "disgust", "grief"})
"""Moods, as `read_prompt` names them, that no broad smile goes with."""


def _rule(
    code: str, measure: str, advice: str, unit: str = "", least: float | None = None, most: float | None = None
) -> Rule:
    return Rule(code, Subject.TOGETHER, Severity.HINT, measure, unit, least, most, advice, source="LiveAvatar guide")


VOICE_SEX = _rule(
    "together_voice_sex",
    "probability, by its pitch, that the voice has the sex that the prompt states",
    "Let the prompt and the voice belong to one person, or leave it if it is meant.",
    least=0.2,
)
VOICE_PICTURE = _rule(
    "together_voice_picture",
    "probability, by its pitch, that the voice has the sex of the person in the picture",
    "Choose a voice that suits the picture, or leave it if it is meant.",
    least=0.2,
)
MOOD = _rule(
    "together_mood",
    "how much more aroused the voice sounds than the prompt says; 0 is as said, 2 a shout for a murmur",
    "Record the text again in the mood of the prompt, or write the mood of the voice into it.",
    least=-1.2,
    most=1.2,
)
PICTURE_SEX = _rule(
    "together_picture_sex",
    "sex in the prompt and in the picture",
    "The look comes from the picture: describe the person who is in it.",
)
PICTURE_AGE = _rule(
    "together_picture_age",
    "difference between the ages in the prompt and in the picture",
    "The look comes from the picture: describe the age that it shows.",
    unit="years",
    most=15.0,
)
PICTURE_GLASSES = _rule(
    "together_picture_glasses",
    "glasses in the prompt and in the picture",
    "The look comes from the picture: name glasses only if it shows them.",
)
PICTURE_MOOD = _rule(
    "together_picture_mood",
    "how broadly the face smiles, 0 to 1, where the prompt names a mood that does not; told with landmarks only",
    "Use a picture with a neutral face, or write the mood that it shows: a smile stays in every word.",
    most=0.75,
)

AGREEMENT_RULES: tuple[Rule, ...] = (
    VOICE_SEX, VOICE_PICTURE, MOOD, PICTURE_SEX, PICTURE_AGE, PICTURE_GLASSES, PICTURE_MOOD,
)  # fmt: skip
"""In the order in which they are judged."""


@dataclass(frozen=True, slots=True)
class _Voice:
    """What a report on a recording tells of the voice."""

    female: float
    arousal: float


def check_agreement(
    prompt: str | None, image: Report | None = None, audio: Report | None = None, *, picture: PictureFacts | None = None
) -> Report | None:
    """Compare what is given; None where there is nothing to compare. Blocks for a millisecond, raises nothing.

    Args:
        prompt: the text.
        image: report of `check_image`; an unusable picture is not compared.
        audio: report of `check_audio`.
        picture: what is known of the person in the picture.
    """
    shown = picture if image is None or image.usable else None
    voice = _voice(audio)
    if sum(thing is not None for thing in (prompt, shown or image, audio)) < 2:
        return None
    measured: dict[str, Measured] = {}
    findings: list[Finding] = []
    if voice is not None:
        measured["voice_female_probability"] = round(voice.female, 2)
        measured["voice_arousal"] = round(voice.arousal, 2)
        findings += _of_voice(voice, prompt or "", shown)
    if prompt:
        measured |= _stated(prompt)
        findings += _of_picture(prompt, shown)
        findings += _of_smile(prompt, image)
    return Report(measured, tuple(findings))


def female_probability(pitch_hz: float) -> float:
    """How probably a voice of that median pitch is a woman's, 0.15 to 0.85; 0.5 where there is no pitch."""
    if not _PITCHES[0] < pitch_hz < _PITCHES[1]:
        return 0.5
    semitones = 12 * math.log2(pitch_hz / 100)
    probability = 1 / (1 + math.exp(-_SLOPE * (semitones - _BETWEEN)))
    return min(max(probability, 1 - _SUREST), _SUREST)


def _voice(audio: Report | None) -> _Voice | None:
    if audio is None or not audio.usable or not float(audio.measured.get("pitch_hz", 0.0)):
        return None
    return _Voice(female_probability(float(audio.measured["pitch_hz"])), float(audio.measured["arousal"]))


def _stated(prompt: str) -> dict[str, Measured]:
    age, arousal = stated_age(prompt), stated_arousal(prompt)
    known: dict[str, Measured] = {"stated_sex": stated_sex(prompt) or "none"}
    if age is not None:
        known["stated_age_years"] = age
    if arousal is not None:
        known["stated_arousal"] = arousal
    return known


def _of_voice(voice: _Voice, prompt: str, shown: PictureFacts | None) -> Iterator[Finding]:
    for rule, sex, where, trust in (
        (VOICE_SEX, stated_sex(prompt), "the prompt speaks of a", 1.0),
        (VOICE_PICTURE, shown.sex if shown else "", "the picture shows a", shown.confidence if shown else 0.0),
    ):
        match = round(voice.female if sex == "female" else 1 - voice.female, 2)
        if sex and not rule.passes(match):
            sure = (1 - match) * trust
            yield Finding(rule, match, f"{where} {sex} person and the voice sounds otherwise (confidence {sure:.2f})")
    wanted = stated_arousal(prompt)
    if wanted is not None:
        apart = round(voice.arousal - wanted, 2)
        if not MOOD.passes(apart):
            sounds = "more excited" if apart > 0 else "calmer"
            yield Finding(
                MOOD, apart, f"the voice sounds {sounds} than the prompt says (confidence {_mood_trust(apart):.2f})"
            )


def _of_smile(prompt: str, image: Report | None) -> Iterator[Finding]:
    smile = None if image is None or not image.usable else image.measured.get("smile")
    mood = read_prompt(prompt).emotion
    if smile is not None and mood in _UNSMILING and not PICTURE_MOOD.passes(float(smile)):
        sentence = (
            f"the prompt speaks of {mood}, and the face in the picture smiles (confidence {_SUREST * float(smile):.2f})"
        )
        yield Finding(PICTURE_MOOD, smile, sentence)


def _mood_trust(apart: float) -> float:
    """Moods are told from voices by rules of thumb: never surer than two of three."""
    return min(0.65, 0.3 + 0.15 * abs(apart))


def _of_picture(prompt: str, shown: PictureFacts | None) -> Iterator[Finding]:
    if shown is None:
        return
    sure = f"(confidence {shown.confidence:.2f})"
    sex = stated_sex(prompt)
    if sex and shown.sex and sex != shown.sex:
        yield Finding(
            PICTURE_SEX,
            f"{sex}, {shown.sex}",
            f"the prompt speaks of a {sex} person, the picture shows a {shown.sex} one {sure}",
        )
    age = stated_age(prompt)
    if age is not None and shown.age is not None and not PICTURE_AGE.passes(abs(age - shown.age)):
        sentence = f"the prompt speaks of about {age} years, the picture of about {shown.age} {sure}"
        yield Finding(PICTURE_AGE, abs(age - shown.age), sentence)
    glasses = stated_glasses(prompt)
    if glasses is not None and shown.glasses is not None and glasses != shown.glasses:
        said, seen = ("glasses", "none") if glasses else ("no glasses", "some")
        yield Finding(PICTURE_GLASSES, f"{said}, {seen}", f"the prompt says {said}, the picture shows {seen} {sure}")
