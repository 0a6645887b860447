"""Names of Audio2Face-3D: blend shapes, emotions and poses, in the order of its streams and vectors."""

from __future__ import annotations

from comps.animation.motion.face_motion import ARKIT_NAMES

ARKIT_SHAPES: tuple[str, ...] = tuple(name[0].upper() + name[1:] for name in ARKIT_NAMES)
"""The 52 face shapes as they are spelled on the wire; FaceMotion keeps the same order."""

TONGUE_SHAPES: tuple[str, ...] = (
    "TongueTipUp", "TongueTipDown", "TongueTipLeft", "TongueTipRight",
    "TongueRollUp", "TongueRollDown", "TongueRollLeft", "TongueRollRight",
    "TongueUp", "TongueDown", "TongueLeft", "TongueRight",
    "TongueIn", "TongueStretch", "TongueWide", "TongueNarrow",
)  # fmt: skip
"""The 16 tongue shapes that follow the 52 when `enable_tongue_blendshapes` is on."""

ALL_SHAPES: tuple[str, ...] = ARKIT_SHAPES + TONGUE_SHAPES

DETECTOR_EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad")
"""Channels of the emotion detector, in the order of its logits."""
NEUTRAL: int = DETECTOR_EMOTIONS.index("neutral")
"""The detector channel that moves no face channel and takes no place among the strongest."""

FACE_EMOTIONS: tuple[str, ...] = (
    "amazement", "anger", "cheekiness", "disgust", "fear", "grief", "joy", "outofbreath", "pain", "sadness",
)  # fmt: skip
"""Channels of the emotion vector that drives the face, in order."""
FACE_EMOTION_INDEX: dict[str, int] = {name: index for index, name in enumerate(FACE_EMOTIONS)}

CORRESPONDENCE: dict[str, str] = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "joy",
    "sad": "sadness",
}
"""Which face channel a detector channel moves; a channel that is not listed moves none."""

EMOTION_SYNONYMS: dict[str, str] = {"out_of_breath": "outofbreath"}
"""Spellings that public clients send."""

INACTIVE_SHAPES: frozenset[str] = frozenset(name for name in ARKIT_SHAPES if name.startswith("EyeLook")) | {"TongueOut"}
"""Shapes that the solver leaves out unless a configuration switches them on."""

_MIRRORED = (
    "EyeBlink", "EyeWide", "MouthSmile", "MouthFrown", "MouthDimple", "MouthStretch", "MouthPress", "MouthLowerDown",
    "MouthUpperUp", "BrowOuterUp", "BrowDown", "CheekSquint", "NoseSneer",
)  # fmt: skip
"""Shapes with a left and a right twin that the solver pulls together; the place here is the id of the pair."""

NO_PAIR = -1
"""The id of a pose that belongs to no pair."""

ACTIVE_POSES: dict[str, int] = {name: int(name not in INACTIVE_SHAPES) for name in ALL_SHAPES}
"""Default `active_poses`."""
CANCEL_POSES: dict[str, int] = dict.fromkeys(ALL_SHAPES, NO_PAIR)
"""Default `cancel_poses`: no pair."""
SYMMETRY_POSES: dict[str, int] = dict.fromkeys(ALL_SHAPES, NO_PAIR) | {
    shape + side: pair for pair, shape in enumerate(_MIRRORED) for side in ("Left", "Right")
}
"""Default `symmetry_poses`: 13 mirrored pairs."""


def shape_names(*, tongue: bool) -> tuple[str, ...]:
    """The names that a stream's header lists: 52, or 68 with the tongue."""
    return ALL_SHAPES if tongue else ARKIT_SHAPES


def face_emotion(name: str) -> int | None:
    """Place of a face emotion in the vector of ten, None for a name that does not exist (streams ignore those)."""
    return FACE_EMOTION_INDEX.get(EMOTION_SYNONYMS.get(name, name))
