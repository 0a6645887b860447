"""What an animator is: an avatar and its speech in, video frames out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comps.animation.direction.backdrop import Backdrop
from comps.animation.presets import STANDARD, PresetName
from comps.core.engine import Engine
from comps.core.speech import SpeechChunk


@dataclass(frozen=True, slots=True)
class AnimationCapabilities:
    """`look_ahead_s`: speech needed beyond a frame before it can be drawn.

    `needs_phones`: without phone times the service derives them from the audio first.
    `head_pose`, `emotion`: whether the engine honours those parts of the motion.
    `text`: whether it draws what a prompt says; of the others `comps.animation.direction` tells what they can do about it.
    """

    look_ahead_s: float
    needs_phones: bool
    head_pose: bool
    emotion: bool
    text: bool = False


@dataclass(frozen=True, slots=True)
class Avatar:
    """A registered face: `image` is the picture on our disk, `rig` its points as JSON beside it.

    `video` is a film of the face that footage.py made, whose first frame is `image`; engines may use either.
    """

    id: str
    name: str
    image: Path
    rig: Path
    video: Path | None = None


@dataclass(frozen=True, slots=True)
class AnimationOptions:
    """Per-request choices. `size` is the longer side of the video in pixels (even), `fps` its frames per second.

    `enhancer` names what makes the drawn faces better, ``""`` nothing; `enhancer_strength` 0..1; `video_preset` is
    x264's. Engines need not look at these three: the session applies them. `preset` is a name of presets.py, whose
    size and frame rate are those given here; an engine with more to choose may map it further.
    """

    fps: int = 25
    size: int = 512
    emotion: str = ""
    seed: int = 0
    head_motion: float = 1.0
    blinks: bool = True
    backdrop: Backdrop = field(default_factory=Backdrop)
    prompt: str = ""
    enhancer: str = ""
    enhancer_strength: float = 1.0
    preset: PresetName = STANDARD
    video_preset: str = "superfast"


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Consecutive frames from number `first`; frame k shows the time k / fps of the answer.

    `frames` is uint8: ``rgb24`` `[n, h, w, 3]` or ``yuv420p`` `[n, h * 3 // 2, w]` (planar, BT.601 limited).
    """

    first: int
    frames: NDArray[np.uint8]
    pixel_format: Literal["rgb24", "yuv420p"] = "yuv420p"


class Performance:
    """One answer being animated; made by `AnimationEngine.open`. `width` and `height` are in pixels.

    `still`: the head keeps its place in all frames, so that it need be looked for only once.
    `lost_faces`: frames so far whose face was not found in the avatar's film and is drawn where those before and after
    it have theirs; None where no film is shown.
    `notes`: what was done otherwise than asked, such as saving memory, one sentence each; complete at the end.
    """

    width: int
    height: int
    still: bool = False
    lost_faces: int | None = None
    notes: tuple[str, ...] = ()

    @abstractmethod
    def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """Yield every frame of the speech, ceil(duration * fps) in all, as soon as each can be drawn.

        Closing the iterator stops the work within one batch.
        """

    async def animate_from(self, speech: AsyncIterator[SpeechChunk], first: int) -> AsyncIterator[FrameBatch]:
        """`animate` without the frames before number `first`, the others the same to the last bit.

        The speech still comes from its beginning. Engines that can tell what they would have drawn without drawing it
        do so; by default the earlier frames are drawn and dropped.
        """
        async with aclosing(_closable(self.animate(speech))) as batches:
            async for batch in batches:
                kept = batch.frames[max(0, first - batch.first) :]
                if len(kept):
                    yield FrameBatch(max(first, batch.first), kept, batch.pixel_format)


async def _closable(batches: AsyncIterator[FrameBatch]) -> AsyncGenerator[FrameBatch, None]:
    """The same, as a generator: whoever closes it closes `batches`."""
    try:
        async for batch in batches:
            yield batch
    finally:
        close = getattr(batches, "aclose", None)
        if close is not None:
            await close()


class AnimationEngine(Engine):
    """Draws a speaking face."""

    capabilities: AnimationCapabilities

    @abstractmethod
    async def open(self, avatar: Avatar, options: AnimationOptions) -> Performance:
        """Prepare an answer by `avatar`; raises FaceError when its picture cannot be animated."""
