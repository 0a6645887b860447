"""What clients get: messages of a stream, serialised."""

from __future__ import annotations

import time
from collections.abc import Sequence

from google.protobuf.any_pb2 import Any as AnyMessage

from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.animation.audio2face.pipeline import Frame, Frames
from comps.animation.audio2face.proto import (
    animation_data_pb2,
    animation_id_pb2,
    audio_pb2,
    controller_pb2,
    emotion_aggregate_pb2,
    emotion_with_timecode_pb2,
    status_pb2,
)

EMOTION_KEY = "emotion_aggregate"
"""Key of the emotions in a frame's metadata."""
SOURCE = "audio2face"
"""Name of this service in legacy headers."""

_DONE = "the clip has been animated"
_Status = status_pb2.Status


def header_message(names: Sequence[str], audio: audio_pb2.AudioHeader) -> bytes:
    """The first message of a stream: shape names, the client's audio header, Unix time."""
    return controller_pb2.AnimationDataStream(
        animation_data_stream_header=controller_pb2.AnimationDataStreamHeader(
            audio_header=audio,
            skel_animation_header=animation_data_pb2.SkelAnimationHeader(blend_shapes=names),
            start_time_code_since_epoch=time.time(),
        )
    ).SerializeToString()


def legacy_header_message(
    names: Sequence[str], audio: audio_pb2.AudioHeader, ids: animation_id_pb2.AnimationIds
) -> bytes:
    """The first message of a stream of the legacy service, which has the client's ids."""
    return animation_data_pb2.AnimationDataStream(
        animation_data_stream_header=animation_data_pb2.AnimationDataStreamHeader(
            animation_ids=ids,
            source_service_id=SOURCE,
            audio_header=audio,
            skel_animation_header=animation_data_pb2.SkelAnimationHeader(blend_shapes=names),
            start_time_code_since_epoch=time.time(),
        )
    ).SerializeToString()


def frame_messages(frames: Frames) -> list[bytes]:
    """A message for every frame; the same bytes in the stream of the controller and in the legacy one."""
    messages = []
    for frame in frames:
        keyframes = frames.keyframes if frame.index == frames.first else ()
        aggregate = emotion_aggregate_pb2.EmotionAggregate(
            input_emotions=[
                emotion_with_timecode_pb2.EmotionWithTimeCode(time_code=at, emotion=emotion)
                for at, emotion in keyframes
            ],
            a2f_smoothed_output=[_emotions(frame)],
        )
        messages.append(_frame_message(frame, aggregate))
    return messages


def _emotions(frame: Frame) -> emotion_with_timecode_pb2.EmotionWithTimeCode:
    return emotion_with_timecode_pb2.EmotionWithTimeCode(
        time_code=frame.time_code, emotion=dict(zip(FACE_EMOTIONS, frame.emotions.tolist(), strict=True))
    )


def _frame_message(frame: Frame, aggregate: emotion_aggregate_pb2.EmotionAggregate) -> bytes:
    packed = AnyMessage()
    packed.Pack(aggregate, deterministic=True)
    weights = animation_data_pb2.FloatArrayWithTimeCode(time_code=frame.time_code, values=frame.weights.tolist())
    return controller_pb2.AnimationDataStream(
        animation_data=animation_data_pb2.AnimationData(
            skel_animation=animation_data_pb2.SkelAnimation(blend_shape_weights=[weights]),
            audio=animation_data_pb2.AudioWithTimeCode(time_code=frame.time_code, audio_buffer=frame.audio),
            metadata={EMOTION_KEY: packed},
        )
    ).SerializeToString()


def status_message(code: _Status.Code, text: str) -> bytes:
    """A status within a stream."""
    return controller_pb2.AnimationDataStream(status=_Status(code=code, message=text)).SerializeToString()


def warning_message(text: str) -> bytes:
    """Something that has no effect."""
    return status_message(_Status.WARNING, text)


def error_message(text: str) -> bytes:
    """Why the stream is about to end."""
    return status_message(_Status.ERROR, text)


def success_message() -> bytes:
    """The last message of a stream that went well."""
    return status_message(_Status.SUCCESS, _DONE)


def legacy_success_message() -> bytes:
    """The last message of a stream of the legacy service."""
    status = _Status(code=_Status.SUCCESS, message=_DONE)
    return animation_data_pb2.AnimationDataStream(status=status).SerializeToString()


def end_message() -> bytes:
    """The clip has been computed to its end."""
    event = controller_pb2.Event(event_type=controller_pb2.END_OF_A2F_AUDIO_PROCESSING)
    return controller_pb2.AnimationDataStream(event=event).SerializeToString()
