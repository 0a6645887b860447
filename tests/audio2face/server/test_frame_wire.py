"""Frames put together by hand have exactly the bytes that protobuf makes."""

from __future__ import annotations

import numpy as np
from google.protobuf.any_pb2 import Any as AnyMessage
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.animation.audio2face.pipeline import Frame, Frames
from comps.animation.audio2face.proto import controller_pb2, emotion_aggregate_pb2
from comps.animation.audio2face.server.frame_wire import EMOTION_KEY, frame_messages

KEYFRAMES = st.lists(
    st.tuples(
        st.floats(0, 1e6),
        st.dictionaries(st.sampled_from(FACE_EMOTIONS), st.floats(0, 1, width=32), max_size=10),
    ),
    max_size=3,
)


def by_protobuf(frame: Frame, keyframes: tuple[Key, ...]) -> bytes:
    aggregate = emotion_aggregate_pb2.EmotionAggregate(
        input_emotions=[{"time_code": at, "emotion": emotion} for at, emotion in keyframes],
        a2f_smoothed_output=[
            {
                "time_code": frame.time_code,
                "emotion": dict(zip(FACE_EMOTIONS, frame.emotions.tolist(), strict=True)),
            }
        ],
    )
    packed = AnyMessage()
    packed.Pack(aggregate, deterministic=True)
    weights = {"time_code": frame.time_code, "values": frame.weights.tolist()}
    data = {
        "skel_animation": {"blend_shape_weights": [weights]},
        "audio": {"time_code": frame.time_code, "audio_buffer": frame.audio},
        "metadata": {EMOTION_KEY: packed},
    }
    return controller_pb2.AnimationDataStream(animation_data=data).SerializeToString(deterministic=True)


@given(
    first=st.integers(0, 9_000),
    fps=st.sampled_from([30, 60]),
    shapes=st.sampled_from([52, 68]),
    lengths=st.lists(st.sampled_from([0, 1, 60, 1_066, 9_600, 20_000]), max_size=4),
    keyframes=KEYFRAMES,
    seed=st.integers(0, 99),
)
def test_the_bytes_are_those_of_protobuf(
    first: int, fps: int, shapes: int, lengths: list[int], keyframes: list[Key], seed: int
) -> None:
    random = np.random.default_rng(seed)
    frames = Frames(
        first,
        fps,
        random.normal(size=(len(lengths), shapes)).astype(np.float32),
        random.choice([0.0, 0.25, 1.0], (len(lengths), len(FACE_EMOTIONS))),
        tuple(random.bytes(length) for length in lengths),
        tuple(keyframes),
    )
    expected = [by_protobuf(frame, () if number else frames.keyframes) for number, frame in enumerate(frames)]
    assert frame_messages(frames) == expected


def test_without_frames_there_are_no_messages() -> None:
    none = Frames(7, 30, np.empty((0, 52), np.float32), np.empty((0, 10)), ())
    assert frame_messages(none) == []
