"""Transcripts as the answers clients expect: OPEA's, OpenAI's formats, events and WebSocket messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel

from comps.asr.captions import captions, srt, vtt
from comps.asr.languages import NAMES, primary
from comps.asr.request import TranscriptionRequest
from comps.core.documents import LLMParamsDoc
from comps.core.error_shape import error_body
from comps.core.errors import AvatarError
from comps.core.speech import Transcript, Word

SERVICE = "asr"
_LANGUAGE_NAMES = {tag: name for name, tag in reversed(NAMES.items())}


class WordModel(BaseModel):
    """A word and its seconds from the first sample."""

    text: str
    start: float
    end: float


class AsrResponse(BaseModel):
    """Answer of `POST /v1/asr`: OPEA's `asr_result`, and more. `duration` is the audio's length in seconds."""

    asr_result: str
    text: str
    language: str
    duration: float
    words: list[WordModel]


def asr_response(transcript: Transcript) -> AsrResponse:
    """The answer of `POST /v1/asr`."""
    return AsrResponse(
        asr_result=transcript.text,
        text=transcript.text,
        language=transcript.language,
        duration=round(transcript.duration, 3),
        words=[WordModel(**word) for word in _words(transcript.words, "text")],
    )


def document(transcript: Transcript) -> Response:
    """OPEA's first form: a document with the transcript as the query."""
    return JSONResponse(LLMParamsDoc(query=transcript.text).model_dump(mode="json"))


def formatted(transcript: Transcript, wishes: TranscriptionRequest) -> Response:
    """The answer of `POST /v1/audio/transcriptions` in the format asked for."""
    match wishes.response_format:
        case "text":
            return PlainTextResponse(transcript.text + "\n")
        case "srt":
            return PlainTextResponse(srt(transcript), media_type="application/x-subrip")
        case "vtt":
            return PlainTextResponse(vtt(transcript), media_type="text/vtt")
        case "verbose_json":
            return JSONResponse(_verbose(transcript, wishes))
        case "json":
            return JSONResponse({"text": transcript.text})


def _verbose(transcript: Transcript, wishes: TranscriptionRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": _LANGUAGE_NAMES.get(primary(transcript.language), transcript.language),
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
    }
    if "segment" in wishes.timestamp_granularities:
        body["segments"] = [
            {"id": number, "start": round(line.start, 3), "end": round(line.end, 3), "text": line.text}
            for number, line in enumerate(captions(transcript))
        ]
    if "word" in wishes.timestamp_granularities:
        body["words"] = _words(transcript.words, "word")
    return body


def _words(words: tuple[Word, ...], name: str) -> list[dict[str, Any]]:
    return [{name: word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in words]


def message(transcript: Transcript) -> dict[str, Any]:
    """A message of `WS /v1/asr/stream`."""
    if not transcript.final:
        return {"type": "partial", "text": transcript.text}
    return {"type": "final", **asr_response(transcript).model_dump(exclude={"asr_result"})}


async def events(transcripts: AsyncIterator[Transcript]) -> AsyncGenerator[bytes, None]:
    """Server-sent events as OpenAI's: text as it is certain, then all of it; an error is a last event.

    What was sent cannot be taken back, so a partial that changes earlier text waits for the next.
    """
    sent = ""
    try:
        async for transcript in transcripts:
            if transcript.text.startswith(sent) and transcript.text != sent:
                yield _event({"type": "transcript.text.delta", "delta": transcript.text[len(sent) :]})
                sent = transcript.text
            if transcript.final:
                yield _event({"type": "transcript.text.done", "text": transcript.text})
    except AvatarError as error:
        yield _event({"type": "error", **error_body(error, SERVICE)})


def _event(body: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (str(body["type"]).encode(), orjson.dumps(body))
