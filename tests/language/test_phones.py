import pytest

from comps.core.language.phones import (
    ARPABET_TO_IPA,
    CONSONANTS,
    VOWELS,
    arpabet_to_ipa,
    facts,
    ipa_to_arpabet,
    is_pause,
    is_vowel,
    normalise,
    split_diphthong,
)


@pytest.mark.parametrize("phone", ["p", "b", "m", "pʰ", "bʲ"])
def test_lips_close_for_bilabial_stops_and_nasals(phone: str) -> None:
    assert facts(phone).closes_lips


@pytest.mark.parametrize("phone", ["f", "v", "n", "t", "w", "ɸ", "a", ""])
def test_lips_stay_open_for_everything_else(phone: str) -> None:
    assert not facts(phone).closes_lips


def test_vowels_are_ordered_by_opening() -> None:
    heights = [facts(vowel).height for vowel in ("iː", "ɪ", "e", "ə", "ɛ", "æ", "ɑː")]
    assert heights == sorted(heights)
    assert facts("uː").rounded
    assert facts("y").rounded
    assert not facts("iː").rounded


def test_marks_are_facts_of_their_own() -> None:
    assert facts("uː").long
    assert facts("ɔ̃").nasal
    assert not facts("u").long


def test_a_pause_is_the_empty_phone() -> None:
    assert is_pause("")
    assert not is_pause("a")
    assert is_vowel("oʊ")
    assert not is_vowel("tʃ")


def test_affricates_have_the_facts_of_the_pair() -> None:
    assert facts("tʃ").manner == "affricate"
    assert facts("dʒ").voiced
    assert facts("tʃ").place == "postalveolar"
    assert facts("tɕʰ").place == "palatal"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("ˈoʊ", ("oʊ",)),
        ("ˈɔːɹ", ("ɔː", "ɹ")),
        ("əl", ("ə", "l")),
        ("t͡ʃ", ("tʃ",)),
        ("ph", ("pʰ",)),
        ("ts.h", ("tʂʰ",)),
        ("s.", ("ʂ",)),
        ("onɡ", ("o", "ŋ")),
        ("ər", ("ɚ",)),
        ("g", ("ɡ",)),
        ("ç", ("ç",)),
        ("", ()),
        ("5", ()),
    ],
)
def test_raw_symbols_become_phones(raw: str, expected: tuple[str, ...]) -> None:
    assert normalise(raw) == expected


def test_diphthongs_split_into_their_vowels() -> None:
    assert split_diphthong("aɪ") == ("a", "ɪ")
    assert split_diphthong("aɪə") == ("a", "ɪ", "ə")
    assert split_diphthong("iː") == ("iː",)
    assert split_diphthong("tʃ") == ("tʃ",)


@pytest.mark.parametrize("symbol", ARPABET_TO_IPA)
def test_arpabet_survives_the_way_to_ipa_and_back(symbol: str) -> None:
    assert ipa_to_arpabet(arpabet_to_ipa(symbol)) == (symbol,)
    assert arpabet_to_ipa(symbol + "1") == arpabet_to_ipa(symbol)


def test_unstressed_vowels_and_silence_of_arpabet() -> None:
    assert arpabet_to_ipa("AH0") == "ə"
    assert arpabet_to_ipa("ER0") == "ɚ"
    assert arpabet_to_ipa("SIL") == ""
    assert arpabet_to_ipa("+NSN+") == ""


@pytest.mark.parametrize("phone", [*VOWELS, *CONSONANTS])
def test_every_phone_has_arpabet_symbols(phone: str) -> None:
    symbols = ipa_to_arpabet(phone)
    assert symbols
    assert set(symbols) <= set(ARPABET_TO_IPA)


@pytest.mark.parametrize(
    ("phone", "expected"),
    [("ɔ̃", ("AO",)), ("vʲ", ("V",)), ("pf", ("P", "F")), ("rʲ", ("R",)), ("χ", ("HH",)), ("ɱ", ("M",)), ("", ())],
)
def test_foreign_phones_become_the_nearest_english_ones(phone: str, expected: tuple[str, ...]) -> None:
    assert ipa_to_arpabet(phone) == expected
