"""MotionStream: speech in, what the face does at every frame of the video out, the same however the speech is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comps.animation.engines.sadtalker.blinks import BlinkStream
from comps.animation.engines.sadtalker.coefficients import EXPRESSION, POSE, CoefficientWindows, still_window
from comps.animation.engines.sadtalker.expression import ExpressionNet
from comps.animation.engines.sadtalker.head_pose import PoseStream, seeded_noise
from comps.animation.engines.sadtalker.mapping import KEYPOINTS, RADIUS, MappingNet
from comps.animation.engines.sadtalker.mapping import Motion as MappedMotion
from comps.animation.engines.sadtalker.pose import BLOCK, PoseVAE
from comps.animation.engines.sadtalker.smoothing import DELAY, SmoothStream
from comps.animation.engines.sadtalker.transformation import moved, pose_degrees
from comps.animation.engines.sadtalker.windows import LOOK_AHEAD_S, MOTION_FPS, WindowStream

Rows = NDArray[np.float32]

_BATCH = 64
"""Frames whose motion is computed at once: bounds the memory a long piece of speech takes."""


def look_ahead_s(still: bool, step: int = BLOCK) -> float:
    """Seconds of speech beyond a frame that its motion depends on; a `still` head waits for no head motion."""
    frames = RADIUS + (0 if still else step + DELAY)
    return round(LOOK_AHEAD_S + frames / MOTION_FPS, 3)


@dataclass(frozen=True, slots=True, eq=False)
class FaceMotion:
    """What consecutive frames from number `first` do.

    `pose` float32 `[n, 3]`: yaw, pitch, roll in degrees; `shift` `[n, 3]` and `expression` `[n, 45]` in units of the
    key points' space, which is 2 wide.
    """

    first: int
    pose: Rows
    shift: Rows
    expression: Rows

    def __len__(self) -> int:
        return len(self.pose)

    def __getitem__(self, part: slice) -> FaceMotion:
        begin, _, _ = part.indices(len(self))
        return FaceMotion(self.first + begin, self.pose[part], self.shift[part], self.expression[part])

    def keypoints(self, canonical: Tensor) -> Tensor:
        """Key points `[n, 15, 3]` of a face whose canonical ones are `canonical` `[15, 3]`."""
        pose, shift, expression = (
            torch.from_numpy(np.ascontiguousarray(rows)).to(canonical.device)
            for rows in (self.pose, self.shift, self.expression)
        )
        bins = torch.zeros(0, device=canonical.device)
        motion = MappedMotion(bins, bins, bins, shift, expression)
        return moved(canonical.expand(len(self), -1, -1), motion, pose)


def joined(motions: Sequence[FaceMotion]) -> FaceMotion:
    """Motions that follow one another as one."""
    if not motions:
        return _motion(0, np.zeros((0, _ROW), np.float32))
    pose, shift, expression = (
        np.concatenate([getattr(motion, name) for motion in motions]) for name in ("pose", "shift", "expression")
    )
    return FaceMotion(motions[0].first, pose, shift, expression)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Coefficients of a video's face at 25 frames/s, repeated from the start when it ends.

    `expression` float32 `[n, 64]` replaces the source's where eye blinks come from the video; `pose` `[m, 6]` is added,
    less its first frame, to the head motion. Either may be empty.
    """

    expression: Rows = field(default_factory=lambda: np.zeros((0, 64), np.float32))
    pose: Rows = field(default_factory=lambda: np.zeros((0, 6), np.float32))


@dataclass(frozen=True, slots=True)
class MotionOptions:
    """How a face moves.

    `sample_rate` Hz of the speech; `fps` of the video; `style` 0..45 and `step` (frames drawn at once) of the head
    motion, which `head_motion` scales and `still` replaces by the picture's pose; `expression_scale` multiplies the
    expression; the same `seed` gives the same motion.
    """

    sample_rate: int
    fps: int = MOTION_FPS
    seed: int = 0
    style: int = 0
    step: int = BLOCK
    still: bool = False
    head_motion: float = 1.0
    expression_scale: float = 1.0
    blinks: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class MotionNetworks:
    """The networks that make motion out of speech, with their weights."""

    expression: ExpressionNet
    pose: PoseVAE
    mapping: MappingNet


class MotionStream:
    """The motion of one answer.

    Everything is computed at 25 frames/s and then read at the times of the video's frames. Nothing here needs the whole
    speech: smoothing, the blocks of head motion and the windows around a frame each look a fixed time ahead
    (`look_ahead_s`), and the stream gives to the last bit what it would give for the speech at once.

    Args:
        networks: on one device.
        source: coefficients of the picture, float32 `[70]` or `[73]`, as many as the mapping takes.
        options: how to move.
        reference: of videos whose motion is borrowed.
    """

    def __init__(
        self, networks: MotionNetworks, source: Rows, options: MotionOptions, reference: Reference | None = None
    ) -> None:
        self._networks = networks
        self._source = source
        self._options = options
        self._reference = reference or Reference()
        self._windows = WindowStream(options.sample_rate)
        self._blinks = BlinkStream(options.seed)
        noise = seeded_noise(options.seed)
        self._poses = PoseStream(networks.pose, source[POSE], options.style, noise, options.step)
        self._smooth = SmoothStream(POSE.stop - POSE.start)
        self._waiting = _Queue(EXPRESSION), _Queue(POSE)
        """Expressions and poses that wait for each other."""
        self._around = CoefficientWindows(networks.mapping.channels)
        self._retimer = Retimer(options.fps)
        self._samples = self._heard = self._posed = 0

    def feed(self, pcm: NDArray[np.int16]) -> FaceMotion:
        """The motion that the next samples settle."""
        self._samples += len(pcm)
        mels = self._windows.feed(pcm)
        rows = [self._mapped(self._around.feed(self._coefficients(part))) for part in _parts(mels)]
        return self._retimer.feed(_stacked(rows))

    def finish(self) -> FaceMotion:
        """The motion up to the end of the speech: ceil(seconds * fps) frames in all."""
        rows = [self._mapped(self._around.feed(self._coefficients(part))) for part in _parts(self._windows.finish())]
        rows.append(self._mapped(self._around.feed(self._rest())))
        rows.append(self._mapped(self._around.finish()))
        frames = -(-self._samples * self._options.fps // self._options.sample_rate)
        return self._retimer.finish(_stacked(rows), frames)

    def _coefficients(self, mels: Rows) -> Rows:
        expressions, poses = self._waiting
        expressions.put(self._expressions(mels))
        poses.put(np.repeat(self._source[None, POSE], len(mels), 0) if self._options.still else self._head(mels))
        return self._pairs()

    def _rest(self) -> Rows:
        if not self._options.still:
            pose = self._smooth.feed(self._absolute(self._poses.finish()))
            self._waiting[1].put(self._borrowed(np.concatenate([pose, self._smooth.finish()])))
        return self._pairs()

    def _pairs(self) -> Rows:
        """Coefficients `[n, 70 or 73]` of the frames of which expression and pose are known."""
        expressions, poses = self._waiting
        count = min(len(expressions), len(poses))
        alignment = np.repeat(self._source[None, POSE.stop :], count, 0)
        return np.concatenate([expressions.take(count), poses.take(count), alignment], 1)

    @torch.inference_mode()
    def _expressions(self, mels: Rows) -> Rows:
        count = len(mels)
        blinks, given = self._blinks.take(count), self._reference.expression
        reference = np.repeat(self._source[None, EXPRESSION], count, 0)
        if len(given):
            reference = given[np.arange(self._heard, self._heard + count) % len(given)]
        if len(given) or not self._options.blinks:
            blinks = np.zeros_like(blinks)
        self._heard += count
        network = self._networks.expression
        found = network(*(_tensor(rows, network) for rows in (mels[:, None], reference, blinks[:, None])))
        return _array(found) * np.float32(self._options.expression_scale)

    def _head(self, mels: Rows) -> Rows:
        return self._borrowed(self._smooth.feed(self._absolute(self._poses.feed(mels))))

    def _absolute(self, motion: Rows) -> Rows:
        return self._source[POSE] + motion * np.float32(self._options.head_motion)

    def _borrowed(self, poses: Rows) -> Rows:
        """With the head motion of the reference video on top."""
        given, first = self._reference.pose, self._posed
        self._posed += len(poses)
        if not len(given):
            return poses
        return poses + given[np.arange(first, first + len(poses)) % len(given)] - given[0]

    @torch.inference_mode()
    def _mapped(self, windows: Rows) -> Rows:
        return mapped(self._networks.mapping, windows)


def source_keypoints(mapping: MappingNet, source: Rows, canonical: Tensor) -> Tensor:
    """Key points `[15, 3]` of the picture itself, from its coefficients `[70 or 73]` and canonical points `[15, 3]`."""
    rows = mapped(mapping, still_window(source)[None])
    return _motion(0, rows).keypoints(canonical)[0]


@torch.inference_mode()
def mapped(mapping: MappingNet, windows: Rows) -> Rows:
    """Rows `[n, 51]` (pose in degrees, shift, expression) of windows of coefficients `[n, 70 or 73, 27]`."""
    if not len(windows):
        return np.zeros((0, _ROW), np.float32)
    motion = mapping(_tensor(windows, mapping))
    return _array(torch.cat([pose_degrees(motion), motion.shift, motion.expression], 1))


_ROW = 3 + 3 + 3 * KEYPOINTS


class Retimer:
    """Reads motion of 25 frames/s at the times of a video's frames, linearly between two."""

    def __init__(self, fps: int) -> None:
        self._fps = fps
        self._held: Rows = np.zeros((0, _ROW), np.float32)
        self._held_from = 0
        self._next = 0

    def feed(self, rows: Rows) -> FaceMotion:
        """The frames that the next `rows` `[n, 51]` settle."""
        self._held = np.concatenate([self._held, rows])
        last = self._held_from + len(self._held) - 1
        return self._read(last * self._fps // MOTION_FPS + 1 if last >= 0 else 0)

    def finish(self, rows: Rows, frames: int) -> FaceMotion:
        """The frames up to number `frames`, the last of them held where motion ends before it."""
        self._held = np.concatenate([self._held, rows])
        return self._read(frames)

    def _read(self, until: int) -> FaceMotion:
        first, until = self._next, max(self._next, until)
        if until == first or not len(self._held):
            return _motion(first, self._held[:0])
        numbers = np.arange(first, until) * MOTION_FPS
        low = np.minimum(numbers // self._fps - self._held_from, len(self._held) - 1)
        high = np.minimum(low + 1, len(self._held) - 1)
        share = (numbers % self._fps / np.float32(self._fps)).astype(np.float32)[:, None]
        read = self._held[low] * (1 - share) + self._held[high] * share
        self._next = until
        done = max(0, min(until * MOTION_FPS // self._fps - self._held_from, len(self._held) - 1))
        self._held, self._held_from = self._held[done:].copy(), self._held_from + done
        return _motion(first, read)


class _Queue:
    """Rows put in pieces and taken in others."""

    def __init__(self, columns: slice) -> None:
        self._rows: Rows = np.zeros((0, columns.stop - columns.start), np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, rows: Rows) -> None:
        self._rows = np.concatenate([self._rows, rows])

    def take(self, count: int) -> Rows:
        taken, self._rows = self._rows[:count], self._rows[count:].copy()
        return taken


def _motion(first: int, rows: Rows) -> FaceMotion:
    return FaceMotion(first, rows[:, :3], rows[:, 3:6], rows[:, 6:])


def _parts(mels: Rows) -> list[Rows]:
    return [mels[start : start + _BATCH] for start in range(0, len(mels), _BATCH)]


def _stacked(rows: list[Rows]) -> Rows:
    return np.concatenate([np.zeros((0, _ROW), np.float32), *rows])


def _tensor(rows: Rows, network: torch.nn.Module) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows, np.float32)).to(next(network.parameters()).device)


def _array(tensor: Tensor) -> Rows:
    return np.asarray(tensor.float().cpu().numpy())
