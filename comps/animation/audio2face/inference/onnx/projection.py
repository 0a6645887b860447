"""From a network's numbers to weights, without the points between them.

The skin's formulas (`skin.py`) and the right side of the solver are linear in the motion of the points. With P the
solver's projection of motions and m the share of the lower face,

    b = P(neutral) + upper_face_strength s2_upper + lower_face_strength s2_lower
    d_lower = P(m (skin_strength delta + offset)), d_upper = P((1 - m) (skin_strength delta + offset))

so the filters run over a number for each shape instead of over every point. A regression network tells
delta = c B by a few hundred components; P(m B) and P((1 - m) B) are made once. Equal to the formulas on points but for
rounding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.card_solver import Arrays, CardSolver
from comps.animation.audio2face.inference.model import Array, FaceTuning
from comps.animation.audio2face.inference.onnx.rig import Character, Points, ShapeRig
from comps.animation.audio2face.parameters import BY_NAME, Value
from comps.animation.audio2face.skin import SkinSettings, Smoothing, lower_mask
from comps.animation.audio2face.solver import BlendshapeSolver, Poses, SolverStream

Single = NDArray[np.float32]
Mask = tuple[float, float]
"""`face_mask_level` and `face_mask_softness`."""
KeptT = TypeVar("KeptT")

_KEPT = 8
"""Solvers and masks that are kept; streams rarely differ in them."""
_AT_ONCE = 16
"""Components that are masked at once: Mark's points are 0.7 MB each."""


class Face:
    """A character's skin and tongue, for all streams; thread safe.

    Args:
        character: its files.
        tongue: whether the tongue is solved too.
        smooth: False leaves out the filters of the skin.
        arrays: of a card that solves (`CardSolver`); None solves on the CPU, exactly.
    """

    def __init__(
        self, character: Character, *, tongue: bool, smooth: bool = True, arrays: Arrays | None = None
    ) -> None:
        self.character = character
        self.names = character.skin.names + (character.tongue.names if tongue else ())
        self._tongue = tongue
        self._smooth = smooth
        self._arrays = arrays
        self._solvers: _Kept[BlendshapeSolver] = _Kept()
        self._skins: _Kept[SkinProjection] = _Kept()
        self._tongues: _Kept[TongueProjection] = _Kept()

    def open(self, tuning: FaceTuning, fps: float) -> FaceTargets:
        """One stream whose network tells `fps` frames per second; UnprocessableError when the tuning cannot be used."""
        settings = SkinSettings.of(tuning.values)
        if not self._smooth:
            settings = replace(settings, lower_face_smoothing=0.0, upper_face_smoothing=0.0)
        skin = SkinTargets(self._skin(tuning, (settings.face_mask_level, settings.face_mask_softness)), settings, fps)
        return FaceTargets(skin, TongueTargets(self._tongue_of(tuning), tuning.values) if self._tongue else None)

    def _skin(self, tuning: FaceTuning, mask: Mask) -> SkinProjection:
        rig = self.character.skin
        poses = _poses(rig, tuning)
        solver = self._solvers.get(("skin", poses), lambda: _solver(rig, poses, self._arrays))
        return self._skins.get((poses, mask), lambda: SkinProjection(self.character, solver, mask))

    def _tongue_of(self, tuning: FaceTuning) -> TongueProjection:
        rig = self.character.tongue
        poses = _poses(rig, tuning)
        solver = self._solvers.get(("tongue", poses), lambda: _solver(rig, poses, self._arrays))
        return self._tongues.get(poses, lambda: TongueProjection(self.character, solver))


class FaceTargets:
    """One stream: from a network's numbers to the solver's right sides, and from those to weights."""

    def __init__(self, skin: SkinTargets, tongue: TongueTargets | None) -> None:
        self._skin = skin
        self._tongue = tongue
        self._solvers: list[SolverStream] = [part.solver.stream() for part in (skin, tongue) if part]
        self._split = len(skin.solver.active)

    def targets(self, skin: Single, tongue: Single) -> Array:
        """Right sides `[n, k]` of the next frames: of the skin's shapes that are solved for, then of the tongue's.

        `skin` is `[n, components]` of a regression network or `[n, 3 v]` of a diffusion network; `tongue` likewise.
        """
        parts = [self._skin.next(skin)]
        if self._tongue:
            parts.append(self._tongue.next(tongue))
        return np.concatenate(parts, axis=1)

    def weights(self, targets: Array) -> Array:
        """Weights `[n, shapes]` for right sides of consecutive frames."""
        parts = (targets[:, : self._split], targets[:, self._split :])
        solved = [solver.solve_projected(part) for solver, part in zip(self._solvers, parts, strict=False)]
        return np.concatenate(solved, axis=1)


class SkinProjection:
    """The skin's linear maps for one solver and one mask."""

    def __init__(self, character: Character, solver: BlendshapeSolver, mask: Mask) -> None:
        rig = character.parts.skin
        self.solver = solver
        self._mask = lower_mask(rig.neutral, *mask)[:, None].astype(np.float32)
        self.neutral: Array = solver.project(rig.neutral[None])[0]
        self.eye_close = self._motions(rig.eye_close[None])
        self.lip_open = self._motions(rig.lip_open[None])
        components = character.parts.skin_components
        self._components = None if components is None else self._motions(components)

    def project(self, numbers: Single) -> tuple[Array, Array]:
        """Lower and upper part `[n, k]` of the motions that a network's numbers stand for."""
        if self._components is None:
            return self._motions(numbers.reshape(len(numbers), -1, 3))
        lower, upper = self._components
        return numbers @ lower, numbers @ upper

    def _motions(self, motions: Points) -> tuple[Array, Array]:
        parts = [motions[first : first + _AT_ONCE] for first in range(0, len(motions), _AT_ONCE)]
        lower: Array = np.concatenate([self.solver.project_motions(part * self._mask) for part in parts])
        return lower, np.concatenate([self.solver.project_motions(part) for part in parts]) - lower


class SkinTargets:
    """The skin of one stream."""

    def __init__(self, projection: SkinProjection, settings: SkinSettings, fps: float) -> None:
        closing = settings.blink_offset * settings.blink_strength - settings.eyelid_open_offset
        self.solver = projection.solver
        self._projection = projection
        self._strength = settings.skin_strength
        self._offsets: list[Array] = [
            (eyes * closing + lips * settings.lip_open_offset)[0]
            for eyes, lips in zip(projection.eye_close, projection.lip_open, strict=True)
        ]
        self._strengths = (settings.lower_face_strength, settings.upper_face_strength)
        self._filters = (Smoothing(settings.lower_face_smoothing, fps), Smoothing(settings.upper_face_smoothing, fps))

    def next(self, numbers: Single) -> Array:
        """Right sides `[n, k]` of the next frames."""
        targets: Array = np.tile(self._projection.neutral, (len(numbers), 1))
        parts = zip(self._projection.project(numbers), self._offsets, self._filters, self._strengths, strict=True)
        for part, offset, smoothing, strength in parts:
            targets += strength * smoothing.run(part * self._strength + offset)
        return targets


class TongueProjection:
    """The tongue's linear maps for one solver."""

    def __init__(self, character: Character, solver: BlendshapeSolver) -> None:
        neutral, components = character.parts.tongue, character.parts.tongue_components
        self.solver = solver
        self.neutral: Array = solver.project(neutral[None])[0]
        axes: Points = np.zeros((2, *neutral.shape), np.float32)
        axes[0, :, 1] = axes[1, :, 2] = 1
        self.up, self.forward = solver.project_motions(axes)
        self._components = None if components is None else solver.project_motions(components)

    def project(self, numbers: Single) -> Array:
        """The motions `[n, k]` that a network's numbers stand for."""
        if self._components is None:
            return self.solver.project_motions(numbers.reshape(len(numbers), -1, 3))
        return np.asarray(numbers @ self._components)


class TongueTargets:
    """The tongue of one stream (`tongue.py`)."""

    def __init__(self, projection: TongueProjection, values: Mapping[str, Value]) -> None:
        strength, height, depth = (
            float(values.get(name, BY_NAME[name].library))
            for name in ("tongue_strength", "tongue_height_offset", "tongue_depth_offset")
        )
        self.solver = projection.solver
        self._projection = projection
        self._strength = strength
        self._rest: Array = projection.neutral + height * projection.up + depth * projection.forward

    def next(self, numbers: Single) -> Array:
        """Right sides `[n, k]` of the next frames."""
        return self._projection.project(numbers) * self._strength + self._rest


class _Kept(Generic[KeptT]):
    """The things that were used last, made when they are asked for; one is made at a time."""

    def __init__(self) -> None:
        self._things: OrderedDict[Hashable, KeptT] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], KeptT]) -> KeptT:
        with self._lock:
            if key not in self._things:
                self._things[key] = make()
            self._things.move_to_end(key)
            if len(self._things) > _KEPT:
                self._things.popitem(last=False)
            return self._things[key]


def _poses(rig: ShapeRig, tuning: FaceTuning) -> Poses:
    return Poses.named(rig.names, tuning.active, tuning.cancel, tuning.symmetry)


def _solver(rig: ShapeRig, poses: Poses, arrays: Arrays | None) -> BlendshapeSolver:
    if arrays is None:
        return BlendshapeSolver(rig.neutral, rig.shapes, poses, rig.settings, vertices=rig.vertices)
    return CardSolver(rig.neutral, rig.shapes, poses, rig.settings, vertices=rig.vertices, arrays=arrays)
