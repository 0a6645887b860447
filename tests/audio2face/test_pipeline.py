from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.configuration import Configuration, DeploymentConfig, Layers, StreamRequest
from comps.animation.audio2face.configuration.stylization import StylizationConfig
from comps.animation.audio2face.inference.model import Steps
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES, FACE_EMOTIONS
from comps.animation.audio2face.pipeline import Audio2Face, ClipPipeline, Frames, PipelineOptions
from comps.core.errors import UnprocessableError
from tests.audio2face.stand_in import LOOK_AHEAD_S, LoudEmotions, LoudFace

JOY = FACE_EMOTIONS.index("joy")
JAW = ALL_SHAPES.index("JawOpen")


def speech(seconds: float, rate: int = 16_000, seed: int = 1) -> bytes:
    """Noise whose loudness comes and goes 3 times a second, PCM16."""
    count = round(seconds * rate)
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * np.arange(count) / rate)
    noise = np.random.default_rng(seed).uniform(-0.8, 0.8, count)
    return (noise * envelope * 32767).astype("<i2").tobytes()


def service(
    options: PipelineOptions | None = None,
    *,
    style: dict[str, Any] | None = None,
    common: dict[str, Any] | None = None,
    hears: bool = True,
) -> Audio2Face:
    configuration = Configuration(
        stylization=StylizationConfig.model_validate(style or {}),
        deployment=DeploymentConfig.model_validate({"common": common or {}}),
    )
    return Audio2Face(Layers(configuration), LoudFace(), LoudEmotions() if hears else None, options)


def joined(parts: Sequence[Frames]) -> Frames:
    """All frames as one batch; checks that they follow one another."""
    assert [part.first for part in parts] == list(np.cumsum([0, *(len(part) for part in parts)])[:-1])
    return Frames(
        0,
        parts[0].fps,
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.emotions for part in parts]),
        tuple(piece for part in parts for piece in part.audio),
        tuple(key for part in parts for key in part.keyframes),
    )


def run(clip: ClipPipeline, pieces: Iterable[bytes], keyframes: Sequence[Key] = ()) -> Frames:
    parts = [clip.push(b"", keyframes)] if keyframes else []
    parts += [clip.push(piece) for piece in pieces]
    return joined([*parts, clip.finish()])


def cut(pcm: bytes, sizes: Iterable[int]) -> list[bytes]:
    bounds = [0, *np.cumsum(list(sizes)).tolist(), len(pcm)]
    return [pcm[start:stop] for start, stop in pairwise(bounds)]


@pytest.mark.parametrize("fps", [30, 60])
@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000, 144_000])
@pytest.mark.parametrize("seconds", [0.0001, 0.02, 0.0333, 0.99999, 1.0, 1.3337])
def test_frames_cover_the_clip_and_echo_exactly_its_audio(fps: Any, rate: int, seconds: float) -> None:
    pcm = speech(seconds, rate)
    frames = run(service(PipelineOptions(fps=fps)).open(rate), [pcm])
    samples = len(pcm) // 2
    assert len(frames) == samples * fps // rate + 1
    assert b"".join(frames.audio) == pcm
    assert frames.audio[0] == pcm[: 2 * (rate // fps)]
    assert all(len(piece) % 2 == 0 for piece in frames.audio)
    listed = list(frames)
    assert [frame.time_code for frame in listed] == [index / fps for index in range(len(frames))]
    assert frames.weights.shape == (len(frames), 68)
    assert frames.weights.dtype == np.float32
    assert frames.emotions.shape == (len(frames), 10)


PCM = {rate: speech(1.2, rate, seed=rate) for rate in (16_000, 44_100)}


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from(sorted(PCM)),
    sizes=st.lists(st.integers(0, 9000), max_size=30),
    keys=st.lists(
        st.tuples(st.floats(0, 1.5), st.dictionaries(st.sampled_from(FACE_EMOTIONS), st.floats(0, 1))), max_size=4
    ),
)
def test_how_a_clip_is_cut_changes_nothing(rate: int, sizes: list[int], keys: list[Key]) -> None:
    shared = service(common={"add_silence_padding_after_audio": True, "silence_padding_duration_second": 0.3})
    whole = run(shared.open(rate), [PCM[rate]], keys)
    pieces = run(shared.open(rate), cut(PCM[rate], sizes), keys)
    np.testing.assert_array_equal(whole.weights, pieces.weights)
    np.testing.assert_array_equal(whole.emotions, pieces.emotions)
    assert whole.audio == pieces.audio
    assert whole.keyframes == pieces.keyframes == tuple(keys)


def test_frames_come_before_the_clip_ends_as_soon_as_the_look_ahead_is_there() -> None:
    shared = service()
    assert shared.look_ahead_s == LOOK_AHEAD_S
    clip, pcm = shared.open(16_000), speech(1.0)
    for stop in range(1, 20):
        clip.push(pcm[(stop - 1) * 1600 : stop * 1600])
        assert clip.duration_s == pytest.approx(stop * 0.05)
    assert clip.finish().first == int((0.95 - LOOK_AHEAD_S) * 30) + 1


def test_a_model_that_works_in_steps_gets_whole_ones_and_gives_the_same() -> None:
    shared, stepwise = service(), service()
    stepwise.model.steps = Steps(1_000, 1_600)
    pcm = speech(1.0)
    clip, told = stepwise.open(16_000), []
    parts = []
    for start in range(0, len(pcm), 200):
        parts.append(clip.push(pcm[start : start + 200]))
        told += [start // 2 + 100] if len(parts[-1]) else []
    assert told == list(range(1_000 + 1_600, 16_001, 1_600))
    frames, usual = joined([*parts, clip.finish()]), run(shared.open(16_000), [pcm])
    np.testing.assert_array_equal(frames.weights, usual.weights)
    assert frames.audio == usual.audio


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000, 144_000])
@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 9_001), min_size=20, max_size=60))
def test_less_audio_than_is_needed_makes_no_frames(rate: int, sizes: list[int]) -> None:
    stepwise = service()
    stepwise.model.steps = Steps(1_760, 1_600)
    clip, rest = stepwise.open(rate), 0
    needed = clip.needed
    assert needed > 0
    for piece in cut(speech(sum(sizes) / 2 / rate, rate), sizes[:-1]):
        frames = clip.push(piece)
        rest += len(piece)
        assert not len(frames) or rest >= needed
        if len(frames) or rest >= needed:
            needed, rest = clip.needed, 0


def test_the_audio_that_is_needed_is_enough_at_the_models_own_rate() -> None:
    stepwise = service()
    stepwise.model.steps = Steps(1_760, 1_600)
    clip, made = stepwise.open(16_000), []
    for _ in range(5):
        made.append(len(clip.push(bytes(clip.needed))))
    assert made[1:] == [3] * 4
    assert service().open(16_000).needed == 0


@pytest.mark.parametrize(("samples", "due"), [(0, 10), (9, 10), (10, 14), (13, 14), (14, 18), (30, 34)])
def test_the_next_step_is_after_what_was_heard(samples: int, due: int) -> None:
    assert Steps(10, 4).after(samples) == due


def test_sound_at_another_rate_moves_the_face_alike() -> None:
    tone = {rate: (12_000 * np.sin(2 * np.pi * 300 * np.arange(rate) / rate)).astype("<i2").tobytes() for rate in PCM}
    same, resampled = (run(service().open(rate), [tone[rate]]) for rate in sorted(PCM))
    assert len(same) == len(resampled) == 31
    np.testing.assert_allclose(same.weights[:, JAW], resampled.weights[:, JAW], atol=0.01)


def test_silence_behind_the_clip_closes_the_mouth_and_calms_it_without_an_echo() -> None:
    common = {"add_silence_padding_after_audio": True}
    clip = service(common=common, style={"a2e": {"live_transition_time": 0.2}}).open(16_000)
    frames = run(clip, [speech(1.0)], [(0.0, {"joy": 1.0})])
    assert len(frames) == 76
    assert b"".join(frames.audio) == speech(1.0)
    assert set(frames.audio[30:]) == {b""}
    assert frames.weights[29, JAW] > 0.05
    assert frames.weights[40:, JAW].max() == 0
    assert frames.emotions[29, JOY] > 0.2
    assert np.all(np.diff(frames.emotions[30:, JOY]) < 0)
    assert frames.emotions[-1, JOY] < 0.001


def test_a_clip_without_silence_behind_it_ends_with_a_closed_mouth_unless_told_otherwise() -> None:
    pcm = speech(1.0)
    closed = run(service().open(16_000), [pcm])
    left = run(service(PipelineOptions(close_mouth=False)).open(16_000), [pcm])
    assert left.weights[-1, JAW] > 0.05
    assert closed.weights[-1, JAW] == 0
    np.testing.assert_array_equal(closed.weights[:-2], left.weights[:-2])


def test_eyes_blink_and_wander_by_the_clock_unless_switched_off() -> None:
    quiet = bytes(32_000 * 12)
    alive = run(service().open(16_000), [quiet])
    still = run(service(PipelineOptions(liveness=False)).open(16_000), [quiet])
    blink = alive.weights[:, ALL_SHAPES.index("EyeBlinkLeft")]
    assert blink.max() == 1
    assert 2 <= np.count_nonzero((blink[1:] > 0) & (blink[:-1] == 0)) <= 6
    assert alive.weights[:, ALL_SHAPES.index("EyeLookInLeft")].max() > 0.01
    assert not still.weights.any()
    other = run(service(PipelineOptions(liveness_seed=1)).open(16_000), [quiet])
    assert not np.array_equal(other.weights, alive.weights)


def test_keyframes_are_preferred_emotions_and_come_back_once_with_the_next_frame() -> None:
    style = {"a2e": {"live_transition_time": 0.001, "post_processing_params": {"emotion_strength": 1.0}}}
    clip = service(style=style, hears=False).open(16_000)
    first = clip.push(speech(0.5))
    assert first.keyframes == ()
    assert not first.emotions.any()
    key: Key = (0.6, {"joy": 1.0, "out_of_breath": 0.5, "no emotion": 3.0})
    nothing = clip.push(b"", [key])
    assert (len(nothing), nothing.keyframes) == (0, ())
    later = clip.push(speech(1.0))
    assert later.keyframes == (key,)
    assert later.emotions[-1, JOY] == pytest.approx(0.5)
    assert later.emotions[-1, FACE_EMOTIONS.index("outofbreath")] == pytest.approx(0.25)
    assert clip.finish().keyframes == ()


@pytest.mark.parametrize("key", [(-0.1, {}), (float("nan"), {}), (0.0, {"joy": 1.1}), (0.0, {"fear": float("nan")})])
def test_a_refused_keyframe_leaves_the_clip_as_it_was(key: Key) -> None:
    shared = service()
    clip, untouched = shared.open(16_000), shared.open(16_000)
    with pytest.raises(UnprocessableError, match="allowed is"):
        clip.push(speech(0.5), [(0.0, {"joy": 1.0}), key])
    np.testing.assert_array_equal(run(clip, [speech(0.3)]).emotions, run(untouched, [speech(0.3)]).emotions)


def test_with_the_detector_switched_off_only_keyframes_move_emotions() -> None:
    frames = run(service(style={"a2e": {"enabled": False}}).open(16_000), [speech(1.0)])
    assert not frames.emotions.any()
    assert run(service().open(16_000), [speech(1.0)]).emotions.any()


def test_a_request_holds_for_its_own_clip() -> None:
    shared = service()
    request = StreamRequest(
        face={"skinStrength": 0.5, "noSuchKey": 1.0},
        beginning_emotion={"joy": 1.0},
        weight_multipliers={"JawOpen": 0.5, "noSuchShape": 2.0},
        weight_offsets={"TongueOut": 0.25},
        clamp=True,
    )
    clip, plain = shared.open(16_000, request), shared.open(16_000)
    assert clip.parameters.ignored == ("noSuchKey",)
    asked, usual = run(clip, [speech(1.0)]), run(plain, [speech(1.0)])
    np.testing.assert_allclose(asked.weights[:20, JAW], usual.weights[:20, JAW] * 0.5, rtol=1e-6)
    assert set(asked.weights[:, ALL_SHAPES.index("TongueOut")].tolist()) == {0.25}
    assert asked.emotions[0, JOY] > usual.emotions[0, JOY] + 0.3
    model = shared.model
    assert isinstance(model, LoudFace)
    assert [tuning.values["skin_strength"] for tuning in model.opened] == [0.5, 1.0]
    assert model.opened[0].fps == 30


@pytest.mark.parametrize(("tongue", "names"), [(False, ARKIT_SHAPES), (True, ALL_SHAPES)])
@pytest.mark.parametrize("has", [False, True])
def test_the_stream_has_the_shapes_that_the_files_ask_for(tongue: bool, names: tuple[str, ...], has: bool) -> None:
    style = StylizationConfig.model_validate({"a2f": {"enable_tongue_blendshapes": tongue}})
    shared = Audio2Face(Layers(Configuration(stylization=style)), LoudFace(tongue=has))
    assert shared.names == names
    frames = run(shared.open(16_000), [speech(0.5)])
    assert frames.weights.shape == (16, len(names))
    assert frames.weights[:, JAW].any()


@pytest.mark.parametrize(
    ("rate", "fits"), [(15_999, False), (16_000, True), (144_000, True), (144_001, False), (0, False)]
)
def test_the_rate_is_bounded_by_the_files(rate: int, fits: bool) -> None:
    if fits:
        assert len(service().open(rate).finish()) == 0
    else:
        with pytest.raises(UnprocessableError, match="16000 to 144000"):
            service().open(rate)


def test_half_a_sample_at_the_end_and_odd_frame_rates_are_refused() -> None:
    clip = service().open(16_000)
    clip.push(b"\0\0\0")
    clip.push(b"\0")
    clip.push(b"\0")
    with pytest.raises(UnprocessableError, match="middle of a sample"):
        clip.finish()
    with pytest.raises(UnprocessableError, match="30 or 60"):
        PipelineOptions(fps=25)  # type: ignore[arg-type]


def test_an_empty_clip_has_no_frames_even_with_silence_behind_it() -> None:
    clip = service(common={"add_silence_padding_after_audio": True}).open(16_000)
    assert len(joined([clip.push(b""), clip.finish()])) == 0
