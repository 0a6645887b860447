"""``POST /v1/animation`` and its alias: a whole recording in, a whole video out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from numpy.typing import NDArray
from starlette.responses import StreamingResponse

from comps.animation.engine import Avatar
from comps.animation.requests import AnimationRequest
from comps.animation.session import AnimationSession
from comps.animation.speech_input import spoken
from comps.animation.studio import Studio, studio_dependency
from comps.core.errors import NoSpeechError
from comps.core.media.audio import decode_audio
from comps.core.media.base64_data import decoded_base64
from comps.core.media.silence import is_silent
from comps.core.media.video import Segment, remux_to_file
from comps.core.web.accept import DOCUMENT, VIDEO, preferred
from comps.core.web.json_body import JsonRoute

RATE = 24_000
"""Hz at which a recording is kept: all that speech needs."""

StudioHere = Annotated[Studio, Depends(studio_dependency)]
router = APIRouter(prefix="/v1", tags=["animation"], route_class=JsonRoute)


@router.post("/animation", summary="Animate a recording", response_model=None)
async def animate(
    wanted: AnimationRequest, request: Request, studio: StudioHere
) -> Response | dict[str, str | list[str]]:
    """The path of the finished MP4, and `notes` on what was done otherwise than asked.

    With `Accept: video/mp4` the MP4 itself, streamed as it is made.
    """
    audio, avatar = await _material(wanted, studio)
    if preferred(",".join(request.headers.getlist("accept")), (VIDEO, DOCUMENT)) == VIDEO:
        return await _streamed(wanted, avatar, audio, studio)
    path, notes = await _made(wanted, avatar, audio, studio)
    reply: dict[str, str | list[str]] = {"id": path.stem, "video_path": str(path), "wav2lip_result": str(path)}
    return {**reply, "notes": list(notes)} if notes else reply


@router.post("/wav2lip", summary="Animate a recording, under the name of OPEA's lip-sync server")
async def wav2lip(wanted: AnimationRequest, studio: StudioHere) -> dict[str, str]:
    """The path of the finished MP4."""
    audio, avatar = await _material(wanted, studio)
    path, _ = await _made(wanted, avatar, audio, studio)
    return {"wav2lip_result": str(path)}


async def _material(wanted: AnimationRequest, studio: Studio) -> tuple[NDArray[np.float32], Avatar]:
    settings = studio.settings
    data = await decoded_base64(wanted.speech, "audio", settings.max_body_bytes)
    picture = await decoded_base64(wanted.image, "image", settings.max_body_bytes) if wanted.image else None
    avatar = await studio.avatar(wanted.avatar, picture)
    audio = await studio.in_thread(decode_audio, data, rate=RATE, max_seconds=settings.max_audio_s)
    if is_silent(audio):
        raise NoSpeechError("the audio is silent: there is nothing to say", param="audio")
    return audio, avatar


async def _segments(
    session: AnimationSession, audio: NDArray[np.float32], studio: Studio
) -> AsyncGenerator[Segment, None]:
    writer = await studio.in_thread(session.writer)
    session.all_heard()
    async with aclosing(session.segments(spoken(audio, RATE), writer)) as segments:
        async for segment in segments:
            yield segment


async def _made(
    wanted: AnimationRequest, avatar: Avatar, audio: NDArray[np.float32], studio: Studio
) -> tuple[Path, tuple[str, ...]]:
    """The finished file and the engine's notes; what a failed or abandoned request wrote is removed."""
    part, path = await studio.in_thread(studio.outputs.reserve)
    try:
        async with (
            studio.session(wanted, avatar, RATE) as session,
            aclosing(_segments(session, audio, studio)) as segments,
        ):
            async for segment in segments:
                await studio.in_thread(_append, part, segment.data)
        await studio.in_thread(_finish, part, path)
        await studio.in_thread(studio.outputs.prune)
    finally:
        # A deletion takes microseconds and must also happen when the request is being cancelled.
        with suppress(FileNotFoundError):
            part.unlink()
    return path, session.notes


def _finish(part: Path, path: Path) -> None:
    """Write the progressive file beside its place and move it there at once."""
    draft = path.with_name(f".{path.stem}.draft.part")
    try:
        remux_to_file(part, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


async def _streamed(
    wanted: AnimationRequest, avatar: Avatar, audio: NDArray[np.float32], studio: Studio
) -> StreamingResponse:
    async def fragments() -> AsyncGenerator[bytes, None]:
        async with (
            studio.session(wanted, avatar, RATE) as session,
            aclosing(_segments(session, audio, studio)) as segments,
        ):
            async for segment in segments:
                yield segment.data

    body = fragments()
    # The first piece is awaited here, so that whatever goes wrong at the start still gets its own status.
    first = await anext(body)

    async def whole() -> AsyncGenerator[bytes, None]:
        async with aclosing(body):
            yield first
            async for piece in body:
                yield piece

    return StreamingResponse(whole(), media_type="video/mp4")
