"""``POST /v1/audio2face``: a recording in, its animation out, streamed or as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Depends, Request
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import StreamingResponse

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.export.exporter import FORMATS, Exporter, Format, format_named
from comps.animation.audio2face.export.gltf import GltfExporter
from comps.animation.audio2face.export.json_frames import JsonLines, dumps
from comps.animation.audio2face.export.take import Take, poses_of
from comps.animation.audio2face.inference.model import SAMPLE_RATE
from comps.animation.audio2face.pipeline import ClipPipeline, Frames
from comps.animation.audio2face.web.host import FaceHost, host_of
from comps.animation.audio2face.web.wanted import ClipParameters, refusal
from comps.core.error_shape import error_body
from comps.core.errors import AvatarError, BadRequestError, UnprocessableError
from comps.core.media.audio import decode_audio
from comps.core.media.base64_data import decoded_base64

PIECE_S = 1.0
"""Audio animated at once: frames leave, and a client that has gone is noticed, between two pieces."""
_FORM = "multipart/form-data"
_DEFAULT = next(iter(FORMATS.values()))

router = APIRouter(prefix="/v1", tags=["audio2face"])


def _host(request: Request) -> FaceHost:
    return host_of(request)


@router.post(
    "/audio2face",
    summary="Blend shapes, emotions and gaze of a recording",
    response_class=StreamingResponse,
    responses={200: {"content": {row.media_type: {} for row in FORMATS.values()}}},
)
async def animate(request: Request, host: Annotated[FaceHost, Depends(_host)]) -> StreamingResponse:
    """A form (`file`, `mesh`, and `parameters` as JSON) or JSON with `audio` in base64 and the fields of a gRPC header.

    `format`, or `Accept`, chooses among NDJSON frame by frame, JSON, NVIDIA's CSV, Live Link Face CSV, .glb and .usda.
    """
    given = await _given(request, host)
    body = _written(given, host)
    # The first piece is awaited here, so that whatever goes wrong at the start still gets its own status.
    first = await anext(body)
    name = f"attachment; filename=animation{given.format.suffix}"
    return StreamingResponse(
        _continued(first, body, given.format),
        media_type=given.format.media_type,
        headers={} if given.format is _DEFAULT else {"Content-Disposition": name},
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """A request, read: `audio` and `mesh` are files."""

    parameters: ClipParameters
    format: Format
    audio: bytes
    mesh: bytes | None


async def _given(request: Request, host: FaceHost) -> _Given:
    query = request.query_params.get("format", "")
    if request.headers.get("content-type", "").lower().startswith(_FORM):
        parameters, audio, mesh = await _from_form(request)
    else:
        parameters, audio, mesh = await _from_json(request, host)
    name = parameters.format or query
    chosen = format_named(name) if name else accepted(request.headers.get("accept", ""))
    if mesh is not None and chosen.name != "glb":
        raise UnprocessableError("'mesh' is for the format glb", param="mesh")
    return _Given(parameters, chosen, audio, mesh)


async def _from_form(request: Request) -> tuple[ClipParameters, bytes, bytes | None]:
    async with request.form(max_files=2, max_fields=8) as form:
        text = form.get("parameters", "{}")
        audio, mesh = (form.get(name) for name in ("file", "mesh"))
        if not isinstance(audio, UploadFile):
            raise UnprocessableError("'file' is missing: send the recording in it", param="file")
        try:
            parameters = ClipParameters.model_validate_json(text if isinstance(text, str) else await text.read())
        except ValidationError as error:
            raise refusal(error, "'parameters'") from error
        chosen = form.get("format")
        if isinstance(chosen, str):
            parameters = parameters.model_copy(update={"format": chosen})
        return parameters, await audio.read(), await mesh.read() if isinstance(mesh, UploadFile) else None


async def _from_json(request: Request, host: FaceHost) -> tuple[ClipParameters, bytes, bytes | None]:
    body = await request.body()
    if not body:
        raise BadRequestError("the body is empty: send a recording as a form or as JSON")
    try:
        parameters = await anyio.to_thread.run_sync(ClipParameters.model_validate_json, body)
    except ValidationError as error:
        raise refusal(error) from error
    if not parameters.audio:
        raise UnprocessableError("'audio' is missing: send the recording as base64", param="audio")
    most = host.settings.max_body_bytes
    audio = await decoded_base64(parameters.audio, "audio", most)
    return parameters, audio, await decoded_base64(parameters.mesh, "mesh", most) if parameters.mesh else None


def accepted(header: str) -> Format:
    """The format whose media type an ``Accept`` header likes best, the first of `FORMATS` where it leaves the choice."""
    liked: dict[str, float] = {}
    for item in header.lower().split(","):
        name, *rest = (part.strip() for part in item.split(";"))
        weight = next((part[2:] for part in rest if part.startswith("q=")), "1")
        try:
            liked[name] = float(weight)
        except ValueError:
            liked[name] = 1.0
    rows = list(FORMATS.values())
    best = max(rows, key=lambda row: liked.get(row.media_type, 0.0))
    return best if liked.get(best.media_type, 0.0) > 0 else _DEFAULT


async def _written(given: _Given, host: FaceHost) -> AsyncGenerator[bytes, None]:
    """The pieces of the file; the clip has its place until the last."""
    parameters = given.parameters
    face = await host.face(parameters.fps)
    with host.stream(face):
        longest = host.longest_s(face)
        audio = await host.run(partial(decode_audio, given.audio, rate=SAMPLE_RATE, max_seconds=longest))
        pipeline = await host.run(partial(face.open, SAMPLE_RATE, parameters.request()))
        exporter = await host.run(partial(_exporter, given, Take(face.names, parameters.fps, SAMPLE_RATE)))
        ready = exporter.begin() + _warning(pipeline, exporter)
        async for frames in _frames(pipeline, pcm16(audio), parameters.keys(), host):
            ready += await host.run(partial(exporter.write, poses_of(frames)))
            if ready:
                yield ready
                ready = b""
        yield ready + await host.run(exporter.end)


async def _frames(pipeline: ClipPipeline, pcm: bytes, keys: Sequence[Key], host: FaceHost) -> AsyncIterator[Frames]:
    step = round(PIECE_S * SAMPLE_RATE) * 2
    for start in range(0, len(pcm), step):
        yield await host.run(partial(pipeline.push, pcm[start : start + step], keys if start == 0 else ()))
    yield await host.run(pipeline.finish)


def _exporter(given: _Given, take: Take) -> Exporter:
    if given.mesh is not None:
        return GltfExporter(take, given.mesh)
    if given.parameters.echo_audio and given.format is _DEFAULT:
        return JsonLines(take, echo=True)
    return given.format.open(take)


def pcm16(audio: NDArray[np.float32]) -> bytes:
    """Mono float32 in -1..1 as PCM16."""
    return np.round(audio * 32767.0).astype("<i2").tobytes()


def _warning(pipeline: ClipPipeline, exporter: Exporter) -> bytes:
    ignored = pipeline.parameters.ignored
    return dumps(ignored_message(ignored)) + b"\n" if ignored and isinstance(exporter, JsonLines) else b""


def ignored_message(names: Sequence[str]) -> dict[str, str]:
    """What a client is told about face parameters that do not exist."""
    shown = ", ".join(name[:40] for name in names[:20])
    return {"type": "warning", "message": f"unknown face parameters are ignored: {shown}"}


async def _continued(first: bytes, body: AsyncGenerator[bytes, None], row: Format) -> AsyncIterator[bytes]:
    """The rest of an answer that has begun: what fails then is a last line where there are lines, and cuts a file short."""
    async with aclosing(body):
        yield first
        try:
            async for piece in body:
                yield piece
        except AvatarError as error:
            if row is not _DEFAULT:
                raise
            yield dumps({"type": "error", **error_body(error, "animation")}) + b"\n"
