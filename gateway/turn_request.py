"""From the bodies clients send to the `TurnRequest` the megaservice answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from comps.core.context import remaining_s
from comps.core.errors import NoSpeechError, TooLargeError
from comps.core.media.audio import decode_audio
from comps.core.media.base64_data import decode_base64
from comps.core.media.silence import is_silent
from comps.core.speech import SpeechChunk
from gateway.request import AnimateRequest, Appearance, AvatarChatRequest, JobRequest, Sampling, SayRequest, Speech
from gateway.settings import GatewaySettings
from gateway.turns import LONGER
from megaservice.flow.request import (
    ChatTurn,
    Engines,
    PictureOptions,
    SayText,
    SpokenAnswer,
    SpokenQuestion,
    TurnInput,
    TurnRequest,
    TypedQuestion,
    VoiceOptions,
)

ANIMATE_RATE_HZ = 24_000
_CHUNK_S = 0.25
_REPORT_S = 0.5
_SAMPLING_FIELDS = (
    "model",
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "user",
)


class Faces(Protocol):
    """Gives the avatar a request asks for."""

    async def avatar_of(self, body: Appearance) -> str:
        """Id of the registered avatar; a picture sent along is registered first."""


class FaceEngines(Protocol):
    """Knows whether the engine and the enhancer that a request names can be used."""

    async def require(self, body: Appearance) -> None:
        """Raise what is wrong with them."""


class Models(Protocol):
    """Knows which language models can be asked for."""

    async def require(self, model: str, engine: str) -> None:
        """Raise UnprocessableError for one that `engine` (empty: the usual one) does not offer."""


class Voices(Protocol):
    """Knows which voice goes with a face."""

    async def voice_of(self, avatar: str, language: str, engine: str) -> str:
        """The avatar's voice, or ``default``; quick, and never raises."""


@dataclass(frozen=True, slots=True)
class TurnBuilder:
    """Builds turns from bodies; what it raises is the client's mistake (413, 415, 422) or the animation service's."""

    settings: GatewaySettings
    faces: Faces
    voices: Voices
    engines: FaceEngines
    models: Models

    async def chat(self, body: AvatarChatRequest, memory: Sequence[ChatTurn] = ()) -> TurnRequest:
        """A question; `memory` is what the session said before, used when the body brings no `messages`."""
        asked = await self._question(body)
        await self.models.require(body.model, body.engines.llm)
        history = tuple(ChatTurn(turn.role, turn.text) for turn in body.history) or tuple(memory)
        picture = await self._picture(body)
        return TurnRequest(
            input=asked,
            history=history,
            language=body.language,
            engines=_engines(body),
            sampling=sampling_of(body, body.seed, self.settings),
            voice=await self._voice(body, body.engines.tts, picture),
            picture=picture,
            deadline_s=_deadline_s(self.settings),
        )

    async def say(self, body: SayRequest) -> TurnRequest:
        """A text spoken as it is."""
        picture = await self._picture(body)
        return TurnRequest(
            input=SayText(body.text),
            language=body.language,
            engines=_engines(body),
            voice=await self._voice(body, body.engines.tts, picture),
            picture=picture,
            deadline_s=_deadline_s(self.settings),
        )

    async def job(self, body: JobRequest) -> TurnRequest:
        """A text to be spoken for a job; the recording of one that has none is left to the animation service."""
        picture = await self._picture(body)
        voice = VoiceOptions() if body.text is None else await self._voice(body, body.engines.tts, picture)
        return TurnRequest(
            input=SayText(body.text or ""),
            language=body.language,
            engines=_engines(body),
            voice=voice,
            picture=picture,
            deadline_s=_deadline_s(self.settings),
        )

    async def animate(self, body: AnimateRequest) -> TurnRequest:
        """A recording mouthed as it is."""
        sound = await self._bytes(body.audio, "audio")
        pcm = await anyio.to_thread.run_sync(_decode_pcm, sound, self.settings.max_audio_s)
        return TurnRequest(
            input=SpokenAnswer(_chunks(pcm), ANIMATE_RATE_HZ, len(pcm) / ANIMATE_RATE_HZ),
            engines=_engines(body),
            picture=await self._picture(body),
            deadline_s=_deadline_s(self.settings),
        )

    async def _question(self, body: AvatarChatRequest) -> TurnInput:
        if body.sound is None:
            return TypedQuestion(body.question)
        return SpokenQuestion(await self._bytes(body.sound, "audio"))

    async def _bytes(self, encoded: str, param: str) -> bytes:
        return await anyio.to_thread.run_sync(decode_base64, encoded, param, self.settings.max_body_bytes)

    async def _voice(self, body: Speech, engine: str, picture: PictureOptions) -> VoiceOptions:
        if body.voice != VoiceOptions().voice:
            return VoiceOptions(voice=body.voice)
        return VoiceOptions(voice=await self.voices.voice_of(picture.avatar, body.language, engine))

    async def _picture(self, body: Appearance) -> PictureOptions:
        await self.engines.require(body)
        avatar = await self.faces.avatar_of(body)
        return PictureOptions(
            avatar=avatar,
            fps=body.fps or (None if body.preset else self.settings.fps),
            size=body.size or (None if body.preset else self.settings.size),
            emotion=body.emotion,
            prompt=body.prompt,
            backdrop=body.backdrop,
            seed=body.seed or 0,
            enhancer=body.enhancer,
            enhancer_strength=body.enhancer_strength,
            preset=body.preset,
        )


def sampling_of(body: Sampling, seed: int | None, settings: GatewaySettings) -> dict[str, object]:
    """The fields of the chat request: those that were given, under their OpenAI names.

    `settings` cap the length and name the model where the body does not.
    """
    named = {"model": settings.llm_model} if settings.llm_model else {}
    chosen = named | {name: getattr(body, name) for name in _SAMPLING_FIELDS if getattr(body, name) not in (None, "")}
    chosen["max_tokens"] = min(body.max_tokens, settings.max_tokens)
    if seed is not None:
        chosen["seed"] = seed
    if body.stops:
        chosen["stop"] = list(body.stops)
    return chosen


def _deadline_s(settings: GatewaySettings) -> float:
    """What is left for this request, less what it takes to report a stage that used it up."""
    left = remaining_s()
    return max(0.1, (settings.request_timeout_s if left is None else left) - _REPORT_S)


def _engines(body: Appearance) -> Engines:
    chosen = body.engines
    return Engines(asr=chosen.asr, llm=chosen.llm, tts=chosen.tts, animation=chosen.animation)


def _decode_pcm(sound: bytes, max_seconds: float) -> NDArray[np.int16]:
    """The recording as int16 `[n]`; raises NoSpeechError when nothing is to be heard in it, or TooLargeError."""
    try:
        samples = decode_audio(sound, rate=ANIMATE_RATE_HZ, max_seconds=max_seconds)
    except TooLargeError as error:
        raise TooLargeError(f"{error.message}; {LONGER}", param=error.param) from error
    if is_silent(samples):
        raise NoSpeechError("the audio is silent: there is nothing to say", param="audio")
    return np.round(samples * 32767.0).astype(np.int16)


async def _chunks(pcm: NDArray[np.int16]) -> AsyncIterator[SpeechChunk]:
    """Speech without phone times; the animation service finds them in the sound."""
    step = round(ANIMATE_RATE_HZ * _CHUNK_S)
    for start in range(0, len(pcm), step):
        yield SpeechChunk(
            pcm=pcm[start : start + step],
            sample_rate=ANIMATE_RATE_HZ,
            first_sample=start,
            last=start + step >= len(pcm),
        )
