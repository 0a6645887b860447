from __future__ import annotations

import hashlib

import numpy as np
import pytest

from comps.animation.coach.sound.check import check_audio
from comps.animation.coach.sound.denoise import FilterDenoiser
from comps.animation.coach.sound.loudness import PEAK_DBFS
from comps.animation.coach.sound.repair import repair_audio
from comps.asr.settings import AsrSettings
from comps.core.errors import UnprocessableError
from comps.core.media.audio import decode_audio, read_track
from tests.animation.coach.recognition import recogniser, word_errors
from tests.animation.coach.sounds import (
    RATE,
    Labelled,
    clean_set,
    faulty_set,
    paused_sounds,
    room,
    speech,
    wav,
    with_noise,
)

CHANCE = 3
"""Words of some 260: eSpeak's breath noise, which differs from one process to the next, moves some five either way about a
gain of a dozen or two."""
MENDABLE = [labelled for labelled in faulty_set() if labelled.mendable]


@pytest.mark.parametrize("labelled", MENDABLE, ids=lambda labelled: labelled.name)
def test_a_repaired_recording_passes_its_own_check(labelled: Labelled) -> None:
    before = hashlib.sha256(labelled.data).digest()
    repaired = repair_audio(labelled.data, denoiser=FilterDenoiser())
    assert hashlib.sha256(labelled.data).digest() == before
    assert repaired.before.codes() == labelled.planted
    assert not repaired.after.findings, repaired.after.findings
    assert repaired.steps
    track = read_track(repaired.data, max_seconds=60)
    assert (track.rate, track.bits, track.samples.shape[0], track.container) == (16_000, 16, 1, "wav")
    assert np.abs(track.samples).max() <= 10 ** (PEAK_DBFS / 20) + 1e-3
    assert float(repaired.after.measured["level_dbfs"]) == pytest.approx(-17.8, abs=0.15)


@pytest.mark.parametrize("labelled", clean_set()[::4], ids=lambda labelled: labelled.name)
def test_clean_recordings_stay_clean(labelled: Labelled) -> None:
    repaired = repair_audio(labelled.data)
    assert not repaired.after.findings
    assert not any("noise" in step and "took" in step for step in repaired.steps)


@pytest.mark.parametrize(
    "labelled", [bad for bad in faulty_set() if not bad.mendable], ids=lambda labelled: labelled.name
)
def test_what_cannot_be_mended_is_refused_or_said(labelled: Labelled) -> None:
    if check_audio(labelled.data).usable:
        assert repair_audio(labelled.data).after.codes() == {"audio_tempo"}
        return
    with pytest.raises(UnprocessableError, match="cannot be mended") as refused:
        repair_audio(labelled.data)
    assert refused.value.param == "audio"


@pytest.mark.parametrize("room_dbfs", [-62.0, -36.0, -32.0])
@pytest.mark.parametrize("index", [1, 4])
def test_repairing_twice_changes_nothing_more(index: int, room_dbfs: float) -> None:
    for labelled in paused_sounds()[4 * index + 1 : 4 * index + 4 : 2]:
        quiet = decoded(labelled.data)
        noisy = quiet + room(len(quiet), index) * np.float32(10 ** (room_dbfs / 20))
        once = repair_audio(wav(noisy), denoiser=FilterDenoiser())
        again = repair_audio(once.data, denoiser=FilterDenoiser())
        assert not once.after.findings
        assert again.steps == ()
        assert np.abs(decoded(again.data) - decoded(once.data)).max() < 0.01


@pytest.mark.parametrize("text", ["Yes.", "Good morning.", "She sold her bicycle."])
def test_a_short_recording_with_long_ends_passes_its_own_check(text: str) -> None:
    made = speech(0, "gmw/en-US+f3", text=text)
    quiet = room(len(made.audio) + 2 * RATE, 3) * np.float32(10 ** (-60 / 20))
    repaired = repair_audio(wav(np.pad(made.audio, RATE) + quiet))
    assert repaired.before.codes() == {"audio_silence"}
    assert not repaired.after.findings, repaired.after.findings


def decoded(data: bytes) -> np.ndarray:
    return decode_audio(data, rate=16_000, max_seconds=60)


def test_redrawn_tops_come_nearer_to_the_original() -> None:
    made = speech(6)
    top = float(np.quantile(np.abs(made.audio), 0.98))
    cut = np.clip(made.audio / top, -1, 1)
    repaired = decoded(repair_audio(wav(cut)).data)
    offset = int(np.flatnonzero(np.abs(made.audio) > 0.05)[0]) - int(np.flatnonzero(np.abs(repaired) > 0.05)[0])
    count = min(len(repaired), len(made.audio) - abs(offset))
    best = max(
        np.corrcoef(repaired[2000 : count - 2000], made.audio[2000 + shift : count - 2000 + shift])[0, 1]
        for shift in range(max(0, offset - 400), offset + 400)
        if count + shift - 2000 <= len(made.audio)
    )
    assert best > np.corrcoef(cut, made.audio)[0, 1]


def test_a_long_recording_is_refused_with_the_limit() -> None:
    with pytest.raises(UnprocessableError, match="longer than 2 s"):
        repair_audio(wav(speech(0).audio), max_seconds=2.0)


def test_steps_are_sentences_for_the_user() -> None:
    steps = repair_audio(next(labelled.data for labelled in MENDABLE if labelled.name == "mu-law")).steps
    assert "resampled from 8000 Hz to 16000 Hz" in steps
    loud = repair_audio(next(labelled.data for labelled in MENDABLE if labelled.name == "quiet -40 dBFS")).steps
    assert any(step.startswith("changed the level by +22") and "noise" in step for step in loud)


def test_recognition_does_not_get_worse() -> None:
    """Twelve short sentences with three faults each; `benchmarks/coach_sounds.py` hears the whole set."""
    errors = {"before": 0, "after": 0}
    with recogniser(AsrSettings(adapt=False)) as hear:
        for index in range(12):
            made = speech(index, sentences=1)
            loud = np.clip(made.audio * 6, -1, 1)
            noisy = with_noise(made, room(len(made.audio), 1, pink=False), made.level - 11).audio
            for audio in (made.audio * np.float32(0.02), loud, noisy):
                mended = repair_audio(wav(audio), denoiser=FilterDenoiser())
                assert not mended.after.findings
                for name, data in (("before", wav(audio)), ("after", mended.data)):
                    errors[name] += word_errors(made.text, hear(decoded(data)))
    assert errors["after"] <= errors["before"] + CHANCE, errors
