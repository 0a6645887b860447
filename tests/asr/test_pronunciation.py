from __future__ import annotations

from pathlib import Path

import pocketsphinx
import pytest

from comps.asr.adaptation.pronunciation import Dictionary, Lexicon, by_espeak, dictionary, extend, sounds


@pytest.fixture(scope="module")
def known() -> Lexicon:
    return Dictionary(Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")))


def test_the_dictionary_is_read_with_its_variants(known: Lexicon) -> None:
    assert known["hello"] == (("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("AvatarChatbot", "AE V AH T AA R CH AE T B AA T"),
        ("Wav2Lip", "W AE V T UW L IH P"),
        ("MP4", "EH M P IY F AO R"),
        ("GPU", "JH IY P IY Y UW"),
        ("SadTalker", "S AE D T AO K ER"),
        ("Gaudi", "G AO D IY"),
    ],
)
def test_new_words_are_said_as_people_say_them(written: str, expected: str, known: Lexicon) -> None:
    assert expected in [" ".join(phones) for phones in sounds(written, known)]


def test_new_words_get_several_pronunciations(known: Lexicon) -> None:
    assert len(sounds("OpenVINO", known)) >= 2
    assert len(sounds("GFPGAN", known)) >= 2


@pytest.mark.parametrize("written", ["zxqv", "Kubernetes", "naïve", "H264", "x86", "O'Neill", "émigré"])
def test_every_sound_is_one_the_model_has(written: str, known: Lexicon) -> None:
    inventory = {phone for variants in known.values() for phones in variants for phone in phones}
    found = sounds(written, known)
    assert found
    assert all(set(phones) <= inventory for phones in found)


def test_only_what_can_be_said_is_kept(known: Lexicon) -> None:
    assert extend(["hello", "你"], known, {}).keys() >= {"hello"}
    assert by_espeak("") == ()


def test_the_file_can_be_read_back(tmp_path: Path, known: Lexicon) -> None:
    lexicon = extend(["hello", "wav2lip", "openvino"], known, {"wav2lip": "Wav2Lip", "openvino": "OpenVINO"})
    path = tmp_path / "small.dict"
    path.write_text(dictionary(lexicon), encoding="utf-8")
    assert dict(Dictionary(path)) == lexicon
