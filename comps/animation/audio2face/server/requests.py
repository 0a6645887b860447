"""What clients send, as the pipeline understands it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.proto import a2f_pb2, audio_pb2, controller_pb2
from comps.core.errors import UnprocessableError

StreamHeader = controller_pb2.AudioStreamHeader | a2f_pb2.AudioStreamHeader

_PCM16 = 16
_EMOTION_FIELDS = tuple(a2f_pb2.EmotionPostProcessingParameters.DESCRIPTOR.fields_by_name)


def sample_rate_of(header: audio_pb2.AudioHeader) -> int:
    """The rate of PCM16 mono; UnprocessableError for anything else. Its range is checked where the clip is opened."""
    if header.audio_format != audio_pb2.AudioHeader.AUDIO_FORMAT_PCM:
        raise UnprocessableError(
            f"audio_format = {header.audio_format} is not AUDIO_FORMAT_PCM (0)", param="audio_format"
        )
    if header.channel_count != 1:
        raise UnprocessableError(f"channel_count = {header.channel_count}; allowed is 1", param="channel_count")
    if header.bits_per_sample != _PCM16:
        raise UnprocessableError(f"bits_per_sample = {header.bits_per_sample}; allowed is 16", param="bits_per_sample")
    return header.samples_per_second


def stream_sample_rate(header: StreamHeader) -> int:
    """The rate that a stream's header announces; UnprocessableError without an audio header."""
    if not header.HasField("audio_header"):
        raise UnprocessableError("the stream's header has no audio_header", param="audio_header")
    return sample_rate_of(header.audio_header)


def stream_request(header: StreamHeader) -> StreamRequest:
    """What a stream's header asks for."""
    asked = header.emotion_params
    transition = {"live_transition_time": asked.live_transition_time} if asked.HasField("live_transition_time") else {}
    return parameters_of(
        header.face_params,
        header.blendshape_params,
        {**emotion_fields(header.emotion_post_processing_params), **transition},
        asked.beginning_emotion,
    )


def parameters_of(
    face: a2f_pb2.FaceParameters,
    shapes: a2f_pb2.BlendShapeParameters,
    emotion: Mapping[str, object],
    beginning: Mapping[str, float],
) -> StreamRequest:
    """The parameters of a request; only the float map of the face counts."""
    return StreamRequest(
        face=dict(face.float_params),
        emotion=emotion,
        beginning_emotion=dict(beginning),
        weight_multipliers=dict(shapes.bs_weight_multipliers),
        weight_offsets=dict(shapes.bs_weight_offsets),
        clamp=shapes.enable_clamping_bs_weight if shapes.HasField("enable_clamping_bs_weight") else None,
    )


def emotion_fields(message: a2f_pb2.EmotionPostProcessingParameters) -> dict[str, object]:
    """The fields that are present; they are called as the parameters are."""
    untyped: Any = message
    return {name: getattr(message, name) for name in _EMOTION_FIELDS if untyped.HasField(name)}


def keyframes_of(message: a2f_pb2.AudioWithEmotion) -> list[Key]:
    """The keyframes that came with a buffer."""
    return [(key.time_code, dict(key.emotion)) for key in message.emotions]
