"""Videos decoded, sounds compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from comps.core.media.video import Mp4Writer, VideoSpec

Floats = NDArray[np.float32]
FPS = 25


@dataclass(frozen=True)
class Clip:
    """A decoded video: `frames` uint8 `[n, h, w]` luma, `times` seconds of each, `sound` mono `[-1, 1]` at `rate`."""

    frames: NDArray[np.uint8]
    times: Floats
    sound: Floats
    rate: int

    @property
    def sound_s(self) -> float:
        return len(self.sound) / self.rate


def read_clip(path: Path) -> Clip:
    """Decode every frame of picture and sound, on the file's clock."""
    frames, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            frames.append(frame.to_ndarray(format="gray"))
            times.append(frame.time)
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        sound = np.concatenate([frame.to_ndarray().mean(0) for frame in container.decode(audio=0)])
    return Clip(np.array(frames), np.array(times, np.float32), sound.astype(np.float32), rate)


def write_clip(path: Path, clip: Clip) -> None:
    """Encode it as the product does, in grey."""
    _, height, width = clip.frames.shape
    writer = Mp4Writer(VideoSpec(width, height, FPS, clip.rate))
    writer.add_audio((np.clip(clip.sound, -1, 1) * 32767).astype(np.int16))
    grey = np.full((len(clip.frames), height // 2, width), 128, np.uint8)
    writer.add_video(np.concatenate([clip.frames, grey], axis=1))
    writer.close()
    path.write_bytes(b"".join(segment.data for segment in writer.take()))


def envelope(sound: Floats, rate: int, step_s: float = 1 / FPS) -> Floats:
    """Root mean square of each `step_s` seconds, the last partial one included."""
    step = round(rate * step_s)
    padded = np.pad(sound.astype(np.float64), (0, -len(sound) % step))
    level: Floats = np.sqrt((padded.reshape(-1, step) ** 2).mean(1)).astype(np.float32)
    return level


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's correlation of two signals, cut to the shorter."""
    count = min(len(one), len(other))
    return float(np.corrcoef(one[:count], other[:count])[0, 1])
