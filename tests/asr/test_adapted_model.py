from __future__ import annotations

import re
from pathlib import Path

import pocketsphinx
import pytest

from comps.asr.adaptation.model import BIAS, LEAST_WORDS, AdaptedModel, build_model
from comps.asr.adaptation.ngram import FILLER
from comps.asr.settings import SHIPPED_KNOWLEDGE

SHOP = Path(__file__).parent.parent / "data" / "small_bases" / "shop"
DICTIONARY = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))


def built(knowledge: Path, folder: Path) -> tuple[AdaptedModel, set[str]]:
    """The model and the words that it can hear."""
    model = build_model(knowledge, DICTIONARY, folder)
    assert model is not None
    return model, {word for word in unigrams(model.language_model) if not word.startswith(FILLER)}


def unigrams(language_model: Path) -> list[str]:
    listed = language_model.read_text(encoding="utf-8").partition("\\2-grams:")[0]
    return re.findall(r"^-\d+\.\d+\t(\S+)", listed, re.MULTILINE)


def test_a_small_base_hears_common_words_that_it_does_not_have(tmp_path: Path) -> None:
    model, words = built(SHOP, tmp_path)
    assert {"parking", "receipt", "president", "bike"} <= words
    assert model.bias < BIAS


def test_a_large_base_hears_its_own(tmp_path: Path) -> None:
    model, words = built(SHIPPED_KNOWLEDGE, tmp_path)
    assert "avatarchatbot" in words
    assert "receipt" not in words
    assert model.bias == pytest.approx(BIAS)


def test_the_dictionary_has_every_word_of_the_model(tmp_path: Path) -> None:
    model, words = built(SHOP, tmp_path)
    known = {line.split()[0] for line in model.dictionary.read_text(encoding="utf-8").splitlines()}
    assert words - known == {"<s>", "</s>"}


def test_models_have_the_words_without_which_the_decoder_loads_them_slowly(tmp_path: Path) -> None:
    model, _ = built(SHOP, tmp_path)
    assert model.whole is not None
    for path in (model.language_model, model.whole.language_model):
        assert len(unigrams(path)) == LEAST_WORDS
    known = {line.split()[0] for line in model.dictionary.read_text(encoding="utf-8").splitlines()}
    assert not any(word.startswith(FILLER) for word in known), "a filler could be heard"


def test_a_small_base_knows_its_questions_whole_and_a_large_one_does_not(tmp_path: Path) -> None:
    small, _ = built(SHOP, tmp_path)
    assert small.whole is not None
    assert {("how", "do", "i", "park"), ("opening", "hours")} <= small.whole.questions
    assert ("what", "is", "parking") not in small.whole.questions
    large, _ = built(SHIPPED_KNOWLEDGE, tmp_path)
    assert large.whole is None
