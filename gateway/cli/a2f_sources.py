"""Where `a2f infer` has its frames from: this process, a server elsewhere, or the motion that a portrait is drawn with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.configuration.layers import StreamRequest
from comps.animation.audio2face.export.take import Poses, Take, poses_of, poses_of_motion, take_of_motion
from comps.animation.audio2face.inference.model import SAMPLE_RATE, Audio
from comps.core.engine import missing_extra
from gateway.cli.a2f_tls import Tls
from gateway.cli.failure import FailureError

if TYPE_CHECKING:
    from comps.animation.motion.face_motion import FaceMotion

PIECE = SAMPLE_RATE
"""Samples animated, or sent, at once: one second."""


_TRANSITION = "live_transition_time"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a clip is animated with: keyframes of emotion, and parameters by the names of requests."""

    keys: Sequence[Key] = ()
    parameters: StreamRequest = field(default_factory=StreamRequest)


@dataclass(frozen=True, slots=True)
class Source:
    """A clip that is being animated: its take, its frames as they are made, and what there is to say about the way."""

    take: Take
    poses: Iterator[Poses]
    warnings: tuple[str, ...] = ()


def local(audio: Audio, asked: Asked, stylization: Path | None, fps: Literal[30, 60]) -> Source:
    """Animate here, by the means that need no network's weights."""
    from comps.animation.audio2face.configuration import Layers, read_configuration
    from comps.animation.audio2face.inference.choice import load_inference
    from comps.animation.audio2face.pipeline import Audio2Face, PipelineOptions

    configuration = read_configuration(stylization)
    model, detector = load_inference(configuration)
    face = Audio2Face(Layers(configuration), model, detector, PipelineOptions(fps=fps))
    clip = face.open(SAMPLE_RATE, asked.parameters)

    def poses() -> Iterator[Poses]:
        for start in range(0, len(audio), PIECE):
            yield poses_of(clip.push(pcm16(audio[start : start + PIECE]), asked.keys if start == 0 else ()))
        yield poses_of(clip.finish())

    notices = tuple(map(str, configuration.notices))
    return Source(Take(face.names, fps, SAMPLE_RATE), poses(), notices)


def portrait(audio: Audio, fps: int) -> Source:
    """The motion of `avatarchatbot animate`, with its head, blinks and gaze; it has no emotions."""
    motions = asyncio.run(_portrait_motions(audio, fps))
    take = take_of_motion(motions[0], SAMPLE_RATE)
    return Source(take, map(poses_of_motion, motions))


async def _portrait_motions(audio: Audio, fps: int) -> list[FaceMotion]:
    import anyio

    from comps.animation.hearing import with_phones
    from comps.animation.motion.stream import MotionOptions, MotionStream
    from comps.animation.speech_input import spoken

    stream = MotionStream(MotionOptions(fps))
    heard = with_phones(spoken(audio, SAMPLE_RATE), anyio.CapacityLimiter(1))
    return [*[stream.feed(chunk) async for chunk in heard], stream.finish()]


def remote(audio: Audio, asked: Asked, address: str, tls: Tls) -> Source:
    """Let a server animate that speaks NVIDIA's protocol; what the frames look like is its configuration's business."""
    try:
        import grpc
    except ImportError as error:
        raise missing_extra("--url", "audio2face", error) from error

    from comps.animation.audio2face.proto import controller_pb2

    channel = grpc.secure_channel(address, tls.credentials()) if tls.on else grpc.insecure_channel(address)
    call = channel.stream_stream(
        "/nvidia_ace.services.a2f_controller.v1.A2FControllerService/ProcessAudioStream",
        request_serializer=controller_pb2.AudioStream.SerializeToString,
        response_deserializer=controller_pb2.AnimationDataStream.FromString,
    )
    answers = _Answers(call(_requests(audio, asked)), address, grpc.RpcError)
    first = answers.header()
    names = tuple(first.skel_animation_header.blend_shapes)
    opening = answers.opening()
    take = Take(names, answers.fps, first.audio_header.samples_per_second or SAMPLE_RATE)

    def poses() -> Iterator[Poses]:
        with channel:
            yield from opening
            yield from answers.rest()

    return Source(take, poses(), tuple(answers.warnings))


def pcm16(audio: Audio) -> bytes:
    """Mono float32 in -1..1 as PCM16."""
    return np.round(audio * 32767.0).astype("<i2").tobytes()


def _header(parameters: StreamRequest) -> Any:
    """The first message; what was not asked for is left to the server."""
    from comps.animation.audio2face.proto import controller_pb2

    message = controller_pb2.AudioStream()
    header: Any = message.audio_stream_header
    header.audio_header.MergeFrom(
        type(header.audio_header)(samples_per_second=SAMPLE_RATE, bits_per_sample=16, channel_count=1)
    )
    header.face_params.float_params.update(parameters.face)
    for name, value in parameters.emotion.items():
        place = header.emotion_params if name == _TRANSITION else header.emotion_post_processing_params
        setattr(place, name, value)
    header.emotion_params.beginning_emotion.update(parameters.beginning_emotion)
    header.blendshape_params.bs_weight_multipliers.update(parameters.weight_multipliers)
    header.blendshape_params.bs_weight_offsets.update(parameters.weight_offsets)
    if parameters.clamp is not None:
        header.blendshape_params.enable_clamping_bs_weight = parameters.clamp
    return message


def _requests(audio: Audio, asked: Asked) -> Iterator[Any]:
    from comps.animation.audio2face.proto import controller_pb2, emotion_with_timecode_pb2

    yield _header(asked.parameters)
    keyframes = [
        emotion_with_timecode_pb2.EmotionWithTimeCode(time_code=time, emotion=dict(emotions))
        for time, emotions in asked.keys
    ]
    for start in range(0, len(audio), PIECE):
        message = controller_pb2.AudioStream()
        message.audio_with_emotion.audio_buffer = pcm16(audio[start : start + PIECE])
        message.audio_with_emotion.emotions.extend(keyframes if start == 0 else ())
        yield message
    yield controller_pb2.AudioStream(end_of_audio=controller_pb2.AudioStream.EndOfAudio())


class _Answers:
    """The messages of a call, read in order; every fault is a FailureError that names the server."""

    def __init__(self, call: Any, address: str, fault: type[Exception]) -> None:
        self._call, self._address, self._fault = iter(call), address, fault
        self._frame = 0
        self.fps = 30
        self.warnings: list[str] = []

    def header(self) -> Any:
        """The first message."""
        for message in self._messages():
            if message.HasField("animation_data_stream_header"):
                return message.animation_data_stream_header
        raise FailureError(f"{self._address} ended without an answer")

    def opening(self) -> list[Poses]:
        """The first two frames, which tell how many there are in a second."""
        found = []
        for message in self._messages():
            if message.HasField("animation_data"):
                found.append(self._poses(message.animation_data))
                codes = [weights.time_code for weights in message.animation_data.skel_animation.blend_shape_weights]
                if codes and codes[0] > 0:
                    self.fps = round(len(found[:-1]) / codes[0])
                    break
        return found

    def rest(self) -> Iterator[Poses]:
        """The other frames."""
        return (
            self._poses(message.animation_data) for message in self._messages() if message.HasField("animation_data")
        )

    def _messages(self) -> Iterator[Any]:
        while True:
            try:
                message = next(self._call)
            except StopIteration:
                return
            except self._fault as error:
                raise FailureError(f"{self._address}: {_details(error)}") from error
            if message.HasField("status") and message.status.message:
                self.warnings.append(message.status.message)
            yield message

    def _poses(self, data: Any) -> Poses:
        from comps.animation.audio2face.names import FACE_EMOTIONS
        from comps.animation.audio2face.proto import emotion_aggregate_pb2

        rows = np.array([list(weights.values) for weights in data.skel_animation.blend_shape_weights], np.float64)
        emotions = np.zeros((len(rows), len(FACE_EMOTIONS)))
        keys: tuple[Key, ...] = ()
        aggregate = emotion_aggregate_pb2.EmotionAggregate()
        if "emotion_aggregate" in data.metadata and data.metadata["emotion_aggregate"].Unpack(aggregate):
            keys = tuple((key.time_code, dict(key.emotion)) for key in aggregate.input_emotions)
            for row, output in zip(emotions, aggregate.a2f_smoothed_output, strict=False):
                row[:] = [output.emotion.get(name, 0.0) for name in FACE_EMOTIONS]
        first, self._frame = self._frame, self._frame + len(rows)
        return Poses(first, rows, emotions, np.zeros((len(rows), 6)), (data.audio.audio_buffer,), keys)


def _details(error: Any) -> str:
    code = error.code().name if callable(getattr(error, "code", None)) else type(error).__name__
    details = str(error.details() or "") if callable(getattr(error, "details", None)) else str(error)
    return f"{code}: {details}" if details else code
