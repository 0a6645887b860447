"""From what clients send to a job: a recording as base64, or speech with its phones as framed messages."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

import anyio
from pydantic import ValidationError

from comps.animation.engine import Avatar
from comps.animation.jobs.job import Job, JobView
from comps.animation.jobs.runner import JobRunner
from comps.animation.jobs.store import JobStore, new_id
from comps.animation.requests import AnimationRequest, Look, StartMessage
from comps.animation.speech_input import SpeechClock, spoken
from comps.animation.studio import Studio
from comps.core.errors import (
    BadRequestError,
    EngineUnavailableError,
    NoSpeechError,
    NotFoundError,
    UnprocessableError,
    UpstreamError,
)
from comps.core.framing import Header, parse_speech, unpack_stream
from comps.core.media.audio import decode_audio
from comps.core.media.base64_data import decoded_base64
from comps.core.media.silence import is_silent
from comps.core.speech import SpeechChunk
from comps.core.web.problems import refusal

RATE = 24_000
"""Hz at which a recording is kept."""
LONGEST_GAP_S = 2.0
"""Seconds that the clock of speech may jump: what is left out costs its sender nothing, but is drawn and kept."""


@dataclass(frozen=True, slots=True)
class JobIntake:
    """Makes jobs of requests; what it raises is the client's mistake or says that there is no room."""

    studio: Studio
    store: JobStore
    runner: JobRunner

    async def recording(self, wanted: AnimationRequest) -> JobView:
        """A new job of a recording, in line."""
        self.runner.require_place()
        settings = self.studio.settings
        data = await decoded_base64(wanted.speech, "audio", settings.max_body_bytes)
        picture = await decoded_base64(wanted.image, "image", settings.max_body_bytes) if wanted.image else None
        avatar = await self.studio.avatar(wanted.avatar, picture)
        audio = await self.studio.in_thread(decode_audio, data, rate=RATE, max_seconds=settings.jobs_max_audio_s)
        if is_silent(audio):
            raise NoSpeechError("the audio is silent: there is nothing to say", param="audio")
        return await self._made(wanted, avatar, [chunk async for chunk in spoken(audio, RATE)])

    async def speech(self, body: AsyncIterator[bytes]) -> JobView:
        """A new job of framed messages: a ``start`` as of a live session, ``speech`` in order, and an ``end``."""
        self.runner.require_place()
        settings = self.studio.settings
        async with aclosing(unpack_stream(body)) as messages:
            try:
                header, _ = await anext(messages)
                start = _start(header)
                clock = SpeechClock(start.sample_rate, settings.jobs_max_audio_s, longest_gap_s=LONGEST_GAP_S)
                chunks = await _chunks(messages, clock)
            except StopAsyncIteration as error:
                raise BadRequestError("the body is empty: it is framed messages that begin with 'start'") from error
            except UpstreamError as error:
                raise BadRequestError(f"the body is not framed messages: {error.message}") from error
        if not clock.position:
            raise NoSpeechError("there is no speech in the body", param="speech")
        return await self._made(start, await self.studio.avatar(start.avatar), chunks)

    async def _made(self, look: Look, avatar: Avatar, chunks: Sequence[SpeechChunk]) -> JobView:
        studio = self.studio
        options = studio.options(look)
        # loaded now, so that what is missing is said here and not by a job that failed
        name = look.engine or studio.engines.default
        await studio.engines.get(name)
        await studio.enhancer(options.enhancer)
        job = Job(
            id=new_id(),
            created=time.time(),
            engine=name,
            options=options,
            sample_rate=chunks[0].sample_rate,
            samples=chunks[-1].first_sample + len(chunks[-1].pcm),
            segment_frames=max(1, math.ceil(studio.settings.jobs_segment_s * options.fps)),
        )
        with self.runner.place():
            return await self._begun(job, chunks, avatar)

    async def _begun(self, job: Job, chunks: Sequence[SpeechChunk], avatar: Avatar) -> JobView:
        """The job in line; of one whose id nobody learns, because of an error or as the client left, nothing stays."""
        try:
            job = await self.studio.in_thread(self.store.create, job, chunks, avatar)
            await self.runner.enqueue(job)
            return await self.runner.view(job.id)
        except BaseException:
            with anyio.CancelScope(shield=True), suppress(NotFoundError):
                await self._forget(job)
            raise

    async def _forget(self, job: Job) -> None:
        try:
            await self.runner.purge(job.id)
        except EngineUnavailableError:  # without locks nobody can be working on it
            await self.studio.in_thread(self.store.remove, job)


def _start(header: Header) -> StartMessage:
    try:
        return StartMessage.model_validate(header)
    except ValidationError as error:
        raise refusal(error.errors()) from error


async def _chunks(messages: AsyncIterator[tuple[Header, bytes]], clock: SpeechClock) -> list[SpeechChunk]:
    chunks: list[SpeechChunk] = []
    async for header, payload in messages:
        if header.get("type") == "end":
            return chunks
        if header.get("type") != "speech":
            raise BadRequestError(f"after 'start' come 'speech' and 'end', not {str(header.get('type'))[:40]!r}")
        try:
            chunks += clock.admit(parse_speech(header, payload))
        except ValueError as error:
            raise UnprocessableError(str(error), param="speech") from error
    raise BadRequestError("the speech broke off: its last message is 'end'")
