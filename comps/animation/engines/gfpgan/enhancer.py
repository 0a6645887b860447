"""FaceEnhancer: the faces in an engine's frames restored by GFPGAN."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

import numpy as np

from comps.animation.engines.gfpgan import masks
from comps.animation.engines.gfpgan.align import Matrix, cut, inverse
from comps.animation.engines.gfpgan.loading import load_detector, load_restorer
from comps.animation.engines.gfpgan.masks import MaskKind, PlacedMask
from comps.animation.engines.gfpgan.paste import enlarge, paste
from comps.animation.engines.gfpgan.restorer import Labels, Restorer
from comps.animation.engines.gfpgan.settings import GfpganSettings
from comps.animation.engines.gfpgan.tracking import FaceTrack
from comps.animation.enhancer import Enhancement, EnhancementCounts, Enhancer, Frames
from comps.animation.faces.face import FaceDetector, Picture
from comps.animation.neural.batching import SharedBatch
from comps.core.errors import NotReadyError

P = ParamSpec("P")
T = TypeVar("T")

MAX_PENDING = 256
"""Faces of all answers that may wait, 0.8 MB each."""
_WORKERS = 2
_KEPT_MASKS = 4


@dataclass(frozen=True, slots=True)
class Networks:
    """What all clips share: the networks behind batches, and the threads for work on pictures."""

    restore: SharedBatch[Picture, Picture]
    parse: SharedBatch[Picture, Labels]
    detector: FaceDetector
    workers: ThreadPoolExecutor


class FaceEnhancer(Enhancer):
    """Restores faces; those of all answers share one batch, which shrinks to the memory there is.

    Args:
        settings: the animation service's.
    """

    def __init__(self, settings: GfpganSettings) -> None:
        self._settings = settings
        self._networks: Networks | None = None

    async def load(self) -> None:
        """Read the weights and make the networks ready; raises EngineUnavailableError that says what is missing."""
        restorer = await asyncio.to_thread(load_restorer, self._settings)
        self.use(restorer, await asyncio.to_thread(load_detector, self._settings))

    def use(self, restorer: Restorer, detector: FaceDetector) -> None:
        """Restore with `restorer` the faces that `detector` finds; called once, instead of `load`."""
        batch, wait_s = self._settings.gfpgan_batch, self._settings.gfpgan_max_wait_ms / 1000
        self._networks = Networks(
            SharedBatch(restorer.restore, batch, wait_s, max_pending=MAX_PENDING),
            SharedBatch(restorer.parse, batch, wait_s, max_pending=MAX_PENDING),
            detector,
            ThreadPoolExecutor(_WORKERS, thread_name_prefix="gfpgan"),
        )

    async def close(self) -> None:
        """Stop the threads; a batch being restored is finished first."""
        networks, self._networks = self._networks, None
        if networks is not None:
            await networks.restore.close()
            await networks.parse.close()
            networks.workers.shutdown(wait=False, cancel_futures=True)

    def open(self, strength: float, *, still: bool) -> FaceEnhancement:
        """See `Enhancer.open`."""
        if self._networks is None:
            raise NotReadyError("the enhancer gfpgan is not loaded")
        settings = self._settings
        track = FaceTrack(self._networks.detector.detect, still=still, only_centre=settings.gfpgan_only_centre)
        options = EnhancementOptions(strength, settings.gfpgan_upscale, settings.gfpgan_mask)
        return FaceEnhancement(self._networks, track, options)


@dataclass(frozen=True, slots=True)
class EnhancementOptions:
    """`strength` 0..1, `upscale` 1 or 2, and how the seam is hidden."""

    strength: float = 1.0
    upscale: int = 1
    mask: MaskKind = "ellipse"


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A face cut out of frame number `frame`; `back` leads from it to the enlarged frame."""

    frame: int
    face: Picture
    back: Matrix
    labels: Labels | None = None


class FaceEnhancement(Enhancement):
    """One clip. What becomes of a frame does not depend on how frames are grouped into calls."""

    def __init__(self, networks: Networks, track: FaceTrack, options: EnhancementOptions) -> None:
        self._networks = networks
        self._track = track
        self._options = options
        self._masks: dict[bytes, PlacedMask] = {}
        self.upscale = options.upscale
        self.counts = EnhancementCounts()

    async def enhance(self, frames: Frames) -> Frames:
        """See `Enhancement.enhance`.

        Raises:
            EngineUnavailableError: there is not enough memory for one face, or the network gave no picture.
            BusyError: too many faces wait already.
        """
        found: list[_Cut] = []
        if self._options.strength > 0:
            found = await self._in_thread(self._cut, frames)
            seen = {each.frame for each in found}
            self.counts.without_face += len(frames) - len(seen)
        self.counts.frames += len(frames)
        restored = await _all([self._restored(each) for each in found])
        return await self._in_thread(self._put_back, frames, restored)

    async def see(self, frames: Frames) -> None:
        """See `Enhancement.see`: faces are followed, which is what later frames depend on."""
        if self._options.strength > 0:
            found = await self._in_thread(self._track.follow, list(frames))
            self.counts.without_face += sum(not faces for faces in found)
        self.counts.frames += len(frames)

    async def _restored(self, found: _Cut) -> _Cut:
        face = await self._networks.restore.submit(found.face, self)
        labels = await self._networks.parse.submit(face, self) if self._options.mask == "parse" else None
        return replace(found, face=face, labels=labels)

    def _cut(self, frames: Frames) -> list[_Cut]:
        return [
            _Cut(index, cut(frame, matrix), inverse(matrix, self.upscale))
            for index, (frame, matrices) in enumerate(zip(frames, self._track.follow(list(frames)), strict=True))
            for matrix in matrices
        ]

    def _put_back(self, frames: Frames, faces: Sequence[_Cut]) -> Frames:
        pictures = [enlarge(frame, self.upscale) for frame in frames]
        for each in faces:
            picture = pictures[each.frame]
            mask = self._mask(each, (picture.shape[1], picture.shape[0]))
            paste(picture, each.face, mask, each.back, self._options.strength)
        return np.stack(pictures)

    def _mask(self, found: _Cut, size: tuple[int, int]) -> PlacedMask:
        if found.labels is not None:
            return masks.place(masks.parse_mask(found.labels), found.back, size)
        key = found.back.tobytes()
        if key not in self._masks:
            if len(self._masks) >= _KEPT_MASKS:
                del self._masks[next(iter(self._masks))]
            square = self._options.mask == "square"
            self._masks[key] = (
                masks.square_mask(found.back, size, self.upscale)
                if square
                else masks.place(masks.ellipse_mask(), found.back, size)
            )
        return self._masks[key]

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._networks.workers, lambda: work(*args, **kwargs))


async def _all(work: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """All results in order; when one fails, the others are given up."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
