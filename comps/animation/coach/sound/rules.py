"""The thresholds of a recording. Their table is in docs/coach.md."""

from __future__ import annotations

from comps.animation.coach.finding import Rule, Severity, Subject

_GUIDE = "LiveAvatar guide"
_GUESS = "this project"


def _rule(
    code: str,
    severity: Severity,
    measure: str,
    unit: str,
    bounds: tuple[float | None, float | None],
    advice: str,
    fix: str = "",
    source: str = _GUESS,
) -> Rule:
    return Rule(code, Subject.AUDIO, severity, measure, unit, *bounds, advice, fix, source)


UNREADABLE = _rule(
    "audio_unreadable",
    Severity.ERROR,
    "whether the file can be decoded",
    "",
    (None, None),
    "Save the recording again, as WAV, FLAC, MP3 or Ogg.",
    source=_GUIDE,
)
TOO_LONG = _rule(
    "audio_too_long",
    Severity.WARNING,
    "length that is listened to",
    "s",
    (None, 600.0),
    "Check and mend it in pieces; the coach holds all of a recording in memory.",
)
TOO_SHORT = _rule(
    "audio_too_short",
    Severity.ERROR,
    "length",
    "s",
    (0.5, None),
    "Record at least a word.",
    source=_GUIDE,
)
NO_SPEECH = _rule(
    "audio_no_speech",
    Severity.ERROR,
    "time in which something rises out of the background",
    "s",
    (0.2, None),
    "Record somebody speaking; this is silence or a steady noise.",
)
NO_VOICE = _rule(
    "audio_no_voice",
    Severity.WARNING,
    "share of the active time in which the sound is periodic, as a voice is",
    "%",
    (15.0, None),
    "Check that this is speech and no noise; a whisper moves the mouth less surely than a voice.",
)
RATE = _rule(
    "audio_rate",
    Severity.WARNING,
    "sample rate of the file",
    "Hz",
    (16_000.0, None),
    "Record at 16 kHz or more: without the upper octave s, f and sh sound alike.",
    fix="resamples to 16 kHz; what the file lacks stays missing",
    source=_GUIDE,
)
DEPTH = _rule(
    "audio_depth",
    Severity.WARNING,
    "bits of a stored sample",
    "bit",
    (16.0, None),
    "Record with 16 bits or more.",
    fix="writes 16 bits; the noise of the coarse steps stays unless it is loud",
    source=_GUIDE,
)
NOISE = _rule(
    "audio_noise",
    Severity.WARNING,
    "noise floor: 10th percentile of the levels in 50 ms",
    "dBFS",
    (None, -30.0),
    "Record in a quieter room, nearer to the microphone.",
    fix="takes out steady noise",
    source=_GUIDE,
)
SNR = _rule(
    "audio_snr",
    Severity.WARNING,
    "level of the speech above the noise",
    "dB",
    (12.0, None),
    "Record in a quieter room, nearer to the microphone.",
    fix="takes out steady noise",
    source=_GUIDE,
)
QUIET = _rule(
    "audio_quiet",
    Severity.WARNING,
    "mean level while somebody speaks",
    "dBFS",
    (-18.0, None),
    "Record louder, or let it be amplified.",
    fix="amplifies to -18 dBFS; a limiter keeps peaks under -1 dBFS",
    source=_GUIDE,
)
CLIPPED = _rule(
    "audio_clipped",
    Severity.WARNING,
    "share of samples that are cut off at the top or the bottom",
    "%",
    (None, 0.1),
    "Record at a lower level.",
    fix="redraws the cut tops from the samples around them",
)
SILENCE = _rule(
    "audio_silence",
    Severity.WARNING,
    "share of the time in which nobody speaks",
    "%",
    (None, 30.0),
    "Cut the silence away; the face stands still in it.",
    fix="trims the ends and shortens pauses",
    source=_GUIDE,
)
PAUSE = _rule(
    "audio_pause",
    Severity.WARNING,
    "longest pause between words",
    "s",
    (None, 2.0),
    "Speak on without long breaks, or cut them.",
    fix="shortens long pauses",
    source=_GUIDE,
)
TEMPO = _rule(
    "audio_tempo",
    Severity.WARNING,
    "syllables per second of speech, pauses left out",
    "syllables/s",
    (2.0, 7.0),
    "Speak at a usual pace, 3 to 6 syllables per second.",
    source=_GUIDE,
)
DC = _rule(
    "audio_dc",
    Severity.WARNING,
    "distance of the mean sample from zero, of full scale",
    "%",
    (None, 1.0),
    "Use another sound card or switch its DC filter on.",
    fix="takes the offset away",
)

AUDIO_RULES: tuple[Rule, ...] = (
    UNREADABLE,
    TOO_SHORT,
    NO_SPEECH,
    TOO_LONG,
    NO_VOICE,
    RATE,
    DEPTH,
    NOISE,
    SNR,
    QUIET,
    CLIPPED,
    SILENCE,
    PAUSE,
    TEMPO,
    DC,
)
"""In the order in which they are judged, errors first."""
