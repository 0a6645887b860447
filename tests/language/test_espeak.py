import subprocess
import sys
import threading

import numpy as np
import pytest

from comps.core.errors import UnknownChoiceError
from comps.core.language.espeak import phonemize, sample_rate, synthesise, variants, voice_for_language, voices
from comps.core.language.espeak_library import EVENT_PHONEME, RawEvent, RawSettings, shared_library
from comps.core.speech import Pcm


def test_words_become_phones_without_stress() -> None:
    assert phonemize("Hello world", "en") == [["h", "ə", "l", "oʊ"], ["w", "ɜː", "l", "d"]]


def test_a_number_is_several_words() -> None:
    words = phonemize("3.14", "en")
    assert len(words) == 4
    assert words[1] == ["p", "ɔɪ", "n", "t"]


@pytest.mark.parametrize(
    ("text", "language"),
    [("你好", "zh"), ("Guten Tag", "de"), ("नमस्ते", "hi"), ("Привет", "ru"), ("مرحبا", "ar"), ("Bonjour", "fr-FR")],
)
def test_other_languages_have_phones(text: str, language: str) -> None:
    phones = [phone for word in phonemize(text, language) for phone in word]
    assert len(phones) >= 3
    assert not any(char.isdigit() or char in "ˈˌ()" for phone in phones for char in phone)


def test_english_inside_chinese_is_read_as_english() -> None:
    assert ["p", "aɪ", "θ", "ə", "n"] in phonemize("我用 Python。", "zh")


def test_nothing_gives_nothing() -> None:
    assert phonemize("", "en") == []
    assert phonemize("...", "en") == []
    assert phonemize("a\0b", "en") != []


@pytest.mark.parametrize(
    ("tag", "identifier"),
    [
        ("en", "gmw/en-US"),
        ("EN_gb", "gmw/en"),
        ("en-AU", "gmw/en-US"),
        ("zh-CN", "sit/cmn"),
        ("zh-HK", "sit/yue"),
        ("pt-BR", "roa/pt-BR"),
        ("German", "gmw/de"),
        ("fr", "roa/fr"),
    ],
)
def test_languages_find_their_voice(tag: str, identifier: str) -> None:
    assert voice_for_language(tag).identifier == identifier


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ja,-en", "da"),
        ("và,-em", "vi"),
        ("हाँ,-好", "hi"),
        ("😀-्", "as"),
        ("_-好", "vi"),
        ("١-म", "mi"),
        ("(-好)", "mr"),
    ],
)
def test_a_hyphen_after_no_letter_is_read_over(text: str, language: str) -> None:
    program = f"from comps.core.language.espeak import phonemize; print(phonemize({text!r}, {language!r}))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)  # it may kill a process
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(("text", "read"), [("-5", "minus 5"), ("well-known", "wellknown"), ("covid-19", "covid 19")])
def test_a_hyphen_that_means_something_is_read(text: str, read: str) -> None:
    assert phonemize(text, "en") == phonemize(read, "en")


def test_a_voice_without_its_dictionary_is_no_voice() -> None:
    assert not {"gmq/fo", "trk/kaa"} & {voice.identifier for voice in voices()}
    assert {"gmq/nb", "sit/cmn", "ine/hyw"} <= {voice.identifier for voice in voices()}


def test_an_unknown_language_is_refused_with_the_closest() -> None:
    with pytest.raises(UnknownChoiceError, match="closest") as caught:
        voice_for_language("germann")
    assert "de" in caught.value.message
    assert caught.value.param == "language"


def test_all_voices_and_variants_are_listed() -> None:
    assert len(voices()) > 100
    assert [voice.name for voice in voices() if "test" in voice.name] == []
    assert variants()["f5"] == "female"
    assert variants()["edward"] == "male"


def collect(text: str, voice: str = "gmw/en-US") -> tuple[Pcm, list[RawEvent]]:
    pieces, found = list[Pcm](), list[RawEvent]()

    def on_block(pcm: Pcm, events: list[RawEvent]) -> bool:
        pieces.append(pcm)
        found.extend(events)
        return True

    synthesise(text, RawSettings(voice), on_block)
    return np.concatenate(pieces), found


def test_synthesis_gives_sound_and_events_within_it() -> None:
    pcm, events = collect("Hello there.")
    assert pcm.dtype == np.int16
    assert len(pcm) > sample_rate() // 2
    assert np.abs(pcm.astype(int)).max() > 3000
    assert all(0 <= event.sample <= len(pcm) for event in events)
    assert [e.phoneme for e in events if e.type == EVENT_PHONEME][:2] == ["h", "ə"]


@pytest.mark.parametrize("languages", [27, 169, 170, 171, 400])
def test_what_was_read_in_many_languages_leaves_no_trace_in_speech(languages: int) -> None:
    for number in range(languages):
        phonemize("x", ("de", "en")[number % 2])
    _, events = collect("Hello there.")
    assert [e.phoneme for e in events if e.type == EVENT_PHONEME][:2] == ["h", "ə"]


def test_a_consumer_can_stop_it() -> None:
    calls: list[int] = []

    def stop(pcm: Pcm, events: list[RawEvent]) -> bool:
        calls.append(len(pcm))
        return False

    synthesise("A long sentence that nobody wants to hear.", RawSettings("gmw/en-US"), stop)
    assert len(calls) <= 2


def test_a_failing_consumer_is_heard_of() -> None:
    def fail(pcm: Pcm, events: list[RawEvent]) -> bool:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        synthesise("Hello.", RawSettings("gmw/en-US"), fail)
    assert len(collect("Hello.")[0]) > 1000


def test_threads_do_not_disturb_each_other() -> None:
    texts = {"en": "Hello world", "de": "Guten Morgen", "fr": "Bonjour monde", "es": "Hola mundo"}
    alone = {language: phonemize(text, language) for language, text in texts.items()}
    wrong: list[str] = []

    def work(language: str) -> None:
        for _ in range(20):
            if phonemize(texts[language], language) != alone[language]:
                wrong.append(language)

    threads = [threading.Thread(target=work, args=(language,)) for language in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_one_library_serves_the_process() -> None:
    assert shared_library() is shared_library()
