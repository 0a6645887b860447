"""Frames as the bytes of their messages, without building these: a stream has 30 a second, and each holds five others.

The bytes are those that protobuf makes, maps in the order of their keys. What is the same in every frame is made once.

    AnimationDataStream.animation_data.skel_animation.blend_shape_weights   time code, weights
                                      .audio                                time code, the client's audio
                                      .metadata["emotion_aggregate"]        Any of EmotionAggregate: keyframes, time code, emotions
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.animation.audio2face.pipeline import Frames
from comps.animation.audio2face.proto import (
    animation_data_pb2,
    controller_pb2,
    emotion_aggregate_pb2,
    emotion_with_timecode_pb2,
)

EMOTION_KEY = "emotion_aggregate"
"""Key of the emotions in a frame's metadata."""

_Data = animation_data_pb2.AnimationData
_Weights = animation_data_pb2.FloatArrayWithTimeCode
_Aggregate = emotion_aggregate_pb2.EmotionAggregate
_Emotions = emotion_with_timecode_pb2.EmotionWithTimeCode
_DOUBLE, _BYTES, _FLOAT = 1, 2, 5
"""Wire types: 8 bytes, a length and so many bytes, 4 bytes."""
_KEY, _VALUE = 1, 2
"""Fields of a map's entry."""


def frame_messages(frames: Frames) -> list[bytes]:
    """A message for every frame; the same bytes in the stream of the controller and in the legacy one."""
    weights = np.asarray(frames.weights, "<f4")
    emotions = _emotions(frames.emotions)
    keyframes = b"".join(_keyframe(key) for key in frames.keyframes)
    messages = []
    for row, audio in enumerate(frames.audio):
        code = _time_code((frames.first + row) / frames.fps)
        moved = _field(_Weights.VALUES_FIELD_NUMBER, weights[row].tobytes())
        felt = _field(_Aggregate.A2F_SMOOTHED_OUTPUT_FIELD_NUMBER, code + emotions[row].tobytes())
        messages.append(_message(code + moved, code, audio, felt if row else keyframes + felt))
    return messages


def _message(weights: bytes, code: bytes, audio: bytes, aggregate: bytes) -> bytes:
    heard = _field(animation_data_pb2.AudioWithTimeCode.AUDIO_BUFFER_FIELD_NUMBER, audio) if audio else b""
    entry = _METADATA_KEY + _field(_VALUE, _TYPE + _field(_VALUE, aggregate))
    skeleton = _field(animation_data_pb2.SkelAnimation.BLEND_SHAPE_WEIGHTS_FIELD_NUMBER, weights)
    data = (
        _field(_Data.SKEL_ANIMATION_FIELD_NUMBER, skeleton)
        + _field(_Data.AUDIO_FIELD_NUMBER, code + heard)
        + _field(_Data.METADATA_FIELD_NUMBER, entry)
    )
    return _field(controller_pb2.AnimationDataStream.ANIMATION_DATA_FIELD_NUMBER, data)


def _time_code(seconds: float) -> bytes:
    """Field 1 wherever there is a time code; zero is not sent."""
    return _TIME_CODE.pack(1 << 3 | _DOUBLE, seconds) if seconds else b""


def _keyframe(key: Key) -> bytes:
    at, emotion = key
    message = _Emotions(time_code=at, emotion=emotion)
    return _field(_Aggregate.INPUT_EMOTIONS_FIELD_NUMBER, message.SerializeToString(deterministic=True))


def _emotions(emotions: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The map of every frame as bytes `[n, length]`."""
    template, places = _emotion_map()
    maps = np.repeat(template[None], len(emotions), axis=0)
    maps[:, places] = np.ascontiguousarray(emotions, "<f4").view(np.uint8)
    return maps


@lru_cache(maxsize=1)
def _emotion_map() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """The map with all weights 0, and where the bytes of the weights are, `[40]` in the order of `FACE_EMOTIONS`."""
    whole, places = b"", dict[str, int]()
    for name in sorted(FACE_EMOTIONS):
        entry = _field(_KEY, name.encode()) + bytes([_VALUE << 3 | _FLOAT]) + bytes(4)
        whole += _field(_Emotions.EMOTION_FIELD_NUMBER, entry)
        places[name] = len(whole) - 4
    starts = np.array([places[name] for name in FACE_EMOTIONS], np.intp)
    return np.frombuffer(whole, np.uint8), (starts[:, None] + np.arange(4)).ravel()


def _field(number: int, content: bytes) -> bytes:
    """A field of a message, a string or bytes."""
    length = len(content)
    if length < 1 << 7:
        return _SHORT.pack(number << 3 | _BYTES, length) + content
    if length < 1 << 14:
        return _MIDDLE.pack(number << 3 | _BYTES, length & 0x7F | 0x80, length >> 7) + content
    digits = bytearray([number << 3 | _BYTES])
    while length >= 1 << 7:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return bytes(digits) + content


_TIME_CODE, _SHORT, _MIDDLE = struct.Struct("<Bd"), struct.Struct("2B"), struct.Struct("3B")
_METADATA_KEY = _field(_KEY, EMOTION_KEY.encode())
_TYPE = _field(_KEY, f"type.googleapis.com/{_Aggregate.DESCRIPTOR.full_name}".encode())
