"""What a frame of the portrait engine costs, by step, on one core.

    python -m benchmarks.portrait_speed [--json] [--size 512] [--avatar IMAGE]

Times are processor time of one thread, so other work on the machine hardly disturbs them. The frames
are of real speech; "encode" is H.264 by the MP4 writer that answers use, sound included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.portrait_lipsync import PRESENTERS, SENTENCES, load_portrait, speak
from comps.animation.engines.portrait.render import face as faces
from comps.animation.engines.portrait.render import field, lips, renderer
from comps.animation.motion.face_motion import FaceMotion
from comps.animation.motion.stream import MotionOptions, MotionStream
from comps.core.media.video import Mp4Writer, VideoSpec
from comps.core.speech import SpeechChunk

BATCH = 12
ROUNDS = 5
STEPS: tuple[tuple[str, Any, str], ...] = (
    ("fields", field.Shapes, "mix"),
    ("inversion", renderer.Renderer, "_sources"),
    ("lip cut", renderer.Renderer, "_cut_lips"),
    ("mouth", lips.MouthPainter, "paint"),
    ("lids", renderer.Renderer, "_set_lids"),
)


def watch(owner: Any, name: str, spent: dict[str, float], step: str) -> Callable[[], None]:
    """Add the time of `owner.name` to `spent[step]`; returns what undoes it."""
    work = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.thread_time()
        try:
            return work(*args, **kwargs)
        finally:
            spent[step] += time.thread_time() - start

    setattr(owner, name, timed)
    return lambda: setattr(owner, name, work)


def draw(face: faces.Face, motion: FaceMotion) -> tuple[list[np.ndarray], float]:
    """All frames in batches, and the thread's seconds."""
    drawn, painter = [], renderer.Renderer(face)
    start = time.thread_time()
    for first in range(0, len(motion), BATCH):
        drawn.append(painter.render(motion[first : first + BATCH]))
    return drawn, time.thread_time() - start


def encode(batches: list[np.ndarray], speech: list[SpeechChunk], size: tuple[int, int]) -> float:
    """Seconds of processor time, all threads, to make the MP4."""
    start = time.process_time()
    writer = Mp4Writer(VideoSpec(width=size[0], height=size[1], fps=25, sample_rate=speech[0].sample_rate))
    for chunk in speech:
        writer.add_audio(chunk.pcm)
    for batch in batches:
        writer.add_video(batch)
        writer.take()
    writer.close()
    writer.take()
    return time.process_time() - start


def measure(avatar: str, size: int) -> dict[str, float]:
    """Milliseconds per frame by step, medians of `ROUNDS`; `prepare` in all."""
    cv2.setNumThreads(1)
    speech = asyncio.run(speak(" ".join(SENTENCES)))
    picture, rig = load_portrait(avatar)
    rounds: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        start = time.thread_time()
        face = faces.prepare(picture, rig, size)
        rounds["prepare"].append(time.thread_time() - start)
        stream, start = MotionStream(MotionOptions()), time.thread_time()
        motion = stream.feed(speech[0])
        for chunk in speech[1:]:
            motion = motion.then(stream.feed(chunk))
        motion = motion.then(stream.finish())
        rounds["motion"].append((time.thread_time() - start) / len(motion))
        batches, seconds = draw(face, motion)
        rounds["render"].append(seconds / len(motion))
        rounds["encode"].append(encode(batches, speech, face.planes.luma.shape[::-1]) / len(motion))
        spent: dict[str, float] = defaultdict(float)
        undo = [watch(owner, name, spent, step) for step, owner, name in STEPS]
        draw(face, motion)
        for restore in undo:
            restore()
        for step in spent:
            rounds[step].append(spent[step] / len(motion))
    table = {step: 1000 * statistics.median(values) for step, values in rounds.items()}
    table["warp and rest"] = table["render"] - sum(table[step] for step, _, _ in STEPS)
    table["frames_per_second"] = 1000 / (table["motion"] + table["render"] + table["encode"])
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatar", default=str(PRESENTERS / "ada" / "portrait.png"), type=str, help="a picture")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = measure(arguments.avatar, arguments.size)
    if arguments.json:
        print(json.dumps(table))
        return
    print(f"portrait, {Path(arguments.avatar).parent.name}, {arguments.size} px: processor time")
    for step in ("motion", *(step for step, _, _ in STEPS), "warp and rest", "render", "encode"):
        print(f"  {step:14} {table[step]:7.3f} ms a frame")
    print(f"  {'prepare':14} {table['prepare']:7.1f} ms once a face")
    print(f"  {'in all':14} {table['frames_per_second']:7.0f} frames a second on one core")


if __name__ == "__main__":
    main()
