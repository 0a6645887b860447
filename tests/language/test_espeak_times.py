import itertools

import numpy as np
import pytest

from comps.core.language.espeak import sample_rate, synthesise, voice_for_language
from comps.core.language.espeak_library import EVENT_PHONEME, RawEvent, RawSettings
from comps.core.language.espeak_times import PhoneTimer
from comps.core.language.phones import facts
from comps.core.speech import Pcm, Phone, Word


def timed(text: str, language: str = "en") -> tuple[Pcm, list[Phone], list[Word]]:
    timer, pieces = PhoneTimer(text, sample_rate()), list[Pcm]()

    def on_block(pcm: Pcm, events: list[RawEvent]) -> bool:
        timer.feed(pcm, events)
        pieces.append(pcm)
        return True

    synthesise(text, RawSettings(voice_for_language(language).identifier), on_block)
    timer.finish()
    return np.concatenate(pieces), timer.take_phones(), timer.take_words()


def level(pcm: Pcm, start: float, end: float) -> float:
    part = pcm[int(start * sample_rate()) : int(end * sample_rate())].astype(float)
    return float(np.sqrt((part**2).mean())) if len(part) else 0.0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Peter put a pack of papers on top.", "en"),
        ("他跑步，皮皮怕怕。", "zh"),
        ("नमस्ते दुनिया", "hi"),
        ("un bon vin", "fr"),
    ],
)
def test_phones_cover_the_speech_without_gaps(text: str, language: str) -> None:
    pcm, phones, _ = timed(text, language)
    assert phones[0].start == 0.0
    assert phones[-1].end == pytest.approx(len(pcm) / sample_rate(), abs=1e-6)
    assert all(a.end == b.start and b.end > b.start for a, b in itertools.pairwise(phones))


def test_a_stop_has_its_closure() -> None:
    pcm, phones, _ = timed("Happy puppy, a paper cup, a pop up.")
    inner = [p for a, p in itertools.pairwise(phones) if p.phone == "p" and a.phone]
    assert len(inner) >= 5
    loud = level(pcm, 0, len(pcm) / sample_rate())
    for stop in inner:
        assert stop.end - stop.start >= 0.05
        assert level(pcm, stop.start + 0.005, stop.start + 0.03) < 0.1 * loud


def test_vowels_are_loud_and_pauses_silent() -> None:
    pcm, phones, _ = timed("Mama made a memo. Bob, be a good boy.")
    vowels = [level(pcm, p.start + 0.02, p.end - 0.01) for p in phones if facts(p.phone).kind == "vowel"]
    pauses = [level(pcm, p.start + 0.02, p.end - 0.005) for p in phones if not p.phone]
    assert min(vowels) > 10 * max(pauses)


def test_melted_liquids_get_their_part_of_the_vowel() -> None:
    _, phones, _ = timed("Neil.")
    assert [p.phone for p in phones if p.phone] == ["n", "iː", "l"]
    assert phones[2].end - phones[2].start > 0.03


def test_stress_is_kept_on_the_vowel() -> None:
    _, phones, _ = timed("Hello.")
    assert [(p.phone, p.stress) for p in phones if p.stress] == [("oʊ", 1)]


def test_words_have_times_and_places() -> None:
    text = "Peter paid 3.14, on the spot."
    _, phones, words = timed(text)
    assert [w.text for w in words] == ["Peter", "paid", "3.14", "on the", "spot"]
    assert all(text[w.char_start : w.char_end] == w.text for w in words)
    assert all(a.end <= b.start + 1e-6 for a, b in itertools.pairwise(words))
    assert words[0].start == phones[0].start


def test_chinese_words_are_signs_and_foreign_words() -> None:
    assert [w.text for w in timed("我用 Python。", "zh")[2]] == ["我", "用", "Python"]


def test_markers_of_another_language_are_no_phones() -> None:
    timer = PhoneTimer("x", 1000)
    events = [RawEvent(EVENT_PHONEME, 0, phoneme="a"), RawEvent(EVENT_PHONEME, 100, phoneme="(en)")]
    timer.feed(np.zeros(200, np.int16), events)
    timer.finish()
    assert [(p.phone, p.start, p.end) for p in timer.take_phones()] == [("a", 0.0, 0.1), ("", 0.1, 0.2)]


def test_the_latest_phone_is_held_back_until_it_is_settled() -> None:
    timer = PhoneTimer("x", 1000)
    events = [RawEvent(EVENT_PHONEME, at, phoneme=name) for at, name in ((0, "s"), (100, "iː"), (200, "n"))]
    timer.feed(np.zeros(300, np.int16), events)
    assert [p.phone for p in timer.take_phones()] == ["s"]
    timer.finish()
    assert [p.phone for p in timer.take_phones()] == ["iː", "n"]
