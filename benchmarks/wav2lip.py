"""What a frame of the Wav2Lip engine costs, by step, and how many come out of the whole a second.

    python -m benchmarks.wav2lip [--backend auto] [--threads 2] [--size 512] [--seconds 10] [--json]

A still 512x512 picture and ten seconds of speech, the answer's MP4 included. Of each step the processor time of all
its threads is shown, which other work on the machine hardly disturbs; "whole" runs them as the service does, one
beside the other, by the clock on the wall. The "original" column is what the script of its authors does for the same video with the same network: it looks for the
face with S3FD in every frame, draws in batches of 128 and writes a frame at a time (S3FD and its eager network are
timed on a few frames). Weights are synthetic, speed does not depend on them. Needs the extra neural, and openvino
for its backends; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, get_args

import anyio
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from comps.animation.avatars import PRESENTERS
from comps.animation.engine import AnimationOptions, Avatar
from comps.animation.engines.wav2lip.compositor import Compositor
from comps.animation.engines.wav2lip.drawer import Spoken
from comps.animation.engines.wav2lip.engine import Wav2LipEngine
from comps.animation.engines.wav2lip.loading import load_drawer
from comps.animation.engines.wav2lip.mel import mel_spectrogram
from comps.animation.engines.wav2lip.network import Wav2Lip
from comps.animation.engines.wav2lip.paste import Paster
from comps.animation.engines.wav2lip.picture import Face
from comps.animation.engines.wav2lip.scene import Scene, SceneOptions, make_scene
from comps.animation.engines.wav2lip.windows import Windows, WindowStream
from comps.animation.faces.haar import HaarDetector
from comps.animation.faces.s3fd import S3fdDetector
from comps.animation.faces.s3fd_network import S3fdNetwork
from comps.animation.neural.backend_name import BackendName
from comps.animation.session import AnimationSession, Workers
from comps.animation.settings import AnimationSettings
from comps.core.media.audio import decode_audio
from comps.core.media.video import Mp4Writer, VideoSpec
from comps.core.speech import SpeechChunk
from tests.neural.synthetic_weights import synthetic_state_dict

RATE, FPS = 24_000, 25
QUESTION = Path(__file__).parents[1] / "examples" / "question.wav"
ROUNDS = 3
ORIGINAL_BATCH = 128
FOLDER = PRESENTERS / "ada"
ADA = Avatar("ada", "Ada", FOLDER / "portrait.png", FOLDER / "rig.json")


def speech(seconds: float) -> np.ndarray:
    """Someone asking the shipped question again and again, int16 `[n]` at `RATE`."""
    audio = decode_audio(QUESTION.read_bytes(), rate=RATE, max_seconds=60)
    return np.resize((audio * 32767).astype(np.int16), round(seconds * RATE))


def save_weights(path: Path) -> None:
    """The checkpoint of a network with synthetic weights."""
    shapes = {key: tuple(value.shape) for key, value in Wav2Lip().state_dict().items()}
    torch.save(synthetic_state_dict(shapes), path)


def timed(work: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, Any]:
    """Processor seconds of the cheapest of several runs, as others on the machine only add, and what the last gave."""
    took, result = [], None
    for _ in range(rounds):
        start = time.process_time()
        result = work()
        took.append(time.process_time() - start)
    return min(took), result


def windows_of(pcm: np.ndarray) -> Windows:
    stream = WindowStream(RATE, FPS)
    first = stream.feed(pcm)
    return first.then(stream.finish())


def steps(settings: AnimationSettings, size: int, pcm: np.ndarray) -> dict[str, float]:
    """Seconds of each step for the whole video."""
    spent: dict[str, float] = {}
    spent["detect"], scene = timed(lambda: make_scene(ADA, SceneOptions(size), HaarDetector()))
    spent["mel"], windows = timed(lambda: windows_of(pcm))
    drawer = load_drawer(settings)
    compositor = Compositor(scene, Paster())
    face = Face(compositor.face(0))
    items = [Spoken(mel, face) for mel in windows.mel]
    batch = settings.wav2lip_batch
    drawer.draw(items[:batch])
    spent["network"], drawn = timed(
        lambda: [picture for at in range(0, len(items), batch) for picture in drawer.draw(items[at : at + batch])]
    )
    count = len(items)
    spent["paste"], frames = timed(
        lambda: compositor.compose([0] * count, drawn, [face.picture] * count, [1.0] * count)
    )
    spent["encode"], _ = timed(lambda: encode(frames, scene, pcm, settings.video_preset))
    return spent


def encode(frames: np.ndarray, scene: Scene, pcm: np.ndarray, preset: str) -> int:
    """Bytes of the MP4."""
    writer = Mp4Writer(VideoSpec(scene.width, scene.height, FPS, RATE, preset=preset))
    length = 0
    for at in range(0, len(frames), 12):
        writer.add_audio(pcm[at * RATE // FPS : (at + 12) * RATE // FPS])
        writer.add_video(frames[at : at + 12])
        length += sum(len(segment.data) for segment in writer.take())
    writer.close()
    return length + sum(len(segment.data) for segment in writer.take())


def original(size: int, pcm: np.ndarray, frames: int) -> dict[str, float]:
    """Seconds the same steps take the way the original does them."""
    spent: dict[str, float] = {}
    scene = make_scene(ADA, SceneOptions(size), HaarDetector())
    assert scene.picture is not None
    with torch.device("meta"):
        detector_network = S3fdNetwork()
    shapes = {key: tuple(value.shape) for key, value in detector_network.state_dict().items()}
    detector_network.to_empty(device="cpu").load_state_dict(synthetic_state_dict(shapes))
    detector = S3fdDetector(detector_network.eval(), batch=1)
    per_picture, _ = timed(lambda: detector.detect([scene.picture]), 2)
    spent["detect"] = per_picture * frames
    spent["mel"], _ = timed(lambda: mel_spectrogram(pcm[::3].astype(np.float32) / 32768), 2)
    network = Wav2Lip().eval()
    mel, faces = torch.zeros(ORIGINAL_BATCH, 1, 80, 16), torch.zeros(ORIGINAL_BATCH, 6, 96, 96)
    with torch.inference_mode():
        per_batch, _ = timed(lambda: network(mel, faces), 2)
    spent["network"] = per_batch / ORIGINAL_BATCH * frames
    compositor = Compositor(scene, Paster("hard"))
    face = compositor.face(0)
    spent["paste"], pasted = timed(
        lambda: compositor.compose([0] * frames, [face] * frames, [face] * frames, [1.0] * frames)
    )
    spent["encode"], _ = timed(lambda: encode(pasted, scene, pcm, "medium"), 1)
    return spent


async def whole(settings: AnimationSettings, size: int, pcm: np.ndarray) -> tuple[float, float, float]:
    """Seconds from speech to the last byte of the MP4 as the service makes it, processor seconds, and seconds to the
    first fragment."""
    engine = Wav2LipEngine(settings)
    await engine.load()
    workers = Workers(encode=anyio.CapacityLimiter(2), prepare=anyio.CapacityLimiter(2))
    options = AnimationOptions(fps=FPS, size=size)

    async def chunks() -> AsyncIterator[SpeechChunk]:
        for at in range(0, len(pcm), RATE):
            yield SpeechChunk(pcm[at : at + RATE], RATE, at)

    took, spent, first = [], [], []
    for _ in range(ROUNDS + 1):
        start, begun = time.perf_counter(), time.process_time()
        session = await AnimationSession.open(engine, ADA, options, RATE, workers)
        fragments = []
        async for segment in session.segments(chunks(), session.writer()):
            if segment.kind == "fragment":
                fragments.append(time.perf_counter() - start)
        took.append(time.perf_counter() - start)
        spent.append(time.process_time() - begun)
        first.append(fragments[0])
    await engine.close()
    return min(took[1:]), min(spent[1:]), statistics.median(first[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", default="auto", choices=get_args(BackendName))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--alone", action="store_true", help="without the original's way, so that memory is the engine's"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)
    pcm = speech(arguments.seconds)
    frames = -(-len(pcm) * FPS // RATE)
    baseline = {} if arguments.alone else original(arguments.size, pcm, frames)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(Path(folder) / "wav2lip.pth")
        settings = AnimationSettings(
            models_dir=Path(folder),
            wav2lip_backend=arguments.backend,
            wav2lip_device="cpu",
            wav2lip_batch=arguments.batch,
        )
        spent = steps(settings, arguments.size, pcm)
        took, processor, first = asyncio.run(whole(settings, arguments.size, pcm))
    report = {
        "frames": frames,
        "ms_per_frame": {name: seconds / frames * 1e3 for name, seconds in spent.items()},
        "original_ms_per_frame": {name: seconds / frames * 1e3 for name, seconds in baseline.items()},
        "frames_per_s": frames / took,
        "whole_ms_per_frame": processor / frames * 1e3,
        "original_whole_ms_per_frame": sum(baseline.values()) / frames * 1e3 if baseline else float("nan"),
        "first_fragment_s": first,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if arguments.json:
        print(json.dumps(report))
        return
    table = Table("step", "processor ms per frame", "original", title=f"{frames} frames, {arguments.size} pixels")
    for name in spent:
        table.add_row(
            name,
            f"{report['ms_per_frame'][name]:.2f}",
            f"{report['original_ms_per_frame'].get(name, float('nan')):.2f}",
        )
    table.add_row("whole", f"{report['whole_ms_per_frame']:.2f}", f"{report['original_whole_ms_per_frame']:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{report['frames_per_s']:.1f} frames/s by the clock, load of the machine {os.getloadavg()[0]:.1f}")
    console.print(f"first fragment after {first * 1e3:.0f} ms; peak memory {report['peak_mb']:.0f} MB")


if __name__ == "__main__":
    main()
