"""Speech whose phones are known: eSpeak NG in all its languages and variants, and Flite's recorded voices."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.front_end import SAMPLE_RATE
from comps.core.language.espeak import variants, voices
from comps.core.language.espeak_library import RawSettings
from comps.core.language.espeak_speech import spoken
from comps.core.language.phones import arpabet_to_ipa
from comps.core.speech import Phone

Audio = NDArray[np.float32]
Random = np.random.Generator

FLITE_VOICES = ("kal16", "awb", "rms", "slt")
HELD_OUT_VARIANTS = ("f4", "m7", "edward", "Andrea", "klatt4", "belinda", "paul", "Mario")
HELD_OUT_LANGUAGES = ("gmw/de", "jpx/ja", "bnt/sw", "zlw/pl", "roa/fr", "sit/cmn", "inc/hi", "sem/ar")
_UNLIKE_PEOPLE = (
    "whisper", "whisperf", "Demonic", "robosoft", "anikaRobot", "UniRobot", "Tweaky", "fast", "Storm", "croak", "AnxiousAndy",
)  # fmt: skip
_LETTERS = {
    "zle": "абвгдежзийклмнопрстуфхцчшщыэюя", "grk": "αβγδεζηθικλμνξοπρστυφχψω",
    "inc": "कखगघचजटठडतथदधनपफबभमयरलवशसहािीुूेैोौ", "jpx": "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろばびぶべぼぱぴ",
    "ko": "가나다라마바사아자차카타파하고노도로모보소오조구누두루무부수우주기니디리미비시이지",
    "sem": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "sit": "我们今天去买东西他说明白天气很好不要怕朋友家里有大红花马上来吃饭吧",
}  # fmt: skip
_ONSETS = [
    "b",
    "p",
    "m",
    "f",
    "v",
    "w",
    "t",
    "d",
    "n",
    "l",
    "r",
    "s",
    "z",
    "k",
    "g",
    "h",
    "j",
    "b",
    "p",
    "m",
    "f",
    "v",
    "sh",
    "ch",
    "th",
    "st",
    "pr",
    "br",
    "tr",
    "pl",
    "bl",
    "fl",
    "kr",
    "gr",
    "sp",
    "sm",
    "mb",
    "mp",
]
_NUCLEI = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ei", "ou", "au", "oo", "ee", "ea", "ie", "oi", "y"]
_CODAS = [
    "",
    "",
    "",
    "",
    *[
        "n",
        "m",
        "l",
        "r",
        "s",
        "t",
        "k",
        "p",
        "b",
        "f",
        "d",
        "g",
        "ng",
        "nd",
        "mp",
        "lt",
        "st",
        "rm",
        "lf",
        "v",
        "z",
        "sh",
    ],
]


@dataclass(frozen=True, slots=True)
class Utterance:
    """Audio float32 mono at `SAMPLE_RATE` and its phones, in order."""

    audio: Audio
    phones: tuple[Phone, ...]


def espeak(text: str, settings: RawSettings) -> Utterance:
    """What eSpeak NG says and when."""
    return Utterance(*spoken(text, settings, SAMPLE_RATE))


def flite(text: str, voice: str) -> Utterance:
    """What one of Flite's voices (made from recordings of people) says and when; needs the program `flite`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(path)]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        pairs = [entry.rsplit(":", 1) for entry in listed]
        return Utterance(
            read_audio(path),
            phones_of(("ə" if name == "ax" else arpabet_to_ipa(name.upper()), float(end)) for name, end in pairs),
        )


def phones_of(ends: Iterable[tuple[str, float]]) -> tuple[Phone, ...]:
    """Phones from symbols and the seconds at which they end."""
    phones: list[Phone] = []
    for symbol, end in ends:
        phones.append(Phone(symbol, phones[-1].end if phones else 0.0, end))
    return tuple(phones)


def read_audio(path: Path) -> Audio:
    """A file's first channel, float32 at `SAMPLE_RATE`."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        frames = [f for frame in [*container.decode(audio=0), None] for f in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def random_utterance(random: Random, sentences: list[str], *, held_out: bool) -> Utterance:
    """A sentence, or words that mean nothing, by a random voice of eSpeak's."""
    voice = _voice(random, held_out=held_out)
    english = "gmw/en" in voice
    text = str(random.choice(sentences)) if english and random.random() < 0.8 else nonsense(random, voice)
    settings = RawSettings(
        voice,
        rate=int(random.integers(110, 240)),
        pitch=int(random.integers(15, 85)),
        pitch_range=int(random.integers(10, 90)),
        volume=60,
    )
    return espeak(text, settings)


def _voice(random: Random, *, held_out: bool) -> str:
    usable = [v for v in variants() if not v.startswith(_UNLIKE_PEOPLE)]
    spoken = [v.identifier for v in voices()]
    mine = [v for v in usable if (v in HELD_OUT_VARIANTS) == held_out]
    languages = [v for v in spoken if (v in HELD_OUT_LANGUAGES) == held_out]
    english = ["gmw/en-US", "gmw/en", "gmw/en-GB-x-rp", "gmw/en-GB-scotland", "gmw/en-029"]
    language = str(random.choice(english if random.random() < 0.3 else languages))
    return f"{language}+{random.choice(mine)}" if random.random() < 0.93 or held_out else language


def nonsense(random: Random, voice: str) -> str:
    """Words of random syllables in a script that the voice reads."""
    letters = _LETTERS.get(voice.split("/")[0].split("+")[0])
    words = int(random.integers(3, 9))
    if letters and random.random() < 0.7:
        return " ".join("".join(random.choice(list(letters), int(random.integers(2, 6)))) for _ in range(words)) + "."
    return " ".join(_word(random) + ("," if random.random() < 0.1 else "") for _ in range(words)) + "."


def _word(random: Random) -> str:
    return "".join(
        str(random.choice(_ONSETS)) + str(random.choice(_NUCLEI)) + str(random.choice(_CODAS))
        for _ in range(int(random.integers(1, 4)))
    )
