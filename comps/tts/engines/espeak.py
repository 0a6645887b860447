"""Engine ``espeak``: eSpeak NG in this process; every language it has, exact phone and word times.

The library speaks about 700 times faster than real time and serves one caller at a time, so an
utterance is made sentence by sentence: others get their turn in between, a consumer that is slow
holds back only its own next sentence, and one that leaves stops the work within 20 ms of speech.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from comps.core.errors import UnprocessableError
from comps.core.language.espeak import sample_rate, synthesise, voice_for_language
from comps.core.language.espeak_library import RawEvent, RawSettings
from comps.core.language.espeak_times import PhoneTimer
from comps.core.language.scripts import detect_language, script_runs
from comps.core.language.sentences import split_sentences
from comps.core.speech import Pcm, Phone, SpeechChunk, Word
from comps.tts.chunks import ChunkAssembler
from comps.tts.engine import TtsCapabilities, TtsEngine, TtsOptions, Voice
from comps.tts.engines.espeak_voices import choose_voice, voice_list
from comps.tts.loudness import TARGET_LUFS, amplify, loudness
from comps.tts.settings import TtsSettings
from comps.tts.stretch import TimeStretch
from comps.tts.text import SpokenText, is_speakable, spoken_text

_SLOWEST_WPM, _FASTEST_WPM = 80, 350  # beyond, eSpeak stops following or stretches behind its own events
_NORMAL_WPM = 160
"""A little below eSpeak's 175: as fast as a news reader, and lips can be read."""

_SAMPLE_CHARS = 2000  # of a text, to tell its language by
_LARGEST_GAIN = 8.0
_CALIBRATION_TEXT = "1 2 3 4."  # every language has numbers
_MAX_GAINS = 512


@dataclass(frozen=True, slots=True)
class _Part:
    """What is spoken in one go: text, its place in the written text, and how."""

    spoken: SpokenText
    settings: RawSettings


class EspeakEngine(TtsEngine):
    """eSpeak NG. No state of a request outlives it but the loudness measured of each voice."""

    capabilities = TtsCapabilities(streaming=True, phone_times=True)

    def __init__(self, settings: TtsSettings) -> None:
        self._default_language = settings.language
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="espeak")
        self._gains: dict[str, float] = {}

    async def load(self) -> None:
        """Initialise the library and measure the default voice."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._prepare)

    async def close(self) -> None:
        """Stop the worker thread; a sentence being spoken is finished first."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def voices(self) -> tuple[Voice, ...]:
        """Every voice of the library, its variants, and the names that stand for them."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, voice_list)

    async def speak(self, text: str, options: TtsOptions) -> AsyncIterator[SpeechChunk]:
        """Speak `text`; see `TtsEngine.speak`. Text without a letter or digit raises UnprocessableError."""
        loop = asyncio.get_running_loop()
        parts = self._parts(text, options)
        following = next(parts, None)
        if following is None:
            raise UnprocessableError("the text holds nothing that can be spoken", param="text")
        ready: asyncio.Queue[SpeechChunk | None] = asyncio.Queue()
        stop = threading.Event()

        def post(chunk: SpeechChunk | None) -> None:
            loop.call_soon_threadsafe(ready.put_nowait, chunk)

        utterance = _Utterance(text, _tempo(options.speed), post, stop)
        try:
            while (part := following) is not None:
                following = next(parts, None)
                work = loop.run_in_executor(self._worker, self._say, utterance, part, following is None)
                work.add_done_callback(lambda _: ready.put_nowait(None))
                while (chunk := await ready.get()) is not None:
                    yield chunk
                await work
        finally:
            stop.set()

    def _prepare(self) -> None:
        file = choose_voice("default", self._default_language).file(self._default_language)
        self._gain(file)

    def _say(self, utterance: _Utterance, part: _Part, last: bool) -> None:
        """Worker thread: speak one part to its end, or until `stop` is set."""
        utterance.say(part, self._gain(part.settings.voice))
        if last:
            utterance.finish()

    def _gain(self, voice: str) -> float:
        """Factor that brings a voice to `TARGET_LUFS`, measured once by letting it count. Worker thread only."""
        if voice not in self._gains:
            if len(self._gains) >= _MAX_GAINS:
                self._gains.pop(next(iter(self._gains)))
            self._gains[voice] = _measure_gain(voice)
        return self._gains[voice]

    def _parts(self, text: str, options: TtsOptions) -> Iterator[_Part]:
        """Sentences of `text`, cut further where another script needs another voice."""
        choice = choose_voice(options.voice, options.language)
        own = choice.voice.languages[0] if choice.voice else ""
        language = options.language or own or detect_language(text[:_SAMPLE_CHARS], self._default_language)
        voice_for_language(language)
        place = 0
        for piece in split_sentences(text):
            spoken = spoken_text(piece, language).moved(place)
            for start, end, own_language in _speakable_runs(spoken.text, language):
                yield _Part(spoken.part(start, end), _raw_settings(choice.file(own_language), options))
            place += len(piece)


class _Utterance:
    """One request on the worker thread: parts in, chunks out."""

    def __init__(self, text: str, tempo: float, post: Callable[[SpeechChunk], None], stop: threading.Event) -> None:
        self._chunks = ChunkAssembler(text, sample_rate(), post)
        self._tempo = tempo
        self._stop = stop

    def say(self, part: _Part, gain: float) -> None:
        rate = sample_rate()
        timer = PhoneTimer(part.spoken.text, rate)
        stretch = TimeStretch(self._tempo, rate)
        clock = _Clock(self._chunks.samples / rate, 1.0 / self._tempo, part.spoken)

        def on_block(pcm: Pcm, events: list[RawEvent]) -> bool:
            timer.feed(pcm, events)
            self._add(stretch.feed(amplify(pcm, gain)), timer, clock)
            return not self._stop.is_set()

        synthesise(part.spoken.text, part.settings, on_block)
        timer.finish()
        self._add(stretch.finish(), timer, clock)

    def finish(self) -> None:
        if not self._stop.is_set():
            self._chunks.finish()

    def _add(self, pcm: Pcm, timer: PhoneTimer, clock: _Clock) -> None:
        phones, words = timer.take_phones(), timer.take_words()
        self._chunks.add(pcm, [clock.phone(p) for p in phones], [clock.word(w) for w in words])


@dataclass(frozen=True, slots=True)
class _Clock:
    """From the time and place within a part to those within the utterance and the written text."""

    start: float
    scale: float
    spoken: SpokenText

    def phone(self, phone: Phone) -> Phone:
        return replace(phone, start=self._at(phone.start), end=self._at(phone.end))

    def word(self, word: Word) -> Word:
        first, stop = self.spoken.span(word.char_start, word.char_end)
        return replace(word, start=self._at(word.start), end=self._at(word.end), char_start=first, char_end=stop)

    def _at(self, seconds: float) -> float:
        return round(self.start + seconds * self.scale, 5)


def _speakable_runs(sentence: str, language: str) -> list[tuple[int, int, str]]:
    """Start, end and language of the parts of a sentence that hold letters or digits."""
    runs = script_runs(sentence, language)
    return [(r.start, r.end, r.language) for r in runs if is_speakable(sentence[r.start : r.end])]


def _raw_settings(voice: str, options: TtsOptions) -> RawSettings:
    wpm = min(max(_NORMAL_WPM * options.speed, _SLOWEST_WPM), _FASTEST_WPM)
    pitch = 50 + 50 * math.log2(min(max(options.pitch, 0.5), 2.0))
    return RawSettings(voice, rate=round(wpm), pitch=round(pitch))


def _tempo(speed: float) -> float:
    """What is left of `speed` for stretching after eSpeak has gone as slow or fast as it can."""
    wpm = _NORMAL_WPM * speed
    return wpm / min(max(wpm, _SLOWEST_WPM), _FASTEST_WPM)


def _measure_gain(voice: str) -> float:
    pieces: list[Pcm] = []

    def collect(pcm: Pcm, _: list[RawEvent]) -> bool:
        pieces.append(pcm)
        return True

    synthesise(_CALIBRATION_TEXT, RawSettings(voice, rate=_NORMAL_WPM), collect)
    level = loudness(np.concatenate(pieces), sample_rate())
    return float(min(10 ** ((TARGET_LUFS - level) / 20), _LARGEST_GAIN)) if math.isfinite(level) else 1.0
