import itertools

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from comps.core.errors import UnknownChoiceError
from comps.core.language.alignment import SAMPLE_RATE, Alignment, align, fit_durations
from comps.core.language.phone_recognition import recognise_phones
from comps.core.language.phones import facts
from comps.core.language.speech_gate import FRAME_S, runs, speech_frames
from comps.core.speech import Phone

from .test_espeak_times import timed

Audio = NDArray[np.float32]
TEXT = "My mother bought a basket of apples and a bottle of milk."


def spoken(text: str = TEXT, language: str = "en") -> tuple[Audio, list[Phone]]:
    pcm, phones, _ = timed(text, language)
    return soxr.resample(pcm.astype(np.float32) / 32768, 22050, SAMPLE_RATE).astype(np.float32), phones


def check_cover(phones: tuple[Phone, ...], audio: Audio) -> None:
    assert phones[0].start == 0.0
    assert phones[-1].end == pytest.approx(len(audio) / SAMPLE_RATE, abs=0.02)
    assert all(a.end == pytest.approx(b.start, abs=1e-6) for a, b in itertools.pairwise(phones))


def closures(phones: list[Phone] | tuple[Phone, ...]) -> list[Phone]:
    return [p for p in phones if facts(p.phone).closes_lips]


def found(wanted: list[Phone], given: list[Phone], slack: float = 0.04) -> int:
    return sum(any(p.start - slack < g.end and g.start < p.end + slack for g in given) for p in wanted)


@pytest.mark.parametrize("how", [align, fit_durations])
def test_known_text_is_found_in_its_audio(how: object) -> None:
    audio, truth = spoken()
    result: Alignment = align(audio, TEXT, "en") if how is align else fit_durations(audio, TEXT, "en")
    check_cover(result.phones, audio)
    assert found(closures(truth), closures(result.phones)) == len(closures(truth))
    assert [w.text.strip(".") for w in result.words if " " not in w.text][:3] == ["My", "mother", "bought"]
    starts = np.array([p.start for p in truth])
    errors = [float(np.abs(starts - p.start).min()) for p in result.phones if p.phone]
    assert np.median(errors) < 0.025


def test_slower_audio_moves_the_times() -> None:
    audio, _ = spoken()
    slow = np.concatenate((np.zeros(SAMPLE_RATE // 2, np.float32), soxr.resample(audio, 1, 1.3).astype(np.float32)))
    fitted = fit_durations(slow, TEXT, "en")
    check_cover(fitted.phones, slow)
    assert fitted.phones[0].phone == ""
    assert fitted.phones[0].end == pytest.approx(0.5, abs=0.06)


def test_other_languages_are_fitted() -> None:
    audio, truth = spoken("他跑步，爸爸怕怕。", "zh")
    result = align(audio, "他跑步，爸爸怕怕。", "zh")
    check_cover(result.phones, audio)
    assert found(closures(truth), closures(result.phones)) == len(closures(truth))


def test_numbers_and_names_are_aligned_as_they_are_said() -> None:
    audio, _ = spoken("Zebulonia paid 3.14 in 1999.")
    result = align(audio, "Zebulonia paid 3.14 in 1999.", "en")
    assert [w.text for w in result.words] == ["Zebulonia", "paid", "3.14", "in", "1999"]


def test_audio_that_does_not_fit_still_gets_times() -> None:
    noise = (np.random.default_rng(0).standard_normal(SAMPLE_RATE) * 0.1).astype(np.float32)
    check_cover(align(noise, TEXT, "en").phones, noise)
    check_cover(align(np.zeros(SAMPLE_RATE, np.float32), "Hello.", "en").phones, np.zeros(SAMPLE_RATE, np.float32))


def test_a_language_nobody_reads_is_refused() -> None:
    with pytest.raises(UnknownChoiceError):
        align(np.zeros(SAMPLE_RATE, np.float32), "x", "qqq")


def test_phones_are_heard_without_text() -> None:
    audio, truth = spoken()
    phones = recognise_phones(audio)
    check_cover(phones, audio)
    kinds = {facts(p.phone).kind for p in phones}
    assert kinds == {"vowel", "consonant", "pause"}
    assert len(phones) > len(truth) / 2


def test_silence_and_nothing_are_pauses() -> None:
    assert recognise_phones(np.zeros(SAMPLE_RATE, np.float32)) == (Phone("", 0.0, 1.0),)
    assert recognise_phones(np.zeros(0, np.float32)) == ()


def test_a_pause_in_the_middle_is_found_by_energy() -> None:
    audio, _ = spoken("Hello.")
    gap = np.concatenate((audio, np.zeros(SAMPLE_RATE, np.float32), audio))
    pauses = [p for p in recognise_phones(gap) if not p.phone and p.end - p.start > 0.9]
    assert len(pauses) == 1


def test_the_gate_bridges_closures_and_drops_clicks() -> None:
    rng = np.random.default_rng(1)
    sound = (rng.standard_normal(SAMPLE_RATE // 2) * 0.1).astype(np.float32)
    quiet = np.zeros(SAMPLE_RATE // 2, np.float32)
    closure, click = quiet[:800], sound[:160]
    mask = speech_frames(np.concatenate((quiet, sound, closure, sound, quiet, click, quiet)), SAMPLE_RATE)
    lengths = [(stop - first) * FRAME_S for first, stop, held in runs(mask) if held]
    assert lengths == [pytest.approx(1.05, abs=0.03)]
    assert runs(np.zeros(0, np.bool_)) == []


def test_what_was_heard_before_changes_nothing() -> None:
    question, _ = spoken("Could you tell me where the library is?", "en")
    loud, _ = spoken("Peter's boat sank in the harbour on a stormy night.", "en")
    heard = set()
    for before in (question, np.clip(3 * loud, -1, 1), 0.1 * loud[::-1], question):
        recognise_phones(before.astype(np.float32))
        heard.add(recognise_phones(question))
    assert len(heard) == 1
