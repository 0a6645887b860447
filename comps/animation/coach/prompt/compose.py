"""Writes a complete prompt of 100 to 200 words from fields and from what is known of the picture."""

from __future__ import annotations

from dataclasses import replace

from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.fields import PromptFields, preset_fields, seen
from comps.animation.coach.prompt.parts import PERSON
from comps.animation.coach.prompt.text import read_text

_AIM = 115
"""Words up to which more is said of what holds for every talking face."""
_FILLERS = (
    "Lips, jaw and cheeks follow every word, and the eyes blink from time to time.",
    "The mouth stays visible throughout, and nothing covers the face.",
    "The camera is fixed at eye level and frames head and chest.",
    "Skin, cloth and hair keep a fine texture and do not flicker.",
    "Clothes, colours and surroundings remain the same during the whole take.",
    "Between two sentences the head comes back to its resting place.",
)
_HAIR = next(element for element in PERSON if element.name == "hair")
_WORDS = {"female": ("woman", "she", "her"), "male": ("man", "he", "his")}
_DEPTH = {
    "shallow": "Shallow depth of field keeps {her} face crisp and the background softly blurred.",
    "deep": "Deep focus keeps {her} face and everything behind equally sharp.",
}


def compose_prompt(
    fields: PromptFields | None = None, *, preset: str = "host", facts: PictureFacts | None = None
) -> str:
    """A prompt in English of 100 to 200 words that names every part that the rules ask for.

    What `fields` leave open is taken from `facts`, since the look of the person comes from the picture, and what they
    leave open from the preset.

    Args:
        fields: what is wanted.
        preset: a name of `PRESETS`: host, service desk or teacher.
        facts: what is known of the avatar's picture.

    Raises:
        UnknownChoiceError: no such preset.
    """
    given = fields or PromptFields()
    if facts is not None:
        given = given.over(seen(facts))
    return _written(given.over(preset_fields(preset)))


def _written(fields: PromptFields) -> str:
    """The sentences of complete fields, and as many more as the length asks for."""
    said = _sentences(_trimmed(fields))
    for filler in _FILLERS:
        if read_text(" ".join(said)).words >= _AIM:
            break
        said.append(filler)
    return " ".join(said)


def _sentences(fields: PromptFields) -> list[str]:
    noun, subject, possessive = _WORDS[fields.sex]
    hair = fields.hair if _HAIR.said(fields.hair) else f"{fields.hair} hair"
    glasses = {True: " and glasses", False: " and no glasses", None: ""}[fields.glasses]
    pronoun = "her" if fields.sex == "female" else "him"
    return [
        f"{_article(str(fields.age))} {fields.age}-year-old {noun} with {hair}{glasses}, wearing {fields.clothing}, speaks to the viewer.",
        f"{subject.capitalize()} {fields.posture}, faces the camera and speaks; the voice is {fields.tone}.",
        f"{possessive.capitalize()} expression is {fields.emotion}.",
        f"{possessive.capitalize()} gestures are {fields.gesture}; {possessive} head moves a little with the stressed words.",
        f"Behind {pronoun} one sees {fields.background}.",
        f"The light is {fields.lighting}.",
        _DEPTH[fields.depth].format(her=possessive),
        f"The whole is filmed in the style of {fields.style}, with natural movement and steady framing.",
    ]


def _article(number: str) -> str:
    """Of a number, as it is spoken."""
    return "An" if number in ("11", "18") or number.startswith("8") else "A"


def _trimmed(fields: PromptFields) -> PromptFields:
    """Phrases without the blanks and stops at their ends, which would end the sentence around them."""

    def tidy(phrase: str) -> str:
        return " ".join(phrase.split()).strip(" .,;:!?")

    return replace(
        fields,
        hair=tidy(fields.hair),
        clothing=tidy(fields.clothing),
        posture=tidy(fields.posture),
        gesture=tidy(fields.gesture),
        emotion=tidy(fields.emotion),
        tone=tidy(fields.tone),
        background=tidy(fields.background),
        lighting=tidy(fields.lighting),
        style=tidy(fields.style),
    )
