"""How well and how cheaply the embedded Audio2Face hears: its ear beside PocketSphinx's phone decoder, and its cost.

Speech is eSpeak's, whose phones are known, by voices and in languages that the ear was not trained on. Columns: share of 10 ms
frames with the right mouth shape (as in ``benchmarks/tts_alignment.py``), over speech alone; lip closures found within 40 ms;
closures told that are none, of those told. Costs are processor time for a second of audio in pieces of 1/30 s.

Run: OPENBLAS_NUM_THREADS=1 python -m benchmarks.audio2face_embedded [--json] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.tts_alignment import closures, near, shapes, speak
from benchmarks.tts_voices import SENTENCES
from comps.animation.audio2face.inference.embedded import EmbeddedEmotions, EmbeddedFace
from comps.animation.audio2face.inference.model import FaceTuning, frame_count
from comps.animation.audio2face.names import ACTIVE_POSES, CANCEL_POSES, FACE_EMOTIONS, SYMMETRY_POSES
from comps.animation.audio2face.parameters import defaults
from comps.core.hearing.front_end import SAMPLE_RATE
from comps.core.hearing.recognise import hear_phones
from comps.core.language.phone_recognition import recognise_phones
from comps.core.speech import Phone

Audio = NDArray[np.float32]
Spoken = tuple[Audio, Sequence[Phone]]

FINDERS: dict[str, Callable[[Audio], Sequence[Phone]]] = {"PocketSphinx": recognise_phones, "ear": hear_phones}
FOREIGN = {
    "gmw/de+f4": "Guten Morgen, wie geht es Ihnen heute? Meine Mutter kaufte Äpfel und eine Flasche Milch.",
    "roa/fr+m7": "Bonjour, comment allez vous? Ma mère a acheté un panier de pommes et du beurre.",
    "zlw/pl+Andrea": "Dzień dobry, mam na imię Paweł. Mama kupiła jabłka i butelkę mleka.",
    "jpx/ja+belinda": "おはようございます。わたしはパンをたべます。あめがふっていますから、バスでいきましょう。",
    "inc/hi+paul": "नमस्ते, मेरा नाम पवन है। माँ ने सेब और दूध खरीदा।",
    "sem/ar+f4": "صباح الخير، اسمي محمد وأنا من بيروت.",
    "bnt/sw+m7": "Habari za asubuhi, jina langu ni Baraka. Mama alinunua matunda na maziwa sokoni.",
    "sit/cmn+Andrea": "你好,我的名字是李明。妈妈买了苹果和一瓶牛奶。",
}
ENGLISH = ("gmw/en-US+edward", "gmw/en+f4", "gmw/en-US+m7")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    quality = {
        name: {finder: score(spoken, find) for finder, find in FINDERS.items()} for name, spoken in sets().items()
    }
    cost = costs(sets()["English"][:4], given.rounds)
    if given.json:
        print(json.dumps({"quality": quality, "seconds_per_second": cost}))
    else:
        show(quality, cost)


def sets() -> dict[str, list[Spoken]]:
    """Speech by kind."""
    english = [speak(text, voice) for voice in ENGLISH for text in SENTENCES]
    random = np.random.default_rng(0)

    def noisy(audio: Audio) -> Audio:
        loud = float(np.sqrt((audio**2).mean()))
        return (audio + random.normal(0, loud * 10 ** (-15 / 20), len(audio))).astype(np.float32)

    return {
        "English": english,
        "8 languages": [speak(text, voice) for voice, text in FOREIGN.items()],
        "English, white noise 15 dB under the speech": [(noisy(audio), phones) for audio, phones in english[:10]],
        "English, 25 dB quieter": [(audio * np.float32(0.056), phones) for audio, phones in english[:10]],
    }


def score(spoken: Sequence[Spoken], find: Callable[[Audio], Sequence[Phone]]) -> dict[str, float]:
    """Shares, as in the module's text."""
    right = frames = said = right_said = hits = wanted = told = false = 0
    for audio, truth in spoken:
        found = find(audio)
        pairs = list(zip(shapes(truth, audio), shapes(found, audio), strict=True))
        right, frames = right + sum(a == b for a, b in pairs), frames + len(pairs)
        speech = [(a, b) for a, b in pairs if a != "silence"]
        right_said, said = right_said + sum(a == b for a, b in speech), said + len(speech)
        real, heard = closures(truth), closures(found)
        hits, wanted = hits + sum(any(near(a, b) for b in heard) for a in real), wanted + len(real)
        false, told = false + sum(not any(near(a, b) for a in real) for b in heard), told + len(heard)
    return {
        "shapes": right / frames,
        "shapes in speech": right_said / said,
        "closures found": hits / wanted,
        "false closures": false / max(told, 1),
    }


def costs(spoken: Sequence[Spoken], rounds: int) -> dict[str, float]:
    """Processor seconds per second of audio; the least of some rounds, taken in turns."""
    audio = np.concatenate([audio for audio, _ in spoken])
    seconds = len(audio) / SAMPLE_RATE
    face, detector = EmbeddedFace(), EmbeddedEmotions()
    parts: dict[str, Callable[[], object]] = {
        "PocketSphinx, phones alone": lambda: recognise_phones(audio),
        "ear, phones alone": lambda: hear_phones(audio),
        "face": lambda: move(face, audio),
        "emotions": lambda: feel(detector, audio),
    }
    best = dict.fromkeys(parts, float("inf"))
    for _ in range(rounds):
        for name, part in parts.items():
            began = time.process_time()
            part()
            best[name] = min(best[name], (time.process_time() - began) / seconds)
    return best | {"face and emotions": best["face"] + best["emotions"]}


def pieces(audio: Audio) -> list[Audio]:
    return np.split(audio, range(533, len(audio), 533))


def move(model: EmbeddedFace, audio: Audio) -> None:
    tuning = FaceTuning(30, defaults(character="claire"), ACTIVE_POSES, CANCEL_POSES, SYMMETRY_POSES)
    stream, samples = model.open(tuning), 0
    for piece in pieces(audio):
        before, samples = samples, samples + len(piece)
        stream.push(piece, np.zeros((frame_count(samples, 30) - frame_count(before, 30), len(FACE_EMOTIONS))))
    stream.finish(np.zeros((0, len(FACE_EMOTIONS))))


def feel(detector: EmbeddedEmotions, audio: Audio) -> None:
    stream = detector.open(30, 10)
    for piece in pieces(audio):
        stream.push(piece)
    stream.finish()


def show(quality: dict[str, dict[str, dict[str, float]]], cost: dict[str, float]) -> None:
    console = Console()
    table = Table("speech", "finder", *next(iter(next(iter(quality.values())).values())))
    for name, finders in quality.items():
        for finder, figures in finders.items():
            table.add_row(name, finder, *(f"{100 * share:.0f} %" for share in figures.values()))
    console.print(table)
    table = Table("what", "processor seconds per second of audio")
    for name, seconds in cost.items():
        table.add_row(name, f"{seconds:.4f}")
    console.print(table)


if __name__ == "__main__":
    main()
