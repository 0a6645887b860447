"""The eSpeak NG library as ctypes sees it: one per process, one caller at a time.

Constants and structures follow ``speak_lib.h`` of eSpeak NG 1.52. The library keeps its state in
globals, so everything here holds one lock, and nothing yields while it is held.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from comps.core.errors import EngineUnavailableError
from comps.core.speech import Pcm

BLOCK_MS = 20
"""Length of the pieces the synthesiser hands over; a consumer that leaves is noticed after one of them."""

_OUTPUT_SYNCHRONOUS = 2
_INIT_PHONEME_EVENTS, _INIT_PHONEME_IPA, _INIT_DONT_EXIT = 0x1, 0x2, 0x8000
_CHARS_UTF8, _END_PAUSE = 1, 0x1000
_POS_CHARACTER = 1
_PHONEMES_IPA, _PHONEME_SEPARATOR = 0x2, ord("_") << 8
EVENT_WORD, EVENT_SENTENCE, EVENT_END, EVENT_PHONEME = 1, 2, 5, 7
_PARAMETER_RATE, _PARAMETER_VOLUME, _PARAMETER_PITCH, _PARAMETER_RANGE = 1, 2, 3, 4


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One event: `sample` from the start of the text, `position` and `length` in characters from 0."""

    type: int
    sample: int
    position: int = 0
    length: int = 0
    phoneme: str = ""


@dataclass(frozen=True, slots=True)
class RawVoice:
    """One voice or variant file: `languages` are ``(tag, priority)``, a low priority being the better."""

    name: str
    identifier: str
    gender: int
    languages: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class RawSettings:
    """`voice`: file name with variant, as ``gmw/en-US+f3``; `rate` words/min; `pitch` and `pitch_range` 0 to 100.

    `volume` 100 is eSpeak's own, at which some of its variants clip.
    """

    voice: str
    rate: int = 175
    pitch: int = 50
    pitch_range: int = 50
    volume: int = 70


# After punctuation, "-" and a letter of another script, or in Danish and Vietnamese of any, make 1.52
# read a phoneme it does not have: the process dies. Such a hyphen has no sound of its own.
_LEADING_HYPHENS = re.compile(r"(?<!^)(?<![^\W\d_])(?<![0-9\s-])-+(?=[^\s\d-])")
_MOST_CHANGES_WAITING = 8
"""Each change of the voice waits in the synthesiser's queue of 170 commands until something is spoken.

With 27 of them the first phone's event finds no room, and with 170 the queue runs over itself.
"""

_DICTIONARY = re.compile(r"^dictionary\s+(\S+)", re.MULTILINE)

OnBlock = Callable[[Pcm, list[RawEvent]], bool]
"""Takes a piece of speech and the events that fall in it; returns False to stop the synthesis."""


class EspeakLibrary:
    """The library, initialised. Use `shared_library()`; a second instance would fight over its globals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library = _open_library()
        self.sample_rate = _initialise(self._library)
        self._on_block: OnBlock | None = None
        self._failure: BaseException | None = None
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._voice = ""
        self._changes_waiting = 0

    def synthesise(self, text: str, settings: RawSettings, on_block: OnBlock) -> None:
        """Speak `text`, calling `on_block` for every piece on this thread; raises what `on_block` raises."""
        encoded = _speakable(text).encode() + b"\0"
        with self._lock:
            self._select(settings.voice)
            for parameter, value in (
                (_PARAMETER_RATE, settings.rate),
                (_PARAMETER_VOLUME, settings.volume),
                (_PARAMETER_PITCH, settings.pitch),
                (_PARAMETER_RANGE, settings.pitch_range),
            ):
                self._library.espeak_SetParameter(parameter, value, 0)
            self._on_block, self._failure = on_block, None
            status = self._speak(encoded)
            failure, self._on_block, self._failure = self._failure, None, None
        if failure is not None:
            raise failure
        if status != 0:
            raise EngineUnavailableError(f"eSpeak NG could not speak this text (status {status})")

    def phonemes(self, text: str, voice: str) -> list[str]:
        """Clauses of `text` in IPA: words apart by blanks, phonemes by ``_``."""
        buffer = ctypes.create_string_buffer(_speakable(text).encode())
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        clauses: list[str] = []
        with self._lock:
            self._select(voice)
            while position.value:
                mode = _PHONEMES_IPA | _PHONEME_SEPARATOR
                clause = self._library.espeak_TextToPhonemes(ctypes.byref(position), _CHARS_UTF8, mode)
                clauses.append(clause.decode(errors="ignore"))
            if self._changes_waiting >= _MOST_CHANGES_WAITING:
                self._on_block = _let_pass
                self._speak(b"\0")
                self._on_block = None
        return clauses

    def voices(self) -> tuple[RawVoice, ...]:
        """Every voice file whose dictionary is there, for without one nothing can be read; variants left out."""
        return tuple(voice for voice in self._list(None) if _has_dictionary(voice))

    def variants(self) -> tuple[RawVoice, ...]:
        """Every variant file (``!v/f3``), which changes the sound of any voice."""
        return self._list(_Voice(languages=ctypes.cast(ctypes.c_char_p(b"variant"), ctypes.c_void_p)))

    def _list(self, spec: _Voice | None) -> tuple[RawVoice, ...]:
        with self._lock:
            listed = self._library.espeak_ListVoices(ctypes.byref(spec) if spec is not None else None)
            return tuple(_read_voice(voice) for voice in _until_null(listed))

    def _speak(self, encoded: bytes) -> int:
        flags = _CHARS_UTF8 | _END_PAUSE
        status = int(self._library.espeak_Synth(encoded, len(encoded), 0, _POS_CHARACTER, 0, flags, None, None))
        self._changes_waiting = 0
        return status

    def _select(self, voice: str) -> None:
        if voice == self._voice:
            return
        self._changes_waiting += 1
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            self._voice = ""
            raise EngineUnavailableError(f"eSpeak NG could not load its voice '{voice}'")
        self._voice = voice

    def _receive(self, wav: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if self._on_block is None:
            return 1
        try:
            pcm = np.ctypeslib.as_array(wav, (count,)).copy() if wav and count else np.empty(0, np.int16)
            return 0 if self._on_block(pcm, list(_read_events(events))) else 1
        except BaseException as error:  # noqa: BLE001  C cannot pass it on: `synthesise` raises it again
            self._failure = error
            return 1


def _let_pass(pcm: Pcm, events: list[RawEvent]) -> bool:
    return True


def _speakable(text: str) -> str:
    """`text`, of the same length, without what the library cannot read."""
    return _LEADING_HYPHENS.sub(lambda hyphens: " " * len(hyphens[0]), text.replace("\0", " "))


_creation = threading.Lock()
_instances: list[EspeakLibrary] = []


def shared_library() -> EspeakLibrary:
    """The process's one library; raises EngineUnavailableError when it cannot be loaded."""
    with _creation:
        if not _instances:
            _instances.append(EspeakLibrary())
        return _instances[0]


def _open_library() -> ctypes.CDLL:
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError) as error:
        raise EngineUnavailableError(
            f"eSpeak NG cannot be loaded ({error}): install it with  pip install espeakng-loader"
        ) from error
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
        ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    return library


def _initialise(library: ctypes.CDLL) -> int:
    import espeakng_loader

    options = _INIT_PHONEME_EVENTS | _INIT_PHONEME_IPA | _INIT_DONT_EXIT
    data = espeakng_loader.get_data_path().encode()
    sample_rate = int(library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, BLOCK_MS, data, options))
    if sample_rate <= 0:
        raise EngineUnavailableError("eSpeak NG found no voice data: reinstall it with  pip install espeakng-loader")
    return sample_rate


def _has_dictionary(voice: RawVoice) -> bool:
    import espeakng_loader

    data = Path(espeakng_loader.get_data_path())
    named = _DICTIONARY.search((data / "lang" / voice.identifier).read_text(errors="ignore"))
    name = named[1] if named else voice.languages[0][0].split("-")[0]
    return (data / f"{name}_dict").exists()


def _read_events(events: ctypes._Pointer[_Event]) -> Iterator[RawEvent]:
    index = 0
    while (event := events[index]).type:
        name = ""
        if event.type == EVENT_PHONEME:
            # Eight bytes without a final zero when the name is long, so c_char's own reading would do
            # but may cut a letter in two: ignore the half.
            name = bytes(event.id.string).decode(errors="ignore")
        yield RawEvent(event.type, event.sample, max(event.text_position - 1, 0), event.length, name)
        index += 1


def _until_null(pointers: ctypes._Pointer[ctypes._Pointer[_Voice]]) -> Iterator[_Voice]:
    index = 0
    while pointers[index]:
        yield pointers[index].contents
        index += 1


def _read_voice(voice: _Voice) -> RawVoice:
    return RawVoice(
        voice.name.decode(), voice.identifier.decode(), int(voice.gender), tuple(_read_languages(voice.languages))
    )


def _read_languages(address: int) -> Iterator[tuple[str, int]]:
    """Entries of one priority byte and one C string, until a priority of 0."""
    while priority := ctypes.c_ubyte.from_address(address).value:
        tag = ctypes.string_at(address + 1)
        yield tag.decode(), priority
        address += len(tag) + 2
