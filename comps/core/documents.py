"""Messages as docarray documents: OPEA's under OPEA's names, and speech and tagged sentences as ours.

Every document also carries `id`. The streaming path inside a service uses the dataclasses of
`comps.core.speech`; documents are for the edges, where OPEA's code reads them. Importing docarray
takes about 0.2 s, so only what speaks documents imports this module.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from docarray import BaseDoc
from pydantic import Field, model_validator

from comps.core.errors import UnprocessableError
from comps.core.media.base64_data import decode_base64
from comps.core.speech import Phone, SpeechChunk, TaggedSentence, Word

PCM_BYTES = 64 * 1024 * 1024
"""Most bytes of samples in one `SpeechDoc`."""


class TopologyInfo:
    """Mixed into documents that steer the graph: patterns of downstream nodes to skip."""

    downstream_black_list: list[str] | None = Field(default_factory=list)


class TextDoc(BaseDoc, TopologyInfo):
    """Text, or several texts."""

    text: str | list[str] | None = None


class Base64ByteStrDoc(BaseDoc):
    """Bytes of a media file in base64."""

    byte_str: str


class VideoPath(BaseDoc):
    """Where a finished video is."""

    video_path: str


class Audio2text(BaseDoc):
    """What was heard, under the name the next node expects."""

    query: str | None = None


class Audio2TextDoc(BaseDoc):
    """A recording to be transcribed."""

    url: str | None = Field(None, description="where the audio is")
    model_name_or_path: str | None = Field("openai/whisper-small", description="recognition model")
    language: str | None = Field("auto", description="language spoken, or auto")


class GeneratedDoc(BaseDoc):
    """A model's text and the prompt it answers."""

    text: str
    prompt: str


class ImageDoc(BaseDoc):
    """A picture by address or in base64."""

    url: str | None = None
    base64_image: str | None = None


class ImagePath(BaseDoc):
    """Where a picture is."""

    image_path: str


class ImagesPath(BaseDoc):
    """Where several pictures are."""

    images_path: list[ImagePath]


class LLMParams(BaseDoc):
    """How a language model writes; ranges as in the OpenAI API."""

    model: str | None = None
    max_tokens: int = 1024
    max_new_tokens: int = 1024
    top_k: int = 10
    top_p: float = 0.95
    typical_p: float = 0.95
    temperature: float = 0.01
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.03
    stream: bool = True
    language: str = "auto"
    index_name: str | None = None
    chat_template: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, values: Any) -> Any:
        """`streaming`, as OPEA called `stream` before version 1.3."""
        if isinstance(values, dict) and "streaming" in values and "stream" not in values:
            return {**values, "stream": values["streaming"]}
        return values


class LLMParamsDoc(BaseDoc):
    """A question with how to answer it."""

    model: str | None = None
    query: str
    max_tokens: int = 1024
    max_new_tokens: int = 1024
    top_k: int = 10
    top_p: float = 0.95
    typical_p: float = 0.95
    temperature: float = 0.01
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.03
    stream: bool = True
    language: str = "auto"
    chat_template: str | None = None
    input_guardrail_params: dict[str, Any] | None = None
    output_guardrail_params: dict[str, Any] | None = None
    documents: list[str] | None = Field(default_factory=list)


class PhoneDoc(BaseDoc):
    """One phone (IPA without stress marks) from `start` to `end` seconds."""

    phone: str
    start: float
    end: float
    stress: int = 0


class WordDoc(BaseDoc):
    """One word from `start` to `end` seconds and its characters in the sentence."""

    text: str
    start: float
    end: float
    char_start: int = 0
    char_end: int = 0


class SpeechDoc(BaseDoc):
    """Speech with its times: mono little-endian int16 samples in base64, phones and words."""

    byte_str: str
    sample_rate: int = Field(gt=0)
    first_sample: int = Field(0, ge=0)
    phones: list[PhoneDoc] = Field(default_factory=list)
    words: list[WordDoc] = Field(default_factory=list)
    sentence: int = 0
    text: str = ""
    emotion: str = ""
    last: bool = False

    @classmethod
    def from_chunk(cls, chunk: SpeechChunk) -> SpeechDoc:
        """The document of a `SpeechChunk`."""
        pcm = chunk.pcm.astype("<i2", copy=False).tobytes()
        return cls(
            byte_str=base64.b64encode(pcm).decode("ascii"),
            sample_rate=chunk.sample_rate,
            first_sample=chunk.first_sample,
            phones=[PhoneDoc(phone=p.phone, start=p.start, end=p.end, stress=p.stress) for p in chunk.phones],
            words=[
                WordDoc(text=w.text, start=w.start, end=w.end, char_start=w.char_start, char_end=w.char_end)
                for w in chunk.words
            ],
            sentence=chunk.sentence,
            text=chunk.text,
            emotion=chunk.emotion,
            last=chunk.last,
        )

    def to_chunk(self) -> SpeechChunk:
        """The `SpeechChunk` of this document; raises UnprocessableError on wrong base64 or half a sample."""
        pcm = decode_base64(self.byte_str, "byte_str", PCM_BYTES) if self.byte_str else b""
        if len(pcm) % 2:
            raise UnprocessableError("byte_str holds half a sample: int16 takes two bytes", param="byte_str")
        return SpeechChunk(
            pcm=np.frombuffer(pcm, dtype="<i2"),
            sample_rate=self.sample_rate,
            first_sample=self.first_sample,
            phones=tuple(Phone(p.phone, p.start, p.end, p.stress) for p in self.phones),
            words=tuple(Word(w.text, w.start, w.end, w.char_start, w.char_end) for w in self.words),
            sentence=self.sentence,
            text=self.text,
            emotion=self.emotion,
            last=self.last,
        )


class TaggedSentenceDoc(BaseDoc):
    """One sentence of an answer with how to say it; `emphasis` holds character ranges."""

    index: int = Field(ge=0)
    text: str
    language: str = ""
    emotion: str = ""
    emphasis: list[tuple[int, int]] = Field(default_factory=list)

    @classmethod
    def from_sentence(cls, sentence: TaggedSentence) -> TaggedSentenceDoc:
        """The document of a `TaggedSentence`."""
        return cls(
            index=sentence.index,
            text=sentence.text,
            language=sentence.language,
            emotion=sentence.emotion,
            emphasis=list(sentence.emphasis),
        )

    def to_sentence(self) -> TaggedSentence:
        """The `TaggedSentence` of this document."""
        return TaggedSentence(self.index, self.text, self.language, self.emotion, tuple(self.emphasis))
