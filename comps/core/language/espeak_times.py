"""From eSpeak NG's events to phones and words with true start and end times.

Measured on its PCM (``benchmarks/tts_phone_times.py``): events sit on their sound to within 2 ms for
fricatives, releases and the starts of closures, with two habits that lips would show. A voiceless
stop's event marks its release, the silent closure before it being nobody's; and a vowel's event
after a nasal or a voiced stop comes only after the opening of the mouth. `PhoneTimer` gives the
closure to its stop and the opening to its vowel.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

import numpy as np

from comps.core.language.espeak_library import EVENT_END, EVENT_PHONEME, EVENT_WORD, RawEvent
from comps.core.language.phones import PhoneFacts, facts, normalise
from comps.core.speech import Pcm, Phone, Word

LONGEST_CLOSURE_S = 0.12
"""How far before a release its closure may begin."""

SHORTEST_PAUSE_S = 0.06
"""A shorter silence between two sounds is no pause: the mouth is already on its way to the next."""

_CLOSURE_AFTER_PAUSE_S = 0.08
_OPENING_S = {"nasal": 0.018, "plosive": 0.035}
_LARGEST_SHARE_OPENING = 0.4
_SHORTEST_PHONE_S = 0.012
_SILENT = 300  # int16 steps: what rings on in a closure stays below 2 % of a vowel's peak
_SHARE_OF_FIRST = 0.65  # of a vowel written as one symbol with the liquid after it, as in "ɔːɹ"
_CJK = "\u3400-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_PUNCTUATION = "\"'“”‘’«»()[]{}<>,.;:!?…。，！？；：、（）《》「」『』·*_"
_MARKER = re.compile(r"\(.*\)|.*\)$|\(.*")


@dataclass(slots=True)
class _OpenPhone:
    symbols: tuple[str, ...]
    start: float
    stress: int = 0
    word: int = 0


class PhoneTimer:
    """Follows one synthesis: takes its pieces and events in order, gives finished phones and words.

    All times are seconds from the first sample of this synthesis.

    Args:
        text: what is spoken, for the places and letters of its words.
        sample_rate: Hz of the PCM.
    """

    def __init__(self, text: str, sample_rate: int) -> None:
        self._rate = sample_rate
        self._recent: deque[Pcm] = deque()
        self._recent_samples = 0
        self._heard = 0
        self._open = _OpenPhone((), 0.0)
        self._phones: list[Phone] = []
        self._words = _WordTimer(text)
        self._over = False

    def feed(self, pcm: Pcm, events: list[RawEvent]) -> None:
        """The next piece of speech and the events that begin in it."""
        self._remember(pcm)
        for event in events:
            if event.type == EVENT_PHONEME:
                self._on_phone(event)
            elif event.type == EVENT_WORD:
                self._words.begin(event.position, event.length)
            elif event.type == EVENT_END:
                self._replace_open(_OpenPhone((), event.sample / self._rate))

    def finish(self) -> None:
        """The speech is over: the last phone and the last word end here."""
        self._replace_open(_OpenPhone((), self._heard / self._rate))
        self._words.finish()
        self._over = True

    def take_phones(self) -> list[Phone]:
        """Phones finished since the last call, in order, without gaps; pauses included.

        The latest is held back until `finish`: it may still have to share its time.
        """
        kept = len(self._phones) if self._over else len(self._phones) - 1
        ready, self._phones = self._phones[: max(kept, 0)], self._phones[max(kept, 0) :]
        return ready

    def take_words(self) -> list[Word]:
        """Words finished since the last call, in order."""
        return self._words.take()

    def _on_phone(self, event: RawEvent) -> None:
        symbols = () if _MARKER.fullmatch(event.phoneme) else normalise(event.phoneme)
        if not symbols and not self._open.symbols:
            return  # a second pause, or a tone, which has no length of its own
        start = self._true_start(event.sample, symbols)
        self._replace_open(_OpenPhone(symbols, start, _stress(event.phoneme), self._words.latest))

    def _true_start(self, sample: int, symbols: tuple[str, ...]) -> float:
        """Where a phone whose event is at `sample` begins to be seen on the lips."""
        at, before = sample / self._rate, self._open
        if not symbols:
            return at
        if not before.symbols and at - before.start < SHORTEST_PAUSE_S:
            return before.start
        current = facts(symbols[0])
        start = at
        if current.has_closure:
            start -= min(self._closure_s(sample), LONGEST_CLOSURE_S if before.symbols else _CLOSURE_AFTER_PAUSE_S)
        elif current.kind == "vowel" and before.symbols:
            start -= min(_opening_s(facts(before.symbols[-1])), _LARGEST_SHARE_OPENING * (at - before.start))
        return max(start, min(before.start + _SHORTEST_PHONE_S, at))

    def _closure_s(self, sample: int) -> float:
        """Seconds of silence just before `sample`, at most `LONGEST_CLOSURE_S`."""
        tail = self._before(sample)
        loud = np.flatnonzero(np.abs(tail.astype(np.int32)) > _SILENT)
        silent = len(tail) - 1 - int(loud[-1]) if len(loud) else len(tail)
        return silent / self._rate

    def _before(self, sample: int) -> Pcm:
        """The samples of the longest closure that ends at `sample`."""
        recent = np.concatenate(self._recent) if self._recent else np.empty(0, np.int16)
        first = self._heard - len(recent)
        stop = max(sample - first, 0)
        return recent[max(0, stop - int(LONGEST_CLOSURE_S * self._rate)) : stop]

    def _remember(self, pcm: Pcm) -> None:
        self._recent.append(pcm)
        self._recent_samples += len(pcm)
        self._heard += len(pcm)
        wanted = int(2 * LONGEST_CLOSURE_S * self._rate)
        while self._recent_samples - len(self._recent[0]) > wanted:
            self._recent_samples -= len(self._recent.popleft())

    def _replace_open(self, following: _OpenPhone) -> None:
        """The open phone ends where `following` begins."""
        phone, end = self._open, following.start
        self._open = following
        if phone.symbols and end <= phone.start:
            self._split_last(phone.symbols, phone.start)
        elif end > phone.start:
            if phone.symbols:
                self._words.extend(phone.word, phone.start, end)
            self._phones.extend(_spread(phone.symbols or ("",), phone.start, end, phone.stress))

    def _split_last(self, symbols: tuple[str, ...], end: float) -> None:
        """A liquid that eSpeak has melted into the vowel before it gets the end of that vowel."""
        if self._phones and self._phones[-1].phone:
            last = self._phones.pop()
            self._phones.extend(_spread((last.phone, *symbols), last.start, end, last.stress))


class _WordTimer:
    """Words from their events: events of one written word ("3.14" has four) are one word.

    An event comes before the phones of its word but maybe before the end of the last phone of the
    word before it, so phones say which word they belong to: the `latest` when they began.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _token_spans(text)
        self._begun: list[tuple[int, int]] = []
        self._current: tuple[int, float, float] | None = None
        self._ready: list[Word] = []

    @property
    def latest(self) -> int:
        """Number of the word whose event came last; -1 before any."""
        return len(self._begun) - 1

    def begin(self, position: int, length: int) -> None:
        """An event at character `position`."""
        first, stop = self._span(position, length)
        if self._begun and first < self._begun[-1][1]:
            self._begun[-1] = self._begun[-1][0], max(self._begun[-1][1], stop)
        else:
            self._begun.append((first, stop))

    def extend(self, number: int, start: float, end: float) -> None:
        """A phone of word `number`, in seconds."""
        if self._current is not None and self._current[0] == number:
            start = self._current[1]
        else:
            self.finish()
        self._current = number, start, end

    def finish(self) -> None:
        """The current word has no more phones."""
        if self._current is not None and self._current[0] >= 0:
            number, start, end = self._current
            first, stop = self._with_followers(number)
            self._ready.append(Word(self._text[first:stop], start, end, first, stop))
        self._current = None

    def take(self) -> list[Word]:
        """Words finished since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _with_followers(self, number: int) -> tuple[int, int]:
        """A word's range with the words after it that have no event, as "of the" has but one."""
        first, stop = self._begun[number]
        limit = self._begun[number + 1][0] if number + 1 < len(self._begun) else len(self._text)
        return first, max([stop, *(end for begin, end in self._tokens if first < begin < end <= limit)])

    def _span(self, position: int, length: int) -> tuple[int, int]:
        """The written word around an event's place, at least as long as the event says."""
        for first, stop in self._tokens:
            if first <= position < stop:
                return first, stop
        return position, min(position + max(length, 1), len(self._text))


def _token_spans(text: str) -> list[tuple[int, int]]:
    """Runs without white space, less the punctuation around them; Chinese signs one by one."""
    spans = ((m.start(), m.end(), m.group()) for m in _TOKEN.finditer(text))
    return [(a + len(t) - len(t.lstrip(_PUNCTUATION)), b - len(t) + len(t.rstrip(_PUNCTUATION))) for a, b, t in spans]


def _opening_s(previous: PhoneFacts) -> float:
    if previous.manner == "plosive" and not previous.voiced:
        return 0.0
    return _OPENING_S.get(previous.manner, 0.0)


def _stress(name: str) -> int:
    return 1 if name.startswith("ˈ") else 2 if name.startswith("ˌ") else 0


def _spread(symbols: tuple[str, ...], start: float, end: float, stress: int) -> list[Phone]:
    """One event's phones over its time; only its first can carry the stress."""
    if len(symbols) == 1:
        return [Phone(symbols[0], start, end, stress)]
    middle = start + (end - start) * _SHARE_OF_FIRST
    first = Phone(symbols[0], start, middle, stress)
    return [first, *_spread(symbols[1:], middle, end, 0)]
