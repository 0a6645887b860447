"""Bodies of the TTS service's requests."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, field_validator

from comps.core.errors import TooLargeError, UnknownChoiceError, UnprocessableError
from comps.core.media.audio import AudioFormat
from comps.tts.engine import TtsOptions
from comps.tts.settings import TtsSettings
from comps.tts.table import OPEA_NAMES, TABLE
from comps.tts.text import is_speakable, spoken_text

# Models that clients of OpenAI and OPEA send without meaning anything but "your speech model".
ANY_MODEL = frozenset({"", "tts-1", "tts-1-hd", "gpt-4o-mini-tts", "microsoft/speecht5_tts", "default"})

_LONG_CHARS = 2000


class SpeechOptions(BaseModel):
    """How to speak. Unknown keys are ignored, as OpenAI's and OPEA's servers do."""

    voice: str = Field("default", max_length=200, description="an id of GET /v1/voices")
    language: str = Field("", max_length=40, description="BCP 47 tag; empty: told by the voice or the letters")
    speed: float = Field(1.0, ge=0.25, le=4.0, allow_inf_nan=False, description="1 is normal")
    pitch: float = Field(1.0, ge=0.5, le=2.0, allow_inf_nan=False, description="1 is the voice's own")
    engine: str = Field("", max_length=100, description="an engine of this service; empty: the configured one")

    @field_validator("voice", "language", "speed", "pitch", "engine", mode="before")
    @classmethod
    def _null_is_default(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        return cls.model_fields[name].default if value is None else value

    def options(self) -> TtsOptions:
        """The choices an engine takes."""
        return TtsOptions(self.voice, self.language, self.speed, self.pitch)

    def engine_name(self, settings: TtsSettings) -> str:
        """The engine asked for; raises UnknownChoiceError that lists the engines."""
        name = self.engine or settings.engine
        return TABLE.spec(OPEA_NAMES.get(name, name)).name


class TtsRequest(SpeechOptions):
    """Body of `POST /v1/tts`."""

    text: str


class StreamRequest(TtsRequest):
    """Body of `POST /v1/tts/stream`; `sentence` is the number its messages carry."""

    sentence: int = Field(0, ge=0, le=2**31 - 1)


class SpeechRequest(SpeechOptions):
    """Body of `POST /v1/audio/speech`: OpenAI's with `input`, OPEA's older one with `text`."""

    input: str | None = None
    text: str | None = None
    model: str = Field("", max_length=200)
    response_format: AudioFormat = "mp3"
    stream_format: Literal["audio"] = "audio"

    @field_validator("model", "response_format", "stream_format", mode="before")
    @classmethod
    def _null_means_default(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        return cls.model_fields[name].default if value is None else value

    @property
    def legacy(self) -> bool:
        """OPEA's older form, which is answered with JSON."""
        return self.input is None and self.text is not None

    def words(self) -> str:
        """What to speak; raises UnprocessableError when there are two texts or none."""
        if self.input is None and self.text is None:
            raise UnprocessableError("input: what shall be spoken?", param="input")
        if self.input is not None and self.text is not None and self.input != self.text:
            raise UnprocessableError("'input' and 'text' are two names of one field and must not differ", param="text")
        return self.input if self.input is not None else self.text or ""

    def engine_name(self, settings: TtsSettings) -> str:
        """As for `SpeechOptions`; `model` may name an engine or the configured model, or mean any."""
        if not self.engine and (self.model in TABLE.names or self.model in OPEA_NAMES):
            return TABLE.spec(OPEA_NAMES.get(self.model, self.model)).name
        if self.model not in ANY_MODEL and self.model not in (settings.model, self.engine):
            known = ", ".join([*TABLE.names, *([settings.model] if settings.model else []), "tts-1"])
            raise UnknownChoiceError(f"no model is called '{self.model[:60]}'; it has: {known}", param="model")
        return super().engine_name(settings)


def check_text(text: str, settings: TtsSettings, param: str) -> str:
    """`text` when it can be spoken.

    Raises:
        TooLargeError: more characters than the service takes.
        UnprocessableError: not a letter and not a digit in it.
    """
    if len(text) > settings.max_text_chars:
        raise TooLargeError(
            f"{param} has {len(text)} characters; at most {settings.max_text_chars} are spoken", param=param
        )
    # Letters may be in what is not spoken (tags, link targets); a long text has others.
    if not is_speakable(text if len(text) > _LONG_CHARS else spoken_text(text, "en").text):
        raise UnprocessableError(f"{param} holds nothing that can be spoken", param=param)
    return text
