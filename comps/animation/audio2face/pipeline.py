"""One clip through Audio2Face: PCM in, frames of weights and emotions with their slice of the audio out.

    PCM16 -> 16 kHz -> detector -> post-processing with keyframes -> face model -> multipliers, offsets, clamp -> eyes

Every way to the service (gRPC, REST, WebSocket, the command line) goes through here. Everything blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.clip_audio import ClipAudio
from comps.animation.audio2face.clip_emotions import ClipEmotions, Key
from comps.animation.audio2face.configuration.layers import Layers, StreamParameters, StreamRequest
from comps.animation.audio2face.emotions import EmotionChain, EmotionSettings
from comps.animation.audio2face.inference.model import (
    SAMPLE_RATE,
    Array,
    Audio,
    EmotionDetector,
    FaceModel,
    FaceTuning,
    frame_count,
)
from comps.animation.audio2face.keyframes import MOST_KEYS
from comps.animation.audio2face.liveness import LivingEyes
from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.animation.audio2face.weights import WeightLayer, WeightTuning
from comps.core.errors import TooLargeError, UnprocessableError

_CLOSING_S = 0.15
"""Longest time in which a mouth that a clip leaves open closes."""
_MOUTH = ("Jaw", "Mouth", "Tongue")


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """What the files of the original have no key for.

    Attributes:
        fps: frames per second of the stream, 30 or 60.
        liveness: blinks and gaze, unless the model has its own.
        liveness_seed: another number, another person.
        close_mouth: the mouth is closed at the end of a clip that has no silence behind it.
        frame_s: time step of the emotions' transition, s; the original's, whatever the frame rate.
        carry_unmapped: emotions without a detector channel keep what they had, as in the SDK (`EmotionSettings`).
    """

    fps: Literal[30, 60] = 30
    liveness: bool = True
    liveness_seed: int = 0
    close_mouth: bool = True
    frame_s: float = 0.033
    carry_unmapped: bool = False

    def __post_init__(self) -> None:
        if self.fps not in (30, 60):
            raise UnprocessableError(f"fps = {self.fps} is not possible; allowed is 30 or 60", param="fps")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: `weights` float32 `[shapes]`, `emotions` `[10]` that drove it, its bytes of the client's audio."""

    index: int
    time_code: float
    audio: bytes
    weights: NDArray[np.float32]
    emotions: Array


@dataclass(frozen=True, slots=True)
class Frames:
    """Consecutive frames from number `first`.

    `weights` float32 `[n, shapes]`, `emotions` `[n, 10]` (`names.FACE_EMOTIONS`), `audio` the client's bytes of every
    frame, `keyframes` what arrived since the frame before, in order of arrival. May be empty.
    """

    first: int
    fps: int
    weights: NDArray[np.float32]
    emotions: Array
    audio: tuple[bytes, ...]
    keyframes: tuple[Key, ...] = ()

    def __len__(self) -> int:
        return len(self.audio)

    def __iter__(self) -> Iterator[Frame]:
        for row, audio in enumerate(self.audio):
            index = self.first + row
            yield Frame(index, index / self.fps, audio, self.weights[row], self.emotions[row])


class Audio2Face:
    """What all clips of a service share.

    Args:
        layers: the configuration; a request goes over it, stream by stream.
        model: moves the face.
        detector: hears emotions; without one, or with `a2e.enabled` false, keyframes alone count.
        options: the rest.
    """

    def __init__(
        self,
        layers: Layers,
        model: FaceModel,
        detector: EmotionDetector | None = None,
        options: PipelineOptions | None = None,
    ) -> None:
        self.layers = layers
        self.model = model
        self.detector = detector if layers.configuration.stylization.a2e.enabled else None
        self.options = options or PipelineOptions()
        self.names = layers.shape_names

    @property
    def look_ahead_s(self) -> float:
        """Audio needed after a frame before it comes out, s (a little more when it is resampled)."""
        heard = self.detector.look_ahead_s if self.detector else 0.0
        return max(self.model.look_ahead_s, heard)

    def open(self, sample_rate: int, request: StreamRequest | None = None) -> ClipPipeline:
        """Begins a clip of PCM16 mono at `sample_rate` Hz.

        Raises:
            UnprocessableError: the rate or a value of the request is out of range; the message names value and range.
        """
        self.check_rate(sample_rate)
        return ClipPipeline(self, sample_rate, self.layers.for_stream(request or StreamRequest()))

    def check_rate(self, sample_rate: int) -> None:
        """Raises UnprocessableError for a rate that clips may not have."""
        bounds = self.layers.configuration.advanced.input_sanitization
        if not bounds.min_sample_rate <= sample_rate <= bounds.max_sample_rate:
            allowed = f"{bounds.min_sample_rate} to {bounds.max_sample_rate}"
            raise UnprocessableError(
                f"samples_per_second = {sample_rate} is out of range; allowed is {allowed}", param="samples_per_second"
            )


class ClipPipeline:
    """One clip; `push` its audio in pieces of any size, then `finish`. Not for two threads at once.

    The frames do not depend on how the audio was cut. `parameters` is what holds for the clip, and which keys of the
    request were ignored. Made by `Audio2Face.open`.
    """

    def __init__(self, shared: Audio2Face, sample_rate: int, parameters: StreamParameters) -> None:
        layers, options = shared.layers, shared.options
        configuration = layers.configuration
        self.parameters = parameters
        self.sample_rate = sample_rate
        self.fps: int = options.fps
        self._options = options
        self._model = shared.model
        self._audio = ClipAudio(sample_rate, self.fps, configuration.advanced.resampling)
        self._emotions = self._open_emotions(shared)
        self._face = shared.model.open(
            FaceTuning(self.fps, parameters.values, layers.active_poses, layers.cancel_poses, layers.symmetry_poses)
        )
        self._weights = _Weights(shared.names, shared, parameters)
        common = configuration.deployment.common
        self._padding_s = common.silence_padding_duration_second if common.add_silence_padding_after_audio else 0.0
        self._samples = 0
        self._held: list[Audio] = []
        self._due = shared.model.steps.first if shared.model.steps else 0
        self._made = 0
        self._arrived: list[Key] = []
        self._nothing: NDArray[np.float32] = np.empty((0, len(shared.names)), np.float32)
        self._no_emotions: Array = np.empty((0, len(FACE_EMOTIONS)))

    @property
    def duration_s(self) -> float:
        """Length of the audio so far, s."""
        return self._audio.duration_s

    @property
    def needed(self) -> int:
        """Bytes of audio that have to come before a `push` can make frames; 0 where the model does not say."""
        return self._audio.bytes_for(self._due - self._samples) if self._model.steps else 0

    def push(self, pcm: bytes, keyframes: Sequence[Key] = ()) -> Frames:
        """Takes more audio, PCM16 little endian; the frames that this makes ready, maybe none.

        `keyframes` act from the next frame on and are given back with the next frame that comes out. Nothing is taken
        when one is refused: UnprocessableError for a negative time or a weight outside 0..1, TooLargeError for too many.
        """
        if len(self._arrived) + len(keyframes) > MOST_KEYS:
            raise TooLargeError(f"more than {MOST_KEYS} emotion keyframes came without audio", param="emotions")
        if keyframes:
            self._emotions.prefer(keyframes)
            self._arrived += keyframes
        self._hold(self._audio.push(pcm))
        if self._samples < self._due:
            return self._no_frames()
        if self._model.steps is not None:
            self._due = self._model.steps.after(self._samples)
        samples = self._released()
        return self._frames(self._face.push(samples, self._emotions.push(samples)))

    def finish(self) -> Frames:
        """The frames that are left, with the silence behind the clip; UnprocessableError when half a sample is over."""
        self._hold(self._audio.finish())
        silence: Audio = np.zeros(round(self._padding_s * SAMPLE_RATE) if self._samples else 0, np.float32)
        count = self._count(len(silence))
        if frame_count(self._samples + len(silence), self.fps) < count:
            # The last frame stands at the very end, where no sample is: one more, of silence, makes it one of the model's.
            if len(silence):
                silence = np.zeros(len(silence) + 1, np.float32)
            else:
                self._hold(np.zeros(1, np.float32))
        samples = self._released()
        total = frame_count(self._samples + len(silence), self.fps)
        told = self._emotions.push(samples)
        left = self._emotions.finish(total - frame_count(self._samples, self.fps))
        solved = [self._face.push(np.concatenate([samples, silence]), told), self._face.finish(left)]
        weights = np.concatenate(solved)
        if self._made + len(weights) != total:
            raise RuntimeError(f"the model made {self._made + len(weights)} of {total} frames")
        # Whole samples at 16 kHz can reach past the clip's end, and one frame with them.
        weights = weights[: count - self._made]
        return self._frames(weights if len(silence) or not self._options.close_mouth else self._closing(weights))

    def _count(self, silence: int) -> int:
        """Frames from 0 to the end of the clip with so many samples of silence: floor(fps * duration) + 1, none without audio."""
        received, rate = self._audio.received, self.sample_rate
        whole = (received * SAMPLE_RATE + silence * rate) * self.fps // (rate * SAMPLE_RATE)
        return whole + 1 if received else 0

    def _hold(self, samples: Audio) -> None:
        self._samples += len(samples)
        self._held.append(samples)

    def _released(self) -> Audio:
        """The samples that were held until the model's next step."""
        held, self._held = self._held, []
        return held[0] if len(held) == 1 else np.concatenate(held)

    def _closing(self, weights: Array) -> Array:
        """Closes the mouth over the last frames, as many as no model can have made before the clip's end was known."""
        unknown = int(np.ceil(self._model.look_ahead_s * self.fps)) - 1
        frames = min(unknown, round(_CLOSING_S * self.fps), len(weights))
        if frames < 1:
            return weights
        closed = weights.copy()
        open_share = np.linspace(1, 0, frames + 1)[1:, None]
        mouth = [place for place, name in enumerate(self._model.names) if name.startswith(_MOUTH)]
        closed[-frames:, mouth] *= open_share * open_share * (3 - 2 * open_share)
        return closed

    def _frames(self, solved: Array) -> Frames:
        first, count = self._made, len(solved)
        if not count:
            return self._no_frames()
        self._made += count
        arrived, self._arrived = tuple(self._arrived), []
        weights = self._weights.tuned(solved, first).astype(np.float32)
        emotions = self._emotions.taken(count)
        return Frames(first, self.fps, weights, emotions, self._audio.echo(first, count), arrived)

    def _no_frames(self) -> Frames:
        return Frames(self._made, self.fps, self._nothing, self._no_emotions, ())

    def _open_emotions(self, shared: Audio2Face) -> ClipEmotions:
        options, values = self._options, self.parameters.values
        settings = EmotionSettings.of(values, frame_s=options.frame_s, carry_unmapped=options.carry_unmapped)
        beginning = np.array([self.parameters.beginning_emotion[name] for name in FACE_EMOTIONS])
        interval = shared.layers.configuration.advanced.a2e.inference_interval
        heard = shared.detector.open(self.fps, interval) if shared.detector else None
        return ClipEmotions(EmotionChain(settings, beginning), heard, self.fps)


class _Weights:
    """From a model's solved weights to those of the stream."""

    def __init__(self, names: Sequence[str], shared: Audio2Face, parameters: StreamParameters) -> None:
        layer = WeightLayer(
            parameters.weight_multipliers,
            parameters.weight_offsets,
            bool(parameters.values["enable_clamping_bs_weight"]),
        )
        self._tuning = WeightTuning.layered(names, [layer], shared.layers.active_poses)
        self._take = None if tuple(names) == shared.model.names else _places(names, shared.model.names)
        options = shared.options
        self._seed = options.liveness_seed
        alive = options.liveness and not shared.model.alive
        self._eyes = LivingEyes(names, parameters.values, self._tuning, options.fps) if alive else None

    def tuned(self, solved: Array, first: int) -> Array:
        taken = solved if self._take is None else np.where(self._take < 0, 0.0, solved[:, self._take])
        weights = self._tuning.apply(taken)
        return weights if self._eyes is None else self._eyes.apply(weights, first, self._seed)


def _places(names: Sequence[str], has: Sequence[str]) -> NDArray[np.intp]:
    """Where a model has the shapes of a stream; -1 for those it does not have."""
    known: Mapping[str, int] = {name: place for place, name in enumerate(has)}
    return np.array([known.get(name, -1) for name in names], np.intp)
