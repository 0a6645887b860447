"""The rules on pictures. docs/coach.md shows them as a table, and how each value is measured."""

from __future__ import annotations

from comps.animation.coach.finding import Rule, Severity, Subject
from comps.animation.engines.portrait.render.framing import LEAST_FACE
from comps.animation.engines.portrait.rig.subject import CLEARLY_LARGER, MIN_EYE_DISTANCE, SMALL_EYE_DISTANCE

_ERROR, _WARNING, _HINT = Severity.ERROR, Severity.WARNING, Severity.HINT
_GUIDE = "LiveAvatar's guide to inputs"
_RIG = "the portrait engine's face finder"
_OWN = "measured on the shipped presenters, spoilt on purpose"


def _rule(
    code: str,
    severity: Severity,
    measure: str,
    unit: str,
    bounds: tuple[float | None, float | None],
    advice: str,
    fix: str = "",
    source: str = _OWN,
) -> Rule:
    return Rule(code, Subject.IMAGE, severity, measure, unit, bounds[0], bounds[1], advice, fix, source)


UNREADABLE = _rule(
    "image_unreadable", _ERROR, "whether the bytes are a whole picture", "", (None, None),
    "Send a JPEG, PNG or WebP picture; save or upload it again if it was cut short.", source=_GUIDE,
)  # fmt: skip
TOO_MANY_PIXELS = _rule(
    "image_too_many_pixels", _ERROR, "width times height", "px", (None, None),
    "Make the picture smaller: an avatar keeps no more than 1536 pixels.", source="the limit of the service",
)  # fmt: skip
FORMAT = _rule(
    "image_format", _HINT, "file format", "", (None, None),
    "Save it as JPEG, PNG or WebP; of an animation only the first frame is used.", "stored as PNG", _GUIDE,
)  # fmt: skip
TOO_SMALL = _rule(
    "image_too_small", _ERROR, "shorter side", "px", (256, None),
    "Use a larger picture.", source=_GUIDE,
)  # fmt: skip
SMALL = _rule(
    "image_small", _WARNING, "shorter side", "px", (512, None),
    "Use a picture of 512 pixels or more on its shorter side.", source=_GUIDE,
)  # fmt: skip
COMPRESSED = _rule(
    "image_compressed", _WARNING, "quality of the JPEG's luminance table", "", (30, None),
    "Use the original, or save the JPEG with quality 75 or more.",
)  # fmt: skip
BLOCKY = _rule(
    "image_blocky", _WARNING, "steps at the borders of 8 x 8 squares over steps elsewhere", "", (None, 2.3),
    "The picture was compressed too hard at some time: use the original.",
)  # fmt: skip
FACE_MISSING = _rule(
    "face_missing", _ERROR, "faces", "", (1, None),
    "Use a picture of one face seen from the front, upright and well lit, with both eyes visible.", source=_GUIDE,
)  # fmt: skip
FACE_PROFILE = _rule(
    "face_profile", _ERROR, "whether the only face is seen from the side", "", (None, None),
    "Use a picture in which the person looks towards the camera.", source=_GUIDE,
)  # fmt: skip
EYES_HIDDEN = _rule(
    "eyes_hidden", _ERROR, "faces whose eyes can be found", "", (1, None),
    "Take off dark glasses, open the eyes and keep hair and hands away from them.", source=_RIG,
)  # fmt: skip
FACES_ALIKE = _rule(
    "faces_alike", _ERROR, "eye distance of the largest face over that of the next", "", (CLEARLY_LARGER, None),
    "Crop the picture to the one person who shall speak.", source=_RIG,
)  # fmt: skip
FACES_MANY = _rule(
    "faces_many", _WARNING, "eye distance of the largest face over that of the next", "", (3, None),
    "Crop the picture to the one person who shall speak.", "cropped to the largest face", _GUIDE,
)  # fmt: skip
FACE_TINY = _rule(
    "face_tiny", _ERROR, "distance between the irises", "px", (MIN_EYE_DISTANCE, None),
    "Use a larger picture, or one taken from nearer.", source=_RIG,
)  # fmt: skip
FACE_SMALL = _rule(
    "face_small", _WARNING, "distance between the irises", "px", (SMALL_EYE_DISTANCE, None),
    "Use a larger picture, or one taken from nearer: the video will look soft.",
    source=_RIG,
)  # fmt: skip
FACE_FAR = _rule(
    "face_far", _HINT, "eye distance over the picture's longer side", "%", (100 * LEAST_FACE, None),
    "Crop the picture to head and shoulders.", "cropped to head and shoulders", "the portrait engine's framing",
)  # fmt: skip
FACE_CUT = _rule(
    "face_cut", _WARNING, "room from the face to the picture's border", "eye distances", (0, None),
    "Use a picture that shows the whole face from hair to chin.",
)  # fmt: skip
FACE_DARK = _rule(
    "face_dark", _WARNING, "mean brightness of the face", "of 255", (50, None),
    "Use a picture with more light on the face.", "brightened", _GUIDE,
)  # fmt: skip
FACE_BRIGHT = _rule(
    "face_bright", _WARNING, "mean brightness of the face", "of 255", (None, 210),
    "Use a picture with less light on the face, or a shorter exposure.", "darkened; what is white stays lost", _GUIDE,
)  # fmt: skip
FACE_CLIPPED = _rule(
    "face_clipped", _WARNING, "black or white pixels in the face", "%", (None, 5),
    "Use a picture in which no part of the face is plain white or black.", source=_GUIDE,
)  # fmt: skip
FACE_FLAT = _rule(
    "face_flat", _WARNING, "brightest from darkest 2 % of the face", "levels", (60, None),
    "Use a picture with more contrast: no haze, no fading.", "contrast stretched",
)  # fmt: skip
FACE_SHADOW = _rule(
    "face_shadow", _WARNING, "brightness of the lighter half of the face over the darker", "", (None, 1.6),
    "Light the face from the front, without a hard shadow on one side.", source=_GUIDE,
)  # fmt: skip
FACE_BLURRED = _rule(
    "face_blurred", _WARNING, "blur of the clearest edges of eyes and mouth, 64 px between the eyes", "px", (None, 1.66),
    "Use a picture that is in focus and not shaken, without a softening filter.",
)  # fmt: skip
FACE_SIDEWAYS = _rule(
    "face_sideways", _ERROR, "lean of the head to either side", "degrees", (None, 35),
    "Turn the picture upright.", "turned upright", _RIG,
)  # fmt: skip
FACE_LEANING = _rule(
    "face_leaning", _WARNING, "lean of the head to either side", "degrees", (None, 18),
    "Turn the picture until the eyes are level.", "turned upright", _OWN,
)  # fmt: skip
FACE_TURNED = _rule(
    "face_turned", _WARNING, "turn of the head to either side", "degrees", (None, 30),
    "Use a picture in which the person looks towards the camera.", source=_GUIDE,
)  # fmt: skip
FACE_NODDING = _rule(
    "face_nodding", _HINT, "nod of the head, positive down", "degrees", (-12, 21),
    "Use a picture in which the person holds the head level.",
)  # fmt: skip
EYES_UNCLEAR = _rule(
    "eyes_unclear", _WARNING, "eyes that are recognised as open", "", (2, None),
    "Show both eyes open: no dark glasses, no hair over them, the head not turned away.",
)  # fmt: skip
MOUTH_OPEN = _rule(
    "mouth_open", _WARNING, "height of the open mouth over the height of the face", "", (None, 0.08),
    "Use a picture with the mouth shut or hardly open, neutral or with a slight smile.", source=_GUIDE,
)  # fmt: skip
FACE_SMILING = _rule(
    "face_smiling", _HINT, "how broadly the face smiles, 0 to 1; told with landmarks only", "", (None, 0.75),
    "Use a picture with a neutral face or a slight smile: a broad one stays in every word.", source=_GUIDE,
)  # fmt: skip
MOUTH_HIDDEN = _rule(
    "mouth_hidden", _WARNING, "how clearly a mouth shows, 0 to 1", "", (0.15, None),
    "Show the mouth: no mask, microphone or hand before it.",
)  # fmt: skip

IMAGE_RULES: tuple[Rule, ...] = (
    UNREADABLE, TOO_MANY_PIXELS, FORMAT, TOO_SMALL, SMALL, COMPRESSED, BLOCKY,
    FACE_MISSING, FACE_PROFILE, EYES_HIDDEN, FACES_ALIKE, FACES_MANY, FACE_TINY, FACE_SMALL, FACE_FAR, FACE_CUT,
    FACE_DARK, FACE_BRIGHT, FACE_CLIPPED, FACE_FLAT, FACE_SHADOW, FACE_BLURRED,
    FACE_SIDEWAYS, FACE_LEANING, FACE_TURNED, FACE_NODDING, EYES_UNCLEAR, MOUTH_OPEN, FACE_SMILING,
    MOUTH_HIDDEN,
)  # fmt: skip
"""Every rule on pictures, in the order of the table."""
