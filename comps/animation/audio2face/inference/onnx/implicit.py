"""The implicit emotion of a regression network: a frame of one of the recordings it was trained with."""

from __future__ import annotations

from comps.animation.audio2face.inference.model import Audio
from comps.animation.audio2face.inference.onnx.folder import ArrayFile, ModelFolder
from comps.core.errors import UnprocessableError

_SHOWN = 30
"""Recordings that a message lists."""


def implicit_emotion(folder: ModelFolder, size: int, shot: object, frame: object) -> Audio:
    """Float32 `[size]` of one frame of a recording (`source_shot`, `source_frame`).

    Raises:
        UnprocessableError: there is no such recording or frame; the message names those that there are.
        EngineUnavailableError: the file of the recordings is missing or broken.
    """
    with folder.arrays(folder.named("emotionDatabasePath", "implicit_emo_db.npz")) as file:
        names = file.texts("emo_spec_names")
        start = _place(file, names, shot, frame)
        rows = file.numbers("emo_db", None, size)
        if start >= len(rows):
            raise file.fault(f"'emo_db' has {len(rows)} rows; '{shot}' needs row {start}")
        chosen: Audio = rows[start].copy()
        return chosen


def _place(file: ArrayFile, names: tuple[str, ...], shot: object, frame: object) -> int:
    starts, sizes = file.indices("emo_spec_start"), file.indices("emo_spec_size")
    if not len(names) == len(starts) == len(sizes):
        raise file.fault("emo_spec_names, emo_spec_start and emo_spec_size have different lengths")
    if shot not in names:
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        raise UnprocessableError(
            f"source_shot = {str(shot)[:60]!r} does not exist; there are: {shown}", param="source_shot"
        )
    index = names.index(str(shot))
    if not isinstance(frame, int) or not 0 <= frame < sizes[index]:
        raise UnprocessableError(
            f"source_frame = {str(frame)[:20]} is not a frame of '{shot}'; it has 0 to {sizes[index] - 1}",
            param="source_frame",
        )
    return int(starts[index]) + frame
