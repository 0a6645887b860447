"""How well the portrait engine's lips follow its speech, by an instrument of your own.

    python -m benchmarks.portrait_lipsync [--avatar IMAGE ...] [--out DIR] \
        [--instrument 'python measure.py {video} --alignment {alignment} --json {figures}']

Each avatar says three sentences; DIR gets NAME.mp4 and NAME.json, the phones as `[{phone, start, end}]` in seconds. The
instrument is a command with those three names in braces; the figures (a JSON object) it writes are printed as a table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

import comps.animation.presenters
from comps.animation.engine import AnimationOptions, Avatar
from comps.animation.engines.portrait.engine import PortraitEngine
from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.rig import Rig
from comps.core.media.image import decode_image
from comps.core.media.video import Mp4Writer, VideoSpec
from comps.core.speech import SpeechChunk
from comps.tts.engine import TtsOptions
from comps.tts.engines.espeak import EspeakEngine
from comps.tts.settings import TtsSettings

SENTENCES = (
    "Hello! My name is Ada, and I am a portrait that can speak.",
    "People who move to beautiful places love warm food and blue water.",
    "Thank you for asking me about vision, five minutes before the show.",
)
PRESENTERS = Path(str(comps.animation.presenters.__file__)).parent
FIGURES = (
    "faces", "phone_offset_ms", "phone_correlation", "closure", "rounding", "silence_motion", "open_range",
    "blinks_per_min", "yaw_range", "pitch_range",
)  # fmt: skip
FPS = 25


async def speak(text: str) -> list[SpeechChunk]:
    """The speech of `text` in the default English voice."""
    engine = EspeakEngine(TtsSettings())
    await engine.load()
    try:
        return [chunk async for chunk in engine.speak(text, TtsOptions(language="en"))]
    finally:
        await engine.close()


def load_portrait(image: str) -> tuple[np.ndarray, Rig]:
    """A picture and its rig: the file rig.json or NAME.rig.json beside it, else found in the picture."""
    picture = decode_image(Path(image).read_bytes(), max_pixels=64_000_000)
    for file in _rig_files(Path(image)):
        if file.is_file():
            return picture, Rig.load(file)
    return picture, find_rig(picture)


def _rig_files(image: Path) -> tuple[Path, Path]:
    return image.with_suffix(".rig.json"), image.with_name("rig.json")


async def film(avatar: Avatar, speech: list[SpeechChunk], size: int, target: Path) -> None:
    """Make the video of one avatar and the alignment beside it."""
    engine = PortraitEngine(None)
    await engine.load()

    async def chunks() -> AsyncIterator[SpeechChunk]:
        for chunk in speech:
            yield chunk

    try:
        performance = await engine.open(avatar, AnimationOptions(fps=FPS, size=size))
        rate = speech[0].sample_rate
        writer = Mp4Writer(VideoSpec(width=performance.width, height=performance.height, fps=FPS, sample_rate=rate))
        writer.add_audio(np.concatenate([chunk.pcm for chunk in speech]))
        async for batch in performance.animate(chunks()):
            writer.add_video(batch.frames)
        writer.close()
        target.with_suffix(".mp4").write_bytes(b"".join(segment.data for segment in writer.take()))
    finally:
        await engine.close()
    phones = [{"phone": p.phone, "start": p.start, "end": p.end} for c in speech for p in c.phones if p.phone]
    target.with_suffix(".json").write_text(json.dumps(phones, ensure_ascii=False), encoding="utf-8")


def judge(command: str, target: Path) -> dict[str, float]:
    """Run the instrument on one video and read its figures."""
    figures = target.with_suffix(".figures.json")
    names = {"video": target.with_suffix(".mp4"), "alignment": target.with_suffix(".json"), "figures": figures}
    words = [word.format(**names) for word in shlex.split(command)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    read: dict[str, float] = json.loads(figures.read_text(encoding="utf-8"))
    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shipped = sorted(str(path) for path in PRESENTERS.glob("*/portrait.png"))
    parser.add_argument("--avatar", nargs="+", default=shipped, help="pictures; the shipped presenters by default")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--out", type=Path, default=Path("out/lipsync"))
    parser.add_argument("--instrument", help="command with {video}, {alignment} and {figures}")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    speech = asyncio.run(speak(" ".join(SENTENCES)))
    table: dict[str, dict[str, float]] = {}
    for image in map(Path, arguments.avatar):
        name = image.parent.name if image.name == "portrait.png" else image.stem
        rig = next((file for file in _rig_files(image) if file.is_file()), image.with_suffix(".no-rig"))
        asyncio.run(film(Avatar(name, name, image, rig), speech, arguments.size, arguments.out / name))
        table[name] = judge(arguments.instrument, arguments.out / name) if arguments.instrument else {}
    if arguments.json:
        print(json.dumps(table, indent=1))
        return
    print("| avatar | " + " | ".join(FIGURES) + " |")
    print("|" + " --- |" * (len(FIGURES) + 1))
    for name, figures in table.items():
        print(f"| {name} | " + " | ".join(f"{figures[key]:.2f}" if key in figures else "" for key in FIGURES) + " |")


if __name__ == "__main__":
    main()
