"""How long the coach takes for a picture, 30 s of sound and a prompt: warm, and again from memory.

    python -m benchmarks.coach_speed [--image FILE] [--landmarker face_landmarker.task] [--rounds N]

Processor time of this process with one thread of OpenCV, so that what else runs on the machine hardly counts; the wall clock
is printed beside it. Each round has a picture and a sound of other bytes, so that nothing is answered from memory; `repeated`
asks the same again.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from comps.animation.avatars import PRESENTERS
from comps.animation.coach.coach import Coach, Inputs
from comps.animation.engines.portrait.rig.finder import LazyMeshes
from tests.animation.coach.prompts import good_prompts
from tests.animation.coach.sounds import RATE, speech, wav

SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, default=PRESENTERS / "noor" / "portrait.png")
    parser.add_argument("--landmarker", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    coach = Coach(find_meshes=LazyMeshes(arguments.landmarker) if arguments.landmarker else None)
    rounds = [material(arguments.image.read_bytes(), number) for number in range(arguments.rounds + 1)]
    print(f"{'':24}{'processor':>12}{'wall clock':>12}")
    show("first, cold", [timed(coach.check, rounds[0])])
    show("warm, median", [timed(coach.check, inputs) for inputs in rounds[1:]])
    show("repeated, median", [timed(coach.check, inputs) for inputs in rounds])
    show("picture alone", [timed(Coach().check, Inputs(image=inputs.image)) for inputs in rounds[:3]])
    show("sound alone", [timed(Coach().check, Inputs(audio=inputs.audio)) for inputs in rounds])


def material(picture: bytes, number: int) -> Inputs:
    """The picture, whose decoders ignore what follows its end, `SECONDS` of speech, and a prompt of 100 to 200 words."""
    audio = np.concatenate([speech(index).audio for index in range(6)])
    audio = np.roll(np.resize(audio, SECONDS * RATE), 160 * number)
    return Inputs(picture + number.to_bytes(2, "big"), wav(audio), f"{good_prompts()[0].text} Take {number}.")


def timed(check: Callable[[Inputs], object], inputs: Inputs) -> tuple[float, float]:
    """Milliseconds of the processor and of the clock."""
    processor, clock = time.process_time(), time.perf_counter()
    check(inputs)
    return 1e3 * (time.process_time() - processor), 1e3 * (time.perf_counter() - clock)


def show(name: str, took: list[tuple[float, float]]) -> None:
    processor, clock = (statistics.median(column) for column in zip(*took, strict=True))
    print(f"{name:24}{processor:9.1f} ms{clock:9.1f} ms", flush=True)


if __name__ == "__main__":
    main()
