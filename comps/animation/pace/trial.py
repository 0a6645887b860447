"""A trial: two seconds of speech that the package makes itself, animated while the clock runs."""

from __future__ import annotations

import time
from contextlib import aclosing

import anyio
import numpy as np
from numpy.typing import NDArray

from comps.animation.session import AnimationSession
from comps.animation.speech_input import spoken
from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawSettings

SPEECH_S = 2.0
_TEXT = "A short sentence is enough to tell how long others will take."
_VOICE = "gmw/en-US"


def trial_speech() -> tuple[NDArray[np.float32], int]:
    """`SPEECH_S` seconds of speech, mono float32 `[n]`, and their rate in Hz. Blocks for milliseconds."""
    pieces: list[NDArray[np.int16]] = []

    def keep(pcm: NDArray[np.int16], _: object) -> bool:
        pieces.append(pcm.copy())
        return True

    synthesise(_TEXT, RawSettings(_VOICE), keep)
    rate = sample_rate()
    return np.concatenate(pieces)[: round(SPEECH_S * rate)].astype(np.float32) / 32768.0, rate


async def tried(session: AnimationSession, speech: NDArray[np.float32], rate: int, deadline_s: float) -> float | None:
    """Seconds of work for a second of speech; told from the frames that were drawn where `deadline_s` was too short.

    None when no frame was drawn by then. The session is used up.
    """
    writer = await anyio.to_thread.run_sync(session.writer)
    begun = time.monotonic()
    with anyio.move_on_after(deadline_s) as limit:
        async with aclosing(session.segments(spoken(speech, rate), writer)) as segments:
            async for _ in segments:
                pass
    worked_s, frames = time.monotonic() - begun, session.progress.frames
    if not limit.cancelled_caught:
        return worked_s / (len(speech) / rate)
    return worked_s / frames * session.fps if frames else None
