"""Trains the ear and writes its model.

    python -m scripts.hearing -o comps/core/hearing/sounds.npz [--utterances 3000] [--minutes 30]

Needs torch, and the programs `flite` and `festival` with the voices `festvox-kdlpc16k` and `festvox-ru` (Debian packages, free
to use without restriction). Utterances come from eSpeak NG in all its languages and variants but those of
`speech.HELD_OUT_LANGUAGES` and `HELD_OUT_VARIANTS`, and from voices that were made from recordings: Flite's four, Festival's
ked and nsh. English texts are one sentence a line; without them all words mean nothing. Two runs do not give the same weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scripts.hearing.clips import Clips
from scripts.hearing.festival import FESTIVAL_VOICES, festival
from scripts.hearing.rooms import varied
from scripts.hearing.speech import FLITE_VOICES, Random, Utterance, flite, nonsense, random_utterance
from scripts.hearing.train import Trainer

RECORDED_SHARE = 2.0
"""How much oftener a frame of a recorded voice is drawn."""


def main() -> None:
    """Make the speech, train, write the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--utterances", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sentences", type=Path, default=Path("tests/data/asr/general.txt"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sentences = given.sentences.read_text().split("\n")
    random = np.random.default_rng(given.seed)
    synthetic = Clips.of(
        varied(said, random) for said in espeak_utterances(random, sentences, given.utterances * 2 // 3)
    )
    recorded = Clips.of(varied(said, random) for said in recorded_utterances(random, sentences, given.utterances // 3))
    shares = np.repeat([1.0, RECORDED_SHARE], [len(synthetic.lengths), len(recorded.lengths)])
    trainer = Trainer(synthetic.then(recorded), shares, given.seed)
    trainer.fit(given.minutes)
    np.savez_compressed(given.output, **trainer.arrays())


def espeak_utterances(random: Random, sentences: list[str], count: int) -> Iterator[Utterance]:
    """What eSpeak's voices say."""
    for _ in range(count):
        said = random_utterance(random, sentences, held_out=False)
        if len(said.phones) >= 4:
            yield said


def recorded_utterances(random: Random, sentences: list[str], count: int) -> Iterator[Utterance]:
    """What the recorded voices say, two thirds by Flite's."""
    for _ in range(count * 2 // 3):
        yield flite(_text(random, sentences), str(random.choice(FLITE_VOICES)))
    for voice, russian in FESTIVAL_VOICES.items():
        texts = [nonsense(random, "zle") if russian else _text(random, sentences) for _ in range(count // 6)]
        yield from festival(texts, voice)


def _text(random: Random, sentences: list[str]) -> str:
    return str(random.choice(sentences)) if random.random() < 0.7 else nonsense(random, "gmw/en")


if __name__ == "__main__":
    main()
