"""What clients get besides frames (`frame_wire.py`): messages of a stream, serialised."""

from __future__ import annotations

import time
from collections.abc import Sequence

from comps.animation.audio2face.proto import (
    animation_data_pb2,
    animation_id_pb2,
    audio_pb2,
    controller_pb2,
    status_pb2,
)

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
