from __future__ import annotations

import re

import pytest

from comps.animation.coach.agreement import AGREEMENT_RULES, check_agreement, female_probability
from comps.animation.coach.finding import Finding, Report, Severity
from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.stated import stated_age, stated_arousal, stated_glasses
from comps.animation.coach.sound.check import check_audio
from comps.animation.coach.sound.rules import NO_SPEECH
from tests.animation.coach.sounds import speech, wav

MAN = "A man in his forties with glasses explains something."
WOMAN = "A young woman without glasses explains something."


def voice(pitch_hz: float, arousal: float = 0.0) -> Report:
    return Report({"pitch_hz": pitch_hz, "arousal": arousal})


def codes(report: Report | None) -> set[str]:
    assert report is not None
    return set(report.codes())


@pytest.mark.parametrize(
    ("name", "prompt"), [("gmw/en-US", MAN), ("gmw/en-US+m3", MAN), ("gmw/en-US+f3", WOMAN), ("gmw/en-US+f2", WOMAN)]
)
def test_spoken_voices_agree_with_their_sex_and_no_other(name: str, prompt: str) -> None:
    heard = check_audio(wav(speech(1, name).audio))
    other = WOMAN if prompt == MAN else MAN
    assert "together_voice_sex" not in codes(check_agreement(prompt, None, heard))
    assert "together_voice_sex" in codes(check_agreement(other, None, heard))


def test_a_level_voice_does_not_laugh() -> None:
    heard = check_audio(wav(speech(0).audio))
    assert "together_mood" in codes(check_agreement("A man is laughing and shouting enthusiastically.", None, heard))
    assert "together_mood" not in codes(check_agreement("A man speaks in a subdued, solemn voice.", None, heard))
    assert "together_mood" not in codes(check_agreement("A man explains something.", None, heard))


@pytest.mark.parametrize(
    ("prompt", "arousal", "broken"),
    [
        ("She is thrilled.", -0.3, True),
        ("She is thrilled.", 0.5, False),
        ("She whispers, tired.", 0.7, True),
        ("She whispers, tired.", -0.2, False),
        ("She is not excited.", -1.0, False),
        ("She is sad and shouting.", 1.0, False),
    ],
)
def test_the_mood_of_the_voice_against_the_prompt(prompt: str, arousal: float, broken: bool) -> None:
    assert ("together_mood" in codes(check_agreement(prompt, None, voice(200, arousal)))) == broken


@pytest.mark.parametrize(
    ("facts", "prompt", "code"),
    [
        (PictureFacts(sex="female"), MAN, "together_picture_sex"),
        (PictureFacts(age=75), WOMAN, "together_picture_age"),
        (PictureFacts(glasses=True), WOMAN, "together_picture_glasses"),
        (PictureFacts(glasses=False), MAN, "together_picture_glasses"),
    ],
)
def test_the_picture_against_the_prompt(facts: PictureFacts, prompt: str, code: str) -> None:
    assert codes(check_agreement(prompt, picture=facts)) == {code}
    fitting = PictureFacts(
        sex="male" if prompt == MAN else "female", age=45 if prompt == MAN else 25, glasses=prompt == MAN
    )
    assert codes(check_agreement(prompt, picture=fitting)) == set()


def test_the_voice_against_the_picture_needs_no_prompt() -> None:
    assert codes(check_agreement(None, None, voice(110), picture=PictureFacts(sex="female"))) == {
        "together_voice_picture"
    }
    assert codes(check_agreement(None, None, voice(110), picture=PictureFacts(sex="male"))) == set()


SAD = "A sad man in a grey room."


def test_a_smile_against_a_sad_prompt() -> None:
    smiling, plain = Report({"smile": 0.92}), Report({"smile": 0.3})
    assert codes(check_agreement(SAD, smiling)) == {"together_picture_mood"}
    assert codes(check_agreement(SAD, plain)) == set()
    assert codes(check_agreement("A cheerful man.", smiling)) == set()
    assert codes(check_agreement("A man.", smiling)) == set()
    # without landmarks nothing is told of the smile
    assert codes(check_agreement(SAD, Report({"width": 512}))) == set()


def test_everything_is_a_hint_with_its_confidence() -> None:
    facts = PictureFacts(sex="female", age=20, glasses=False, confidence=0.7)
    report = check_agreement(MAN + " He is laughing.", None, voice(230, -0.8), picture=facts)
    assert report is not None
    findings: tuple[Finding, ...] = report.findings
    assert len(findings) == 5
    assert report.usable
    for finding in findings:
        assert finding.rule.severity is Severity.HINT
        match = re.search(r"confidence (0\.\d\d)", finding.message)
        assert match
        assert 0 < float(match[1]) <= 0.85


def test_every_rule_is_tested() -> None:
    broken = {
        finding.rule.code
        for finding in (
            check_agreement(
                MAN + " He laughs, laughing.", None, voice(230, -0.8), picture=PictureFacts("female", 20, glasses=False)
            )
            or Report()
        ).findings
    }
    voice_only = check_agreement(None, None, voice(110), picture=PictureFacts(sex="female"))
    smile = check_agreement(SAD, Report({"smile": 0.9}))
    assert broken | codes(voice_only) | codes(smile) == {rule.code for rule in AGREEMENT_RULES}


def test_nothing_to_compare() -> None:
    usable = Report({"width": 512})
    assert check_agreement("A man.") is None
    assert check_agreement(None, usable) is None
    assert check_agreement(None, None, voice(100)) is None
    assert codes(check_agreement("A man.", usable)) == set()


def test_unusable_input_is_not_compared() -> None:
    silent = Report({"pitch_hz": 210.0, "arousal": 0.0}, (Finding(NO_SPEECH, 0.0, "none"),))
    assert codes(check_agreement(MAN, None, silent)) == set()
    voiceless = voice(0.0)
    assert codes(check_agreement(MAN, None, voiceless)) == set()


def test_pitch_tells_the_sex_no_surer_than_it_can() -> None:
    assert female_probability(0) == 0.5
    assert female_probability(100) == pytest.approx(0.15)
    assert female_probability(154.2) == pytest.approx(0.5, abs=0.01)
    assert female_probability(240) == pytest.approx(0.85)
    assert female_probability(900) == 0.5


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("a 34-year-old woman", 34),
        ("aged about 70", 70),
        ("a woman in her late thirties", 38),
        ("a film of the twenties", None),
        ("a young man", 27),
        ("an old library", None),
        ("an old bearded sailor, an old man", 72),
        ("一位28岁的女士", 28),
        ("一位老人", 72),
    ],
)
def test_stated_age(text: str, age: int | None) -> None:
    assert stated_age(text) == age


@pytest.mark.parametrize(
    ("text", "glasses"),
    [
        ("she wears glasses", True),
        ("no glasses", False),
        ("wine glasses on a table", None),
        ("戴眼镜", True),
        ("不戴眼镜", False),
        ("", None),
    ],
)
def test_stated_glasses(text: str, glasses: bool | None) -> None:
    assert stated_glasses(text) is glasses


def test_stated_arousal_is_none_where_both_are_said() -> None:
    assert stated_arousal("excited") == 1.0
    assert stated_arousal("solemn") == pytest.approx(-0.7)
    assert stated_arousal("solemn, then excited") is None
    assert stated_arousal("not excited") is None
