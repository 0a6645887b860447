"""Speech by Festival's recorded voices, with its phones."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from comps.core.language.phones import arpabet_to_ipa
from comps.core.speech import Phone
from scripts.hearing.speech import Utterance, phones_of, read_audio

FESTIVAL_VOICES = {"voice_ked_diphone": False, "voice_msu_ru_nsh_clunits": True}
"""Voices, and whether they speak Russian."""
_RUSSIAN = {
    "ch": "tʃ", "sch": "ʃ", "sh": "ʃ", "zh": "ʒ", "h": "x", "y": "ɨ", "c": "ts", "ae": "ə", "ay": "a", "g": "ɡ", "pau": "",
}  # fmt: skip


def festival(texts: Sequence[str], voice: str) -> Iterator[Utterance]:
    """What a voice says; texts that it cannot say are left out. Needs the program `festival`."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "say.scm"
        script.write_text("\n".join(_commands(text, voice, f"{folder}/{number}") for number, text in enumerate(texts)))
        subprocess.run(["festival", "-b", str(script)], check=False, capture_output=True)
        for number in range(len(texts)):
            audio, labels = Path(folder) / f"{number}.wav", Path(folder) / f"{number}.lab"
            if audio.exists() and labels.exists():
                yield Utterance(read_audio(audio), _phones(labels, russian=FESTIVAL_VOICES[voice]))


def _commands(text: str, voice: str, path: str) -> str:
    spoken = text.replace('"', "").replace("\\", "")
    return (
        f"({voice}) (set! said (utt.synth (eval (list 'Utterance 'Text \"{spoken}\"))))"
        f' (utt.save.wave said "{path}.wav" \'riff) (utt.save.segs said "{path}.lab")'
    )


def _phones(labels: Path, *, russian: bool) -> tuple[Phone, ...]:
    rows = [row.split() for row in labels.read_text().splitlines() if len(row.split()) == 3]
    return phones_of((_russian(name) if russian else _english(name), float(end)) for end, _, name in rows)


def _english(name: str) -> str:
    return "ə" if name == "ax" else arpabet_to_ipa(name.upper())


def _russian(name: str) -> str:
    """A doubled letter is a soft consonant or a stressed vowel."""
    single = name[0] if len(name) == 2 and name[0] == name[1] else name
    return _RUSSIAN.get(name, _RUSSIAN.get(single, single))
