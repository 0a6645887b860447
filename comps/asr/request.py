"""What clients ask of the ASR service, over HTTP as JSON or a form, and over a WebSocket."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator
from starlette.datastructures import FormData, UploadFile

from comps.asr.engine import AsrOptions
from comps.asr.languages import language_tag
from comps.asr.settings import AsrSettings
from comps.asr.table import TABLE
from comps.core.errors import BadRequestError, UnknownChoiceError, UnprocessableError
from comps.core.media.base64_data import decoded_base64
from comps.core.web.json_body import parsed
from comps.core.web.problems import refusal

ResponseFormat = Literal["json", "text", "verbose_json", "srt", "vtt"]
Granularity = Literal["word", "segment"]
MAX_PROMPT_CHARS = 4000
WishesT = TypeVar("WishesT", bound="Wishes")

USUAL_MODELS = frozenset({"", "whisper-1", "openai/whisper-small", "default"})
"""Names that clients send without meaning any model: they get the configured engine."""


class Wishes(BaseModel):
    """How to recognise. `language` is a tag or an English name; empty and ``auto`` leave it to the engine."""

    engine: str | None = None
    language: str | None = None
    prompt: str = Field("", max_length=MAX_PROMPT_CHARS)
    temperature: float = Field(0.0, ge=0, le=1)

    def options(self, settings: AsrSettings) -> AsrOptions:
        """For the engine; raises UnknownChoiceError for what is no language."""
        return AsrOptions(language_tag(self.language or settings.language), self.prompt, self.temperature)


class AsrRequest(Wishes):
    """Body of `POST /v1/asr`: `audio` is base64 of any common container; `byte_str` is its older name."""

    audio: str

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("byte_str") is not None:
            if body.get("audio") not in (None, body["byte_str"]):
                raise ValueError("'audio' and 'byte_str' are two names of one field and must not differ")
            return {**body, "audio": body["byte_str"]}
        return body


def _as_list(value: Any) -> Any:
    """Forms carry one value, several, or several in one with commas."""
    values = value if isinstance(value, list) else [value]
    return [part for item in values for part in (item.split(",") if isinstance(item, str) else [item])]


class TranscriptionRequest(Wishes):
    """The fields of OpenAI's `POST /v1/audio/transcriptions` besides the file."""

    model: str = ""
    response_format: ResponseFormat = "json"
    timestamp_granularities: Annotated[tuple[Granularity, ...], BeforeValidator(_as_list)] = ("segment",)
    stream: bool = False

    def engine_name(self, default_model: str) -> str | None:
        """The engine asked for by `engine`, or by `model`; raises UnknownChoiceError for a model that is not there."""
        if self.engine:
            return self.engine
        if self.model in TABLE.names:
            return self.model
        if self.model in USUAL_MODELS or self.model == default_model:
            return None
        known = ", ".join(sorted({*TABLE.names, *(USUAL_MODELS - {""})} | ({default_model} - {""})))
        raise UnknownChoiceError(f"there is no model '{self.model[:60]}' here; choose of: {known}", param="model")


class StreamStart(Wishes):
    """First message of `WS /v1/asr/stream`."""

    type: Literal["start"]
    sample_rate: int = Field(16000, ge=8000, le=192_000)


class Upload(BaseModel):
    """A transcription request with its audio. `legacy` marks OPEA's first form, whose answer is a document."""

    data: bytes
    wishes: TranscriptionRequest
    legacy: bool = False


async def read_upload(request: Request, settings: AsrSettings) -> Upload:
    """The upload of `POST /v1/audio/transcriptions`: a form with `file` (upload or base64), or JSON.

    Raises:
        BadRequestError: empty, or neither a form nor JSON.
        UnprocessableError: a field is missing or cannot be used.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _from_form(request, settings)
    body = await request.body()
    if not body:
        raise BadRequestError("the body is empty")
    try:
        fields = await parsed(body)
    except ValueError as error:
        raise BadRequestError("the body is neither a multipart form nor valid JSON") from error
    return await _from_json(fields, settings)


async def _from_json(fields: Any, settings: AsrSettings) -> Upload:
    if not isinstance(fields, dict):
        raise UnprocessableError("the body must be a JSON object")
    given = {name: fields.pop(name) for name in ("byte_str", "audio", "file") if fields.get(name) is not None}
    if not given:
        raise UnprocessableError("byte_str: field required", param="byte_str")
    name, text = next(iter(given.items()))
    if not all(isinstance(other, str) and other == text for other in given.values()):
        names = " and ".join(f"'{alias}'" for alias in given)
        raise UnprocessableError(f"{names} must be a string of base64, the same if both are sent", param=name)
    data = await decoded_base64(text, name, settings.max_body_bytes)
    return Upload(data=data, wishes=validated(TranscriptionRequest, fields), legacy="byte_str" in given)


async def _from_form(request: Request, settings: AsrSettings) -> Upload:
    async with request.form(max_files=4, max_fields=40, max_part_size=settings.max_body_bytes) as form:
        file = form.get("file")
        if file is None:
            raise UnprocessableError("file: field required", param="file")
        if isinstance(file, UploadFile):
            data = await file.read()
        else:
            data = await decoded_base64(file, "file", settings.max_body_bytes)
        return Upload(data=data, wishes=validated(TranscriptionRequest, _fields(form)))


def _fields(form: FormData) -> dict[str, Any]:
    """Form fields by name; ``name[]`` and repeated names become lists, empty ones count as not given."""
    found: dict[str, Any] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) and value and name != "file":
            if name.endswith("[]") or name in found:
                found.setdefault(name.removesuffix("[]"), []).append(value)
            else:
                found[name] = value if name != "timestamp_granularities" else [value]
    return found


def validated(model: type[WishesT], fields: dict[str, Any]) -> WishesT:
    """`fields` as a `model`; raises UnprocessableError that names the fields at fault."""
    try:
        return model(**fields)
    except ValidationError as error:
        refused = refusal(error.errors(include_url=False, include_input=False))
        # of a list the field is told, as forms have no names for its entries
        refused.param = (refused.param or "").partition(".")[0] or None
        raise refused from error
