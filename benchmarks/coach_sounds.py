"""How well the coach measures and mends recordings: planted faults against found ones, and words recognised.

Speaks the labelled set of the tests with eSpeak NG and prints, for every recording, what was planted and what was found with
the true and the measured values; the errors over the whole set; syllables counted against the vowels that were said; the time
a check takes; and, of the recordings that can be mended, the word errors of PocketSphinx, not adapted, before and after.
Run:  python -m benchmarks.coach_sounds [--no-recognition] [--denoiser NAME] [--brief]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable

import numpy as np
from rapidfuzz.distance import Levenshtein

from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.sound.check import check_audio
from comps.animation.coach.sound.denoise import choose_denoiser
from comps.animation.coach.sound.repair import repair_audio
from comps.asr.settings import AsrSettings
from comps.core.media.audio import decode_audio
from tests.animation.coach.prompts import faulty_prompts, good_prompts
from tests.animation.coach.recognition import recogniser, words_of
from tests.animation.coach.sounds import RATE, Labelled, clean_sounds, faulty_sounds, speech, wav

_SPEED_S = 30
_ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-recognition", action="store_true", help="leave out the word errors, which take minutes")
    parser.add_argument("--denoiser", default="", help="rnnoise or wiener; the best one installed when empty")
    parser.add_argument("--brief", action="store_true", help="only the totals")
    arguments = parser.parse_args()
    clean, faulty = list(clean_sounds()), list(faulty_sounds())
    found(clean, faulty, arguments.brief)
    prompts()
    speed()
    if not arguments.no_recognition:
        recognition(
            [labelled for labelled in faulty if labelled.mendable and labelled.text],
            arguments.denoiser,
            arguments.brief,
        )


def found(clean: list[Labelled], faulty: list[Labelled], brief: bool) -> None:
    errors: dict[str, list[float]] = {}
    missed, alarms, extra = [], [], []
    for labelled in (*clean, *faulty):
        report = check_audio(labelled.data)
        missed += [f"{labelled.name}: {code}" for code in sorted(labelled.planted - report.codes())]
        surplus = [f"{labelled.name}: {code}" for code in sorted(report.codes() - labelled.planted)]
        (extra if labelled.planted else alarms).extend(surplus)
        values = {name: (true, float(report.measured[name])) for name, true in labelled.values.items()}
        for name, (true, measured) in values.items():
            relative = name == "tempo_per_s"
            errors.setdefault(name, []).append(abs(measured / true - 1) * 100 if relative else abs(measured - true))
        if not brief:
            told = ", ".join(f"{name} {true:.2f} -> {measured:.2f}" for name, (true, measured) in values.items())
            print(f"{labelled.name:28} planted {sorted(labelled.planted)} found {sorted(report.codes())}  {told}")
    print(f"\n{len(faulty)} faulty recordings: missed {missed or 'none'}, other findings {extra or 'none'}")
    print(f"{len(clean)} clean recordings: false alarms {alarms or 'none'}\n")
    print(f"{'value (tempo in percent)':28}{'recordings':>12}{'mean error':>12}{'largest':>12}")
    for name, values_off in errors.items():
        print(f"{name:28}{len(values_off):12}{statistics.mean(values_off):12.3f}{max(values_off):12.3f}")


def prompts() -> None:
    good, faulty = good_prompts(), faulty_prompts()
    wrong = [labelled.name for labelled in (*good, *faulty) if check_prompt(labelled.text).codes() != labelled.planted]
    print(f"\n{len(faulty)} faulty and {len(good)} good prompts: judged otherwise than planted {wrong or 'none'}")


def speed() -> None:
    """Processor time of this process, median."""
    audio = np.concatenate([speech(index).audio for index in range(6)])[: _SPEED_S * RATE]
    data, prompt = wav(np.pad(audio, (0, _SPEED_S * RATE - len(audio)))), good_prompts()[0].text
    took = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        check_audio(data)
        check_prompt(prompt)
        took.append(time.process_time() - began)
    print(f"\n{_SPEED_S} s of sound and a prompt checked in {1000 * statistics.median(took):.0f} ms of processor time")


def recognition(recordings: Iterable[Labelled], denoiser: str, brief: bool) -> None:
    chosen = choose_denoiser(denoiser)
    totals: dict[str, list[int]] = {}
    with recogniser(AsrSettings(adapt=False)) as hear:
        for labelled in recordings:
            said = words_of(labelled.text)
            mended = repair_audio(labelled.data, denoiser=chosen)
            before, after = (
                Levenshtein.distance(said, words_of(hear(decode_audio(data, rate=RATE, max_seconds=120))))
                for data in (labelled.data, mended.data)
            )
            kind = labelled.name.split()[0]
            row = totals.setdefault(kind, [0, 0, 0])
            for place, count in enumerate((len(said), before, after)):
                row[place] += count
            if not brief:
                left = sorted(mended.after.codes()) or "nothing"
                print(
                    f"{labelled.name:28}{len(said):4} words, errors {before:3} -> {after:3}; left: {left}", flush=True
                )
    print(f"\n{'word errors, ' + chosen.name:28}{'words':>8}{'before':>8}{'after':>8}")
    for kind, row in [*totals.items(), ("all", [sum(column) for column in zip(*totals.values(), strict=True)])]:
        print(f"{kind:28}" + "".join(f"{count:8}" for count in row))


if __name__ == "__main__":
    main()
