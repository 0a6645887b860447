"""The body of `POST /v1/avatarchatbot`: OPEA's request and what this product adds to it.

Every field below is honoured or refused with 422. Keys that are not listed are accepted and have no
effect, so that clients of newer or older OPEA releases keep working.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from gateway.skipped import OPEA_DEFAULT_MODEL, refuse_engines, refuse_fields

TEXT_CHARACTERS = 20_000
HISTORY_MESSAGES = 200

ResponseFormat = Literal["path", "url", "json", "object", "b64_json"]
PROMPT_CHARACTERS = 4000
PRESETS = ("quick", "standard", "quality")
"""Those of the animation service."""
Role = Literal["system", "user", "assistant"]


class TextPart(BaseModel):
    """One text part of a multimodal message; parts of other kinds are refused."""

    type: Literal["text"]
    text: str = Field(max_length=TEXT_CHARACTERS)


class ChatMessage(BaseModel):
    """One earlier turn of the conversation, or a system prompt."""

    role: Role
    content: str | list[TextPart]

    @field_validator("role", mode="before")
    @classmethod
    def _developer_is_system(cls, role: object) -> object:
        return "system" if role == "developer" else role

    @field_validator("content")
    @classmethod
    def _bounded(cls, content: str | list[TextPart]) -> str | list[TextPart]:
        if isinstance(content, str) and len(content) > TEXT_CHARACTERS:
            raise ValueError(f"a message has at most {TEXT_CHARACTERS} characters")
        return content

    @property
    def text(self) -> str:
        """The words of the message, its parts joined by newlines."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class EngineChoice(BaseModel):
    """One engine name per stage; an empty name means the stage's default."""

    model_config = ConfigDict(extra="forbid")

    asr: str = ""
    llm: str = ""
    tts: str = ""
    animation: str = ""


class Reply(BaseModel):
    """How the answer comes back."""

    stream: bool = Field(False, description="answer with server-sent events")
    response_format: ResponseFormat | None = None


class Sampling(BaseModel):
    """How the language model writes; None leaves it to the model. Ranges are the OpenAI API's."""

    model: str = Field("", max_length=200, description="a model the LLM service offers; OPEA's default means its own")
    max_tokens: int = Field(1024, ge=1, le=32_768)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=1)
    n: Literal[1] = 1
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    stop: Annotated[str, Field(max_length=200)] | Annotated[list[str], Field(max_length=16)] | None = None
    user: str | None = Field(None, max_length=256, description="the end user's id, handed to the LLM service")

    @field_validator("model")
    @classmethod
    def _opea_default(cls, model: str) -> str:
        return "" if model in {OPEA_DEFAULT_MODEL, "tgi"} else model

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings, empty ones left out."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in given if text)


class Appearance(BaseModel):
    """Who answers and how the picture is made."""

    avatar: str = Field("", max_length=100, description="id of a registered avatar; empty means the default presenter")
    image: str | None = Field(None, description="base64 of a picture to animate for this request only")
    preset: str = Field("", description="how much work the picture is worth; fps, size and enhancer overrule it")
    fps: int | None = Field(None, ge=5, le=60, description="frames per second; null takes the deployment's")
    size: int | None = Field(None, ge=64, le=1024, multiple_of=2, description="longer side of the video, pixels")
    emotion: str = Field("", max_length=40, description="mood of the whole answer, such as joy")
    prompt: str = Field("", max_length=PROMPT_CHARACTERS, description="mood, manner of moving and backdrop, in words")
    backdrop: str = Field("", max_length=40, description="own, blurred, studio, studio:COLOUR or plain:COLOUR")
    seed: int | None = Field(None, ge=0, lt=2**31, description="fixes the face's small motions, and the sampling")
    engine: str | EngineChoice = Field("", description="the animation engine, or one name per stage")
    enhancer: str = Field("", max_length=40, description="what makes the drawn faces better: gfpgan; none for nothing")
    enhancer_strength: float | None = Field(None, ge=0, le=1, description="0 shows faces as drawn, 1 as enhanced")

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, preset: str) -> str:
        if preset and preset not in PRESETS:
            raise ValueError(f"a preset is one of {', '.join(PRESETS)}")
        return preset

    @model_validator(mode="after")
    def _one_face(self) -> Self:
        if self.avatar and self.image is not None:
            raise ValueError("'avatar' and 'image' both say who answers: send one of them")
        return self

    @property
    def engines(self) -> EngineChoice:
        """The engine of each stage; a plain name chooses the animation engine."""
        return EngineChoice(animation=self.engine) if isinstance(self.engine, str) else self.engine


class Speech(BaseModel):
    """How the answer sounds."""

    voice: str = Field("default", max_length=100)
    language: str = Field("", max_length=35, description="BCP 47 tag; empty or auto detects it")

    @field_validator("language")
    @classmethod
    def _auto_is_empty(cls, language: str) -> str:
        return "" if language.lower() == "auto" else language

    @field_validator("voice")
    @classmethod
    def _empty_is_default(cls, voice: str) -> str:
        return voice or "default"


class SayRequest(Appearance, Speech, Reply):
    """`POST /v1/say`: a text to be spoken as it is."""

    text: str = Field(min_length=1, max_length=TEXT_CHARACTERS)

    @model_validator(mode="before")
    @classmethod
    def _only_its_fields(cls, body: object) -> object:
        return refuse_fields(body, _fields_of(AvatarChatRequest) - _fields_of(cls))

    @model_validator(mode="after")
    def _only_its_stages(self) -> Self:
        refuse_engines(self.engines, ("asr", "llm"))
        return self


class AnimateRequest(Appearance, Reply):
    """`POST /v1/animate`: a recording to be mouthed as it is."""

    audio: str = Field(description="base64 of a recording in any common container")

    @model_validator(mode="before")
    @classmethod
    def _only_its_fields(cls, body: object) -> object:
        return refuse_fields(body, _fields_of(AvatarChatRequest) - _fields_of(cls))

    @model_validator(mode="after")
    def _only_its_stages(self) -> Self:
        refuse_engines(self.engines, ("asr", "llm", "tts"))
        return self


class JobRequest(Appearance, Speech):
    """`POST /v1/jobs`: a long video, of a recording to be mouthed or of a text to be spoken."""

    audio: str | None = Field(None, description="base64 of a recording in any common container")
    text: str | None = Field(None, min_length=1, max_length=TEXT_CHARACTERS)

    @model_validator(mode="after")
    def _one_speech(self) -> Self:
        if (self.audio is None) == (self.text is None):
            raise ValueError("a job is of 'audio' (base64) or of 'text': send one of them")
        refuse_engines(self.engines, ("asr", "llm") if self.audio is None else ("asr", "llm", "tts"))
        if self.audio is not None:
            refuse_fields(self.model_dump(include={"voice", "language"}), ("voice", "language"))
        return self


class AvatarChatRequest(Sampling, Appearance, Speech, Reply):
    """A question, by sound (`audio`, alias `byte_str`), by `text`, or as the last of `messages`."""

    audio: str | None = Field(None, description="base64 of a recording in any common container")
    byte_str: str | None = Field(None, description="the older OPEA name of `audio`")
    text: str | None = Field(None, max_length=TEXT_CHARACTERS)
    messages: str | Annotated[list[ChatMessage], Field(max_length=HISTORY_MESSAGES)] | None = None
    session_id: str | None = Field(None, pattern=r"^[A-Za-z0-9._:-]{16,128}$", description="the gateway remembers it")

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.audio is not None and self.byte_str is not None and self.audio != self.byte_str:
            raise ValueError("'audio' and 'byte_str' are two names of one field and must not differ")
        if self.sound is not None and self.text is not None:
            raise ValueError("'audio' and 'text' both hold the question: send one of them")
        if self.sound is None and not self.question:
            raise ValueError(
                "there is no question: send 'audio' (base64), 'text', or 'messages' that end with the user's"
            )
        if self.sound is None:
            refuse_engines(self.engines, ("asr",))
        return self

    @property
    def sound(self) -> str | None:
        """The question's recording as base64, under either of its names."""
        return self.audio if self.audio is not None else self.byte_str

    @property
    def turns(self) -> list[ChatMessage]:
        """`messages` as a list; a plain string is one message of the user."""
        if isinstance(self.messages, str):
            return [ChatMessage(role="user", content=self.messages)] if self.messages else []
        return list(self.messages or ())

    @property
    def question(self) -> str:
        """The typed question: `text`, or the last message when no sound is sent and it is the user's."""
        if self.text is not None:
            return self.text.strip()
        if self.sound is None and self.turns and self.turns[-1].role == "user":
            return self.turns[-1].text.strip()
        return ""

    @property
    def history(self) -> list[ChatMessage]:
        """What was said before the question, oldest first."""
        asked_by_message = self.sound is None and self.text is None
        return self.turns[:-1] if asked_by_message else self.turns


def _fields_of(kind: type[BaseModel]) -> set[str]:
    return set(kind.model_fields)
