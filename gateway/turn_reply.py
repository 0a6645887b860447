"""What a finished answer looks like as JSON, and the account of a turn it is made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from comps.core.speech import Phone, Word
from megaservice.flow.events import (
    Event,
    MediaFragment,
    MediaInit,
    SentenceSpoken,
    Stage,
    StageTiming,
    TranscriptHeard,
    TurnDone,
)

VIDEO_PREFIX = "/outputs/"


class SpokenWord(BaseModel):
    """One word: seconds on the video's clock, and its place in the sentence's text."""

    text: str
    start: float
    end: float
    char_start: int
    char_end: int

    @classmethod
    def of(cls, word: Word) -> SpokenWord:
        """From the flow's own type."""
        return cls(
            text=word.text,
            start=_seconds(word.start),
            end=_seconds(word.end),
            char_start=word.char_start,
            char_end=word.char_end,
        )


class SpokenPhone(BaseModel):
    """One phone (IPA; empty for a pause): seconds on the video's clock."""

    phone: str
    start: float
    end: float

    @classmethod
    def of(cls, phone: Phone) -> SpokenPhone:
        """From the flow's own type."""
        return cls(phone=phone.phone, start=_seconds(phone.start), end=_seconds(phone.end))


class Sentence(BaseModel):
    """One sentence of the answer as it was spoken; times are seconds on the video's clock."""

    index: int
    text: str
    start: float
    end: float
    emotion: str = ""
    words: list[SpokenWord] = Field(default_factory=list)
    phones: list[SpokenPhone] = Field(default_factory=list)

    @classmethod
    def of(cls, event: SentenceSpoken) -> Sentence:
        """From the event that announces it."""
        return cls(
            index=event.index,
            text=event.text,
            start=_seconds(event.start),
            end=_seconds(event.end),
            emotion=event.emotion,
            words=[SpokenWord.of(word) for word in event.words],
            phones=[SpokenPhone.of(phone) for phone in event.phones],
        )


class StageTimes(BaseModel):
    """Seconds from the moment the turn began; null for what did not happen."""

    first_input_s: float | None
    first_output_s: float | None
    finished_s: float | None

    @classmethod
    def of(cls, event: StageTiming) -> StageTimes:
        """From the event that reports it."""
        times = (event.first_input_s, event.first_output_s, event.finished_s)
        first_input, first_output, finished = (None if time is None else _seconds(time) for time in times)
        return cls(first_input_s=first_input, first_output_s=first_output, finished_s=finished)


class Timings(BaseModel):
    """How long the turn took until its first fragment and its end, and each stage within it."""

    first_fragment_s: float | None
    total_s: float
    stages: dict[Stage, StageTimes]


class Usage(BaseModel):
    """How much was asked and answered. Not tokens: not every language model here has them."""

    question_characters: int
    answer_characters: int
    question_audio_s: float
    answer_audio_s: float


class TurnReply(BaseModel):
    """A finished answer: ``response_format`` ``json``, ``object`` or ``url``."""

    id: str
    video_path: str = Field(description="path of the video on this gateway, ending in .mp4")
    video_url: str = Field(description="absolute address of the video")
    transcript: str
    text: str
    sentences: list[Sentence]
    duration_s: float
    frames: int
    fps: float
    width: int
    height: int
    timings: Timings
    usage: Usage
    video_base64: str | None = Field(None, description="the video itself, with response_format b64_json")


@dataclass(slots=True)
class Account:
    """What a turn said about itself so far; `question` is what was typed, if it was."""

    video_id: str
    question: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    stages: dict[Stage, StageTimes] = field(default_factory=dict)
    question_audio_s: float = 0.0
    init: MediaInit | None = None
    fragments: int = 0
    done: TurnDone | None = None

    def note(self, event: Event) -> None:
        """Take one event into the account."""
        if isinstance(event, SentenceSpoken):
            self.sentences.append(Sentence.of(event))
        elif isinstance(event, StageTiming):
            self.stages[event.stage] = StageTimes.of(event)
        elif isinstance(event, TranscriptHeard):
            self.question_audio_s = event.duration
        elif isinstance(event, MediaInit):
            self.init = event
        elif isinstance(event, MediaFragment):
            self.fragments += 1
        elif isinstance(event, TurnDone):
            self.done = event

    def reply(self, base_url: str) -> TurnReply:
        """The finished answer; `base_url` is how the client reaches this gateway, without a slash at its end."""
        done, init = self.done, self.init
        if done is None or init is None:
            raise ValueError("only a turn that is done has a reply")
        path = f"{VIDEO_PREFIX}{self.video_id}.mp4"
        return TurnReply(
            id=self.video_id,
            video_path=path,
            video_url=f"{base_url}{path}",
            transcript=done.transcript or self.question,
            text=done.text,
            sentences=self.sentences,
            duration_s=_seconds(done.duration),
            frames=done.frames,
            fps=done.fps,
            width=init.width,
            height=init.height,
            timings=Timings(first_fragment_s=done.first_fragment_s, total_s=done.total_s, stages=self.stages),
            usage=self._usage(done),
        )

    def _usage(self, done: TurnDone) -> Usage:
        return Usage(
            question_characters=len(done.transcript or self.question),
            answer_characters=len(done.text),
            question_audio_s=_seconds(self.question_audio_s),
            answer_audio_s=_seconds(done.duration),
        )


def _seconds(value: float) -> float:
    """Rounded to a tenth of a millisecond, which is finer than any use of it."""
    return round(value, 4)
