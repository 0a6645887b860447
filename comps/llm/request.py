"""The body of `POST /v1/chat/completions`: OpenAI's, and OPEA's `LLMParamsDoc` with a `query`.

Every field below is honoured or refused with 422. Keys that are not listed have no effect.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from comps.core.errors import TooLargeError, UnprocessableError
from comps.llm.engine import LlmOptions, Message
from comps.llm.settings import LlmSettings

OPEA_DEFAULT_MODELS = frozenset({"", "tgi", "Intel/neural-chat-7b-v3-3"})
"""What OPEA's clients send when they mean "the model you have"."""

DEFAULT_MAX_TOKENS = 1024
"""OPEA's default."""

_MAX_STOPS = 16
_Stop = Annotated[str, Field(max_length=200)]

# Values that ask for nothing: absent, OPEA's defaults, and those that switch the field off.
_NEUTRAL: dict[str, frozenset[float | None]] = {
    "temperature": frozenset({None, 0, 0.01, 1}),
    "top_p": frozenset({None, 0, 0.95, 1}),
    "top_k": frozenset({None, 10}),
    "presence_penalty": frozenset({None, 0}),
    "frequency_penalty": frozenset({None, 0}),
    "repetition_penalty": frozenset({None, 1, 1.03}),
}


class TextPart(BaseModel):
    """One text part of a multimodal message; parts of other kinds are refused."""

    type: Literal["text"]
    text: str


class ChatTurn(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str | list[TextPart]

    @field_validator("role", mode="before")
    @classmethod
    def _developer_is_system(cls, role: object) -> object:
        return "system" if role == "developer" else role

    @property
    def text(self) -> str:
        """The words of the message, its parts joined by newlines."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """`include_usage`: one more chunk, without choices, carries the token counts."""

    include_usage: bool = False


class ResponseFormat(BaseModel):
    """Only plain text is written."""

    type: Literal["text"] = "text"


class ChatRequest(BaseModel):
    """A conversation to answer. `engine` and `language` are this project's own fields."""

    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    messages: str | list[ChatTurn] | None = None
    query: str | None = Field(None, description="OPEA's older name of a single question; answered with a text document")
    model: str | None = Field(None, max_length=200, description="empty, tgi and OPEA's default mean the configured one")
    engine: str = Field("", max_length=40, description="engine of this request; empty: the configured one")
    language: str | None = Field(
        None, max_length=35, description="BCP 47 tag of the answer; empty or auto: the question's"
    )
    max_tokens: int | None = Field(
        None, ge=1, validation_alias=AliasChoices("max_tokens", "max_completion_tokens", "max_new_tokens")
    )
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=1)
    n: Literal[1] | None = 1
    stop: _Stop | Annotated[list[_Stop], Field(max_length=_MAX_STOPS)] | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    frequency_penalty: float | None = Field(None, ge=-2, le=2, allow_inf_nan=False)
    repetition_penalty: float | None = Field(None, gt=0, le=2, allow_inf_nan=False)
    response_format: ResponseFormat | None = None
    logprobs: Literal[False] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    user: str | None = Field(None, max_length=256)

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.messages is not None and self.query is not None:
            raise ValueError("'messages' and 'query' both hold the question: send one of them")
        turns = self.turns
        if not turns or turns[-1].role != "user" or not turns[-1].text.strip():
            raise ValueError("there is no question: send 'messages' that end with a message of the user")
        return self

    @property
    def turns(self) -> list[ChatTurn]:
        """The conversation as messages; plain text is one message of the user."""
        given = self.messages if self.messages is not None else self.query
        if isinstance(given, list):
            return given
        return [ChatTurn(role="user", content=given)] if given else []

    @property
    def wants_configured_model(self) -> bool:
        """Whether `model` names no particular one."""
        return (self.model or "") in OPEA_DEFAULT_MODELS

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings, empty ones left out."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in given if text)

    def conversation(self, settings: LlmSettings) -> tuple[Message, ...]:
        """System messages and the latest others, within the limits of `settings`; raises TooLargeError."""
        turns = self.turns
        if len(turns) > settings.max_messages:
            raise TooLargeError(f"a request may have {settings.max_messages} messages", param="messages")
        if sum(len(turn.text) for turn in turns) > settings.max_characters:
            raise TooLargeError(f"the messages may have {settings.max_characters} characters", param="messages")
        others = [index for index, turn in enumerate(turns) if turn.role != "system"]
        oldest = others[-settings.history_messages :][0]
        return tuple(Message(t.role, t.text) for i, t in enumerate(turns) if t.role == "system" or i >= oldest)

    def options(self, settings: LlmSettings) -> LlmOptions:
        """The choices of this request."""
        return LlmOptions(
            model="" if self.wants_configured_model or not settings.forward_model else self.model or "",
            language="" if (self.language or "").lower() == "auto" else self.language or "",
            max_tokens=min(self.max_tokens or DEFAULT_MAX_TOKENS, settings.max_tokens),
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            stop=self.stops,
            seed=self.seed,
            user=self.user or "",
        )

    def require_no_sampling(self, engine: str) -> None:
        """Raise UnprocessableError when a sampling field asks an engine that does not sample for something."""
        for name, neutral in _NEUTRAL.items():
            value = getattr(self, name)
            if value not in neutral:
                raise UnprocessableError(
                    f"engine '{engine}' does not sample, so it cannot honour {name}={value}; leave the field out",
                    param=name,
                )
