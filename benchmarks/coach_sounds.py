"""How well the coach measures and mends recordings: planted faults against found ones, and words recognised.

Speaks the labelled set of the tests with eSpeak NG and prints, for every recording, what was planted and what was found with
the true and the measured values; the errors over the whole set; syllables counted against the vowels that were said; the time
a check takes; and, of the recordings that can be mended and of more with pauses and stutters, the word errors of PocketSphinx,
not adapted, before and after. What it hears in a recording changes when nothing but a tenth of a second of its own background is
put in front: every recording is heard with 0, 0.05 and 0.1 s of it, and the errors are means, with the spread of the three.
Run:  python -m benchmarks.coach_sounds [--no-recognition] [--denoiser NAME] [--brief]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.sound.check import check_audio
from comps.animation.coach.sound.denoise import choose_denoiser
from comps.animation.coach.sound.repair import repair_audio
from comps.asr.settings import AsrSettings
from tests.animation.coach.prompts import faulty_prompts, good_prompts
from tests.animation.coach.recognition import LEADS_S, errors_by_lead, recogniser, words_of
from tests.animation.coach.sounds import RATE, Labelled, clean_sounds, faulty_sounds, paused_sounds, speech, wav

_SPEED_S = 30
_ROUNDS = 7
_WORSE = 2.0


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
            [*(labelled for labelled in faulty if labelled.mendable and labelled.text), *paused_sounds()],
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
    rows: dict[str, list[_Heard]] = {}
    with recogniser(AsrSettings(adapt=False)) as hear:
        for labelled in recordings:
            mended = repair_audio(labelled.data, denoiser=chosen)
            heard = _Heard(
                labelled, *(errors_by_lead(hear, labelled.text, data) for data in (labelled.data, mended.data))
            )
            kind = labelled.name.split()[0]
            rows.setdefault(f"{kind}, six voices" if "gmw/" in labelled.name else kind, []).append(heard)
            if not brief:
                print(f"{heard.told()}; left: {sorted(mended.after.codes()) or 'nothing'}", flush=True)
    print(f"\n{'word errors, ' + chosen.name:28}{'words':>8}{'before':>8}{'after':>8}")
    planted = [heard for kind, listed in rows.items() if "six voices" not in kind for heard in listed]
    for kind, listed in [*rows.items(), ("all but six voices", planted)]:
        before, after = (sum(statistics.mean(errors) for errors in side) for side in _sides(listed))
        print(f"{kind:28}{sum(heard.words for heard in listed):8}{before:8.0f}{after:8.0f}")
    every = [heard for listed in rows.values() for heard in listed]
    _chance(
        every,
        [
            " -> ".join(str(sum(errors[lead] for errors in side)) for side in _sides(planted))
            for lead in range(len(LEADS_S))
        ],
    )


def _chance(every: list[_Heard], totals: list[str]) -> None:
    spread = [max(errors) - min(errors) for side in _sides(every) for errors in side]
    gained = [statistics.mean(heard.after) - statistics.mean(heard.before) for heard in every]
    worse = [heard.labelled.name for heard, more in zip(every, gained, strict=True) if round(more, 3) > _WORSE]
    print(f"\nthe same recording differs by {statistics.mean(spread):.1f} words, at most {max(spread)}, with its lead")
    print(f"all but six voices, by lead: {', '.join(totals)}")
    print(f"worse by more than {_WORSE:g} words on average: {worse or 'none'}; largest change {max(gained):+.1f}")


@dataclass(frozen=True)
class _Heard:
    """Errors of one recording, one for every lead."""

    labelled: Labelled
    before: list[int]
    after: list[int]

    @property
    def words(self) -> int:
        return len(words_of(self.labelled.text))

    def told(self) -> str:
        before, after = (f"{statistics.mean(errors):4.1f} {errors}" for errors in (self.before, self.after))
        return f"{self.labelled.name:32}{self.words:4} words, errors {before} -> {after}"


def _sides(listed: list[_Heard]) -> tuple[list[list[int]], list[list[int]]]:
    return [heard.before for heard in listed], [heard.after for heard in listed]


if __name__ == "__main__":
    main()
