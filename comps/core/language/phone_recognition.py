"""The phones in audio whose text is not known, so that any speech can move a mouth.

PocketSphinx decodes phones with its phone language model. It is a rough ear: of three 10 ms frames
about two get a sound of the right mouth shape, and of lip closures it finds about half
(``benchmarks/tts_alignment.py``, synthetic voices). Silence is decided by energy, not by it.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder, get_model_path

from comps.core.language.phones import arpabet_to_ipa
from comps.core.language.speech_gate import FRAME_S, runs, speech_frames
from comps.core.speech import Phone

SAMPLE_RATE = 16_000

_LANGUAGE_WEIGHT = 4.0
_PEAK = 0.5
_PADDING = np.zeros(SAMPLE_RATE // 10, np.int16)
_lock = threading.Lock()


def recognise_phones(audio: NDArray[np.float32]) -> tuple[Phone, ...]:
    """Phones of `audio` with times in seconds from its first sample, in order and without gaps.

    Pauses (``""``) are where the audio is quiet; noise without speech is a pause too. Blocks for about
    0.08 s per second of audio and takes one caller at a time.

    Args:
        audio: mono float32 `[n]` in -1..1 at `SAMPLE_RATE`.
    """
    phones: list[Phone] = []
    frames = speech_frames(audio, SAMPLE_RATE)
    size = round(SAMPLE_RATE * FRAME_S)
    for first, stop, spoken in runs(frames):
        start, end = first * FRAME_S, min(stop * FRAME_S, len(audio) / SAMPLE_RATE)
        if spoken:
            phones += _decode(audio[first * size : stop * size], start, end)
        else:
            phones.append(Phone("", start, end))
    return tuple(phones)


@lru_cache(maxsize=1)
def _decoder() -> Decoder:
    return Decoder(
        hmm=get_model_path("en-us/en-us"),
        allphone=get_model_path("en-us/en-us-phone.lm.bin"),
        lm=None,
        dict=None,
        lw=_LANGUAGE_WEIGHT,
        samprate=float(SAMPLE_RATE),
        loglevel="FATAL",
    )


def _decode(audio: NDArray[np.float32], start: float, end: float) -> list[Phone]:
    """Phones of one stretch of speech that lies at ``start:end`` seconds."""
    scaled = audio * (_PEAK / max(float(np.abs(audio).max()), 1e-4))
    pcm = np.concatenate((_PADDING, (scaled * 32767).astype(np.int16), _PADDING))
    with _lock:
        decoder = _decoder()
        decoder.reinit_feat()  # the mean of what was heard before, of others too, would be taken from this
        decoder.start_utt()
        decoder.process_raw(pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        segments = [(s.word, s.start_frame) for s in decoder.seg() or ()]
    offset = start - len(_PADDING) / SAMPLE_RATE
    begun = [(arpabet_to_ipa(word), max(start, offset + frame * FRAME_S)) for word, frame in segments]
    return _spans(begun, start, end)


def _spans(begun: list[tuple[str, float]], start: float, end: float) -> list[Phone]:
    """Phones from their beginnings, covering ``start:end``; equal neighbours and stray pauses become one."""
    phones: list[Phone] = []
    for (phone, first), stop in zip(begun, [*(b for _, b in begun[1:]), end], strict=True):
        last = min(stop, end)
        if last - first < FRAME_S / 2:
            continue
        if phones and phones[-1].phone == phone:
            phones[-1] = Phone(phone, phones[-1].start, last)
        else:
            phones.append(Phone(phone, first, last))
    return phones or [Phone("", start, end)]
