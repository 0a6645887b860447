from __future__ import annotations

from comps.asr.adaptation.general import general_english


def test_shares_of_words_and_pairs_are_shares() -> None:
    english = general_english()
    assert len(english.words) > 4000
    assert len(english.pairs) > 20_000
    assert 0.8 < sum(english.words.values()) < 1.0
    assert 0.5 < sum(english.pairs.values()) < 1.0


def test_common_words_and_pairs_are_common() -> None:
    english = general_english()
    assert english.words["the",] > english.words["house",] > 0
    assert english.pairs["how", "much"] > english.pairs["how", "did"]
    assert english.pairs["<s>", "what"] > 0


def test_pairs_are_made_of_words_that_are_listed() -> None:
    english = general_english()
    assert {word for pair in english.pairs for word in pair} - {word for (word,) in english.words} == {"<s>"}


def test_a_smaller_vocabulary_keeps_only_its_own() -> None:
    english = general_english().within({"how", "much"})
    assert set(english.words) == {("how",), ("much",), ("</s>",)}
    assert ("how", "much") in english.pairs
    assert {word for pair in english.pairs for word in pair} <= {"how", "much", "<s>", "</s>"}
