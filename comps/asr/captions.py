"""Transcripts as subtitles: words grouped into lines that can be read, in SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from comps.core.speech import Transcript, Word

MAX_CHARS = 84
"""Two lines of 42 characters, as subtitles are usually set."""
MAX_SECONDS = 7.0
PAUSE_S = 0.8
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？")


@dataclass(frozen=True, slots=True)
class Caption:
    """A line of text and its seconds from the first sample."""

    text: str
    start: float
    end: float


def captions(transcript: Transcript) -> list[Caption]:
    """The transcript in order, cut at pauses, ends of sentences and limits; one caption when there are no words."""
    if not transcript.words:
        return [Caption(transcript.text, 0.0, transcript.duration)] if transcript.text else []
    return [
        Caption(_text(transcript.text, group), group[0].start, group[-1].end) for group in _groups(transcript.words)
    ]


def _text(text: str, group: Sequence[Word]) -> str:
    """The words as they stand in the text, with its punctuation, when their places in it are known."""
    start, end = group[0].char_start, group[-1].char_end
    return text[start:end].strip() if end > start else " ".join(word.text for word in group)


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and _ends(group, word):
            yield group
            group = []
        group.append(word)
    yield group


def _ends(group: Sequence[Word], word: Word) -> bool:
    chars = sum(len(item.text) + 1 for item in group) + len(word.text)
    return (
        word.start - group[-1].end >= PAUSE_S
        or word.end - group[0].start > MAX_SECONDS
        or chars > MAX_CHARS
        or group[-1].text.endswith(_SENTENCE_ENDS)
    )


def srt(transcript: Transcript) -> str:
    """SubRip text."""
    blocks = (
        f"{number}\n{_clock(line.start, ',')} --> {_clock(line.end, ',')}\n{line.text}\n"
        for number, line in enumerate(captions(transcript), start=1)
    )
    return "\n".join(blocks)


def vtt(transcript: Transcript) -> str:
    """WebVTT text."""
    blocks = (
        f"{_clock(line.start, '.')} --> {_clock(line.end, '.')}\n{_escaped(line.text)}\n"
        for line in captions(transcript)
    )
    return "\n".join(["WEBVTT\n", *blocks])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, point: str) -> str:
    total = max(0, round(seconds * 1000))
    minutes, milliseconds = divmod(total, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
