"""One pose of a clip at any time stamp, without what frames have from the frames before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

from comps.animation.audio2face.clip_audio import BYTES_PER_SAMPLE
from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.pipeline import Audio2Face, Frame
from comps.animation.audio2face.server.uploads import Upload
from comps.core.errors import UnprocessableError

_BEFORE_S = 2
"""Audio heard before the pose: as much as any detector looks at."""
_PIECE_S = 0.1
_SINGLE_FACE = {"lowerFaceSmoothing": 0.0, "upperFaceSmoothing": 0.0}
_SINGLE_EMOTION = {"live_blend_coef": 0.0, "live_transition_time": 0.001}
"""Smoothing and transition, which follow a sequence of frames, are off."""


@dataclass(frozen=True, slots=True)
class PoseRequest:
    """What is asked of a pose: when, s; the preferred emotion, if any; the parameters of the request."""

    time_stamp: float
    preferred: dict[str, float]
    parameters: StreamRequest


def pose(shared: Audio2Face, clip: Upload, asked: PoseRequest) -> Frame:
    """The pose at a time stamp. Blocks.

    The clip is shifted so that a frame has its centre exactly there; its index and time code mean nothing.

    Raises:
        UnprocessableError: the time stamp is outside the clip, or a parameter out of range.
    """
    duration = len(clip.pcm) / BYTES_PER_SAMPLE / clip.sample_rate
    if not 0 <= asked.time_stamp <= duration:
        raise UnprocessableError(
            f"time_stamp = {asked.time_stamp:g} is out of range; allowed is 0 to {duration:g}", param="time_stamp"
        )
    parameters = replace(
        asked.parameters,
        face={**asked.parameters.face, **_SINGLE_FACE},
        emotion={**asked.parameters.emotion, **_SINGLE_EMOTION},
    )
    options = replace(shared.options, liveness=False, close_mouth=False)
    single = Audio2Face(shared.layers, shared.model, shared.detector, options)
    wanted = _BEFORE_S * options.fps
    pipeline = single.open(clip.sample_rate, parameters)
    keyframes: list[Key] = [(0.0, asked.preferred)] if asked.preferred else []
    begin = int(asked.time_stamp * clip.sample_rate) - wanted * clip.sample_rate // options.fps
    for piece in _from(clip, begin, _BEFORE_S + single.look_ahead_s):
        found = pipeline.push(piece, keyframes)
        keyframes = []
        if found.first + len(found) > wanted:
            return list(found)[wanted - found.first]
    raise RuntimeError("silence without end ended")


def _from(clip: Upload, begin: int, first_s: float) -> Iterator[bytes]:
    """The clip from sample `begin` on, which may be before it, first a long piece; then silence without end."""
    silence = bytes(max(-begin, 0) * BYTES_PER_SAMPLE)
    long, short = (round(seconds * clip.sample_rate) * BYTES_PER_SAMPLE for seconds in (first_s, _PIECE_S))
    start = max(begin, 0) * BYTES_PER_SAMPLE
    stop = start + max(long - len(silence), 0)
    yield silence + clip.pcm[start:stop]
    for place in range(stop, len(clip.pcm), short):
        yield clip.pcm[place : place + short]
    yield from repeat(bytes(short))
