"""`A2FAuthoringService`: a clip is uploaded once, then poses of it are asked for one by one."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from comps.animation.audio2face.clip_audio import BYTES_PER_SAMPLE
from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.animation.audio2face.pipeline import Frame
from comps.animation.audio2face.proto import a2f_authoring_pb2, a2f_authoring_service_pb2
from comps.animation.audio2face.server.calls import Context, answered
from comps.animation.audio2face.server.limits import Intake
from comps.animation.audio2face.server.pose import PoseRequest, pose
from comps.animation.audio2face.server.requests import emotion_fields, parameters_of, sample_rate_of
from comps.animation.audio2face.server.service import Service
from comps.animation.audio2face.server.uploads import Upload, Uploads
from comps.core.errors import UnprocessableError

SERVICE: str = a2f_authoring_service_pb2.DESCRIPTOR.services_by_name["A2FAuthoringService"].full_name

_SPARE_BYTES = 64 * 1024


def largest_message(service: Service) -> int:
    """Bytes of the longest clip that may be uploaded, with what is around it."""
    limits = service.layers.configuration.advanced.input_sanitization
    return int(limits.max_audio_clip_size_second * limits.max_sample_rate) * BYTES_PER_SAMPLE + _SPARE_BYTES


def handler(service: Service, uploads: Uploads | None = None) -> grpc.GenericRpcHandler:
    """Serves `SERVICE`."""
    desk = _Desk(service, Uploads() if uploads is None else uploads)
    upload: Any = grpc.unary_unary_rpc_method_handler(
        desk.upload,
        request_deserializer=a2f_authoring_pb2.AudioClip.FromString,
        response_serializer=a2f_authoring_pb2.AudioClipHandle.SerializeToString,
    )
    face_pose: Any = grpc.unary_unary_rpc_method_handler(
        desk.pose,
        request_deserializer=a2f_authoring_pb2.FacePoseRequest.FromString,
        response_serializer=a2f_authoring_pb2.BlendShapeData.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"UploadAudioClip": upload, "GetAvatarFacePose": face_pose})


class _Desk:
    def __init__(self, service: Service, uploads: Uploads) -> None:
        self._service, self._uploads = service, uploads

    async def upload(
        self, request: a2f_authoring_pb2.AudioClip, context: Context
    ) -> a2f_authoring_pb2.AudioClipHandle | None:
        async with answered(context, "UploadAudioClip", self._service.metrics):
            face = self._service.ready()
            if not request.HasField("audio_header"):
                raise UnprocessableError("the clip has no audio_header", param="audio_header")
            rate = sample_rate_of(request.audio_header)
            face.check_rate(rate)
            limits = self._service.layers.configuration.advanced.input_sanitization
            whole = limits.model_copy(update={"max_audio_buffer_size_second": limits.max_audio_clip_size_second})
            Intake(whole, rate).take(len(request.content))
            digest = await asyncio.to_thread(self._uploads.add, Upload(request.content, rate))
            return a2f_authoring_pb2.AudioClipHandle(audio_clip_id=digest, blendshape_names=face.names)
        return None

    async def pose(
        self, request: a2f_authoring_pb2.FacePoseRequest, context: Context
    ) -> a2f_authoring_pb2.BlendShapeData | None:
        async with answered(context, "GetAvatarFacePose", self._service.metrics):
            face, clip = self._service.ready(), self._uploads.get(request.audio_hash)
            emotion = emotion_fields(request.emotion_pp_params)
            parameters = parameters_of(request.face_params, request.blendshape_params, emotion, {})
            asked = PoseRequest(request.time_stamp, dict(request.preferred_emotions), parameters)
            with self._service.slots.one():
                found = await asyncio.to_thread(pose, face, clip, asked)
            return _reply(found, request.time_stamp)
        return None


def _reply(found: Frame, time_stamp: float) -> a2f_authoring_pb2.BlendShapeData:
    emotions = dict(zip(FACE_EMOTIONS, found.emotions.tolist(), strict=True))
    return a2f_authoring_pb2.BlendShapeData(blendshapes=found.weights.tolist(), time_code=time_stamp, emotions=emotions)
