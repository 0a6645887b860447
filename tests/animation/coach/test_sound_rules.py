"""Each rule of a recording at its very threshold: just passing, just failing."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.coach.finding import Severity
from comps.animation.coach.sound.check import check_audio
from comps.animation.coach.sound.rules import AUDIO_RULES
from tests.animation.coach.sounds import (
    RATE,
    Audio,
    Speech,
    at_level,
    clean_sounds,
    faulty_sounds,
    resampled,
    room,
    speech,
    stretched,
    wav,
    with_gap,
    with_noise,
)

BASE = speech(1)


def scaled(made: Speech, level: float) -> Speech:
    return made.with_audio(made.audio * 10 ** ((level - made.level) / 20))


def broken(data: bytes) -> frozenset[str]:
    return check_audio(data).codes()


def test_every_rule_is_broken_by_a_recording_and_kept_by_another() -> None:
    codes = {code for labelled in faulty_sounds() for code in labelled.planted}
    codes |= {"audio_too_long", "audio_no_voice"}  # below
    assert codes == {rule.code for rule in AUDIO_RULES}
    assert any(not check_audio(labelled.data).findings for labelled in clean_sounds())


@pytest.mark.parametrize(("level", "quiet"), [(-17.7, False), (-18.3, True)])
def test_level(level: float, quiet: bool) -> None:
    assert ("audio_quiet" in broken(wav(scaled(BASE, level).audio))) == quiet


@pytest.mark.parametrize(("snr", "noisy"), [(13.0, False), (11.0, True)])
def test_snr(snr: float, noisy: bool) -> None:
    made = with_noise(BASE, room(len(BASE.audio), 5, pink=False), BASE.level - snr)
    assert ("audio_snr" in broken(wav(made.audio * 0.9))) == noisy


@pytest.mark.parametrize(("level", "noisy"), [(-30.7, False), (-29.3, True)])
def test_noise_floor(level: float, noisy: bool) -> None:
    made = with_noise(at_level(speech(2), -14.0), room(len(speech(2).audio), 6, pink=False), level)
    assert ("audio_noise" in broken(wav(made.audio * min(1.0, 0.98 / float(np.abs(made.audio).max()))))) == noisy


@pytest.mark.parametrize(("share", "cut"), [(0.05, False), (0.15, True)])
def test_clipping(share: float, cut: bool) -> None:
    top = np.quantile(np.abs(BASE.audio), 1 - share / 100)
    assert ("audio_clipped" in broken(wav(np.clip(BASE.audio / top, -1, 1)))) == cut


@pytest.mark.parametrize(("percent", "off"), [(0.9, False), (1.1, True)])
def test_offset(percent: float, off: bool) -> None:
    centred = BASE.audio - BASE.audio.mean()
    assert ("audio_dc" in broken(wav(centred * np.float32(0.9) + np.float32(percent / 100)))) == off


@pytest.mark.parametrize(("seconds", "long"), [(1.9, False), (2.1, True)])
def test_pause(seconds: float, long: bool) -> None:
    whole = speech(4, sentences=6)
    edges = np.flatnonzero(np.diff(whole.active.astype(int)))
    made = with_gap(whole, seconds - float(edges[2] - edges[1]) / RATE)
    assert made.longest_pause == pytest.approx(seconds, abs=0.02)
    assert ("audio_pause" in broken(wav(made.audio))) == long


@pytest.mark.parametrize(("share", "silent"), [(28.5, False), (31.5, True)])
def test_silence(share: float, silent: bool) -> None:
    spoken = int(BASE.active.sum())
    end = round((spoken / (1 - share / 100) - len(BASE.audio)) / 2)
    audio = np.concatenate([room(end, 1) * np.float32(1e-3), BASE.audio, room(end, 2) * np.float32(1e-3)])
    assert ("audio_silence" in broken(wav(audio))) == silent


@pytest.mark.parametrize(("factor", "slow"), [(1.0, False), (2.6, True)])
def test_slow(factor: float, slow: bool) -> None:
    made = stretched(speech(3, wpm=140, sentences=2), factor)
    assert ("audio_tempo" in broken(wav(made.audio))) == slow


@pytest.mark.parametrize(("wpm", "fast"), [(220, False), (340, True)])
def test_fast(wpm: int, fast: bool) -> None:
    assert ("audio_tempo" in broken(wav(speech(3, wpm=wpm, sentences=6).audio))) == fast


@pytest.mark.parametrize(("rate", "low"), [(15_999, True), (16_000, False), (8000, True)])
def test_rate_of_the_file(rate: int, low: bool) -> None:
    report = check_audio(wav(resampled(BASE.audio, rate), rate))
    assert report.measured["rate_hz"] == rate
    assert ("audio_rate" in report.codes()) == low


@pytest.mark.parametrize(("bits", "depth"), [(7, 8), (8, 8), (16, 16), (24, 24), (32, 32)])
def test_depth_of_the_file(bits: int, depth: int) -> None:
    report = check_audio(wav(BASE.audio, bits=bits))
    assert report.measured["depth_bits"] == depth
    assert ("audio_depth" in report.codes()) == (depth < 16)


def from_speech(seconds: float) -> Audio:
    start = int(np.flatnonzero(BASE.active)[0])
    return BASE.audio[start : start + round(seconds * RATE)]


@pytest.mark.parametrize(("seconds", "short"), [(0.49, True), (0.51, False), (0.0002, True)])
def test_length(seconds: float, short: bool) -> None:
    report = check_audio(wav(from_speech(seconds)))
    assert ("audio_too_short" in report.codes()) == short
    assert report.usable == (not short)


@pytest.mark.parametrize(("most", "long"), [(1.5, True), (60.0, False)])
def test_too_long(most: float, long: bool) -> None:
    report = check_audio(wav(BASE.audio), max_seconds=most)
    assert (report.codes() == {"audio_too_long"}) == long
    if long:
        assert report.findings[0].rule.bounds() == "at most 1.5 s"
        assert report.usable


@pytest.mark.parametrize("level", [-48.0, -51.5])
def test_what_is_too_soft_for_the_services_is_no_speech(level: float) -> None:
    loud = scaled(BASE, level)
    loudest = max(
        float(np.sqrt(np.mean(loud.audio[at : at + 800] ** 2))) for at in range(0, len(loud.audio) - 800, 800)
    )
    assert ("audio_no_speech" in broken(wav(loud.audio, bits=24))) == (loudest < 0.003)


def test_bursts_of_noise_are_no_voice() -> None:
    time = np.arange(4 * RATE) / RATE
    bursts = room(4 * RATE, 3, pink=False) * np.float32(0.1) * ((time * 2.2) % 1 < 0.5)
    report = check_audio(wav(bursts.astype(np.float32)))
    assert "audio_no_voice" in report.codes()
    assert report.usable
    assert "audio_no_voice" not in broken(wav(BASE.audio))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 5000, b"RIFF" + b"\xff" * 400, wav(np.full(9000, np.nan, np.float32), bits=32)]
)
def test_what_cannot_be_decoded(data: bytes) -> None:
    report = check_audio(data)
    assert report.codes() == {"audio_unreadable"}
    assert not report.usable


def test_only_what_cannot_work_is_an_error() -> None:
    errors = {rule.code for rule in AUDIO_RULES if rule.severity is Severity.ERROR}
    assert errors == {"audio_unreadable", "audio_too_short", "audio_no_speech"}


def test_findings_say_value_threshold_and_what_to_do() -> None:
    (finding,) = check_audio(wav(scaled(BASE, -30.0).audio)).findings
    said = finding.to_json()
    assert said["code"] == "audio_quiet"
    assert said["threshold"] == "at least -18 dBFS"
    assert float(str(said["measured"])) == pytest.approx(-30, abs=0.2)
    assert "-30" in str(said["message"])
    assert said["advice"]
    assert said["fix"]


def test_two_channels_are_as_loud_as_one() -> None:
    one, two = check_audio(wav(BASE.audio)), check_audio(wav(BASE.audio, channels=2))
    assert two.measured["channels"] == 2
    assert two.measured["level_dbfs"] == one.measured["level_dbfs"]


def test_a_cut_file_is_measured_as_far_as_it_goes() -> None:
    data = wav(BASE.audio)
    report = check_audio(data[: len(data) // 2])
    assert report.usable
    assert float(report.measured["length_s"]) == pytest.approx(len(BASE.audio) / RATE / 2, abs=0.1)
