"""``/v1/avatars``: register a face, look at its rig, move its points, forget it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from comps.animation.avatar_folder import AvatarInfo, encode_png
from comps.animation.engines.portrait.rig.preview import draw_preview
from comps.animation.engines.portrait.rig.rig import Rig
from comps.animation.footage import FootageLimits
from comps.animation.requests import NewAvatar
from comps.animation.studio import Studio, studio_dependency
from comps.core.errors import BadRequestError, UnprocessableError, UnsupportedMediaError
from comps.core.media.base64_data import decoded_base64
from comps.core.media.image import decode_image
from comps.core.web.json_body import parsed
from comps.core.web.problems import refusal

StudioHere = Annotated[Studio, Depends(studio_dependency)]
Document = dict[str, Any]

router = APIRouter(prefix="/v1/avatars", tags=["avatars"])
_PNG = "image/png"


@router.get("", summary="Every avatar, the default one first")
async def list_avatars(studio: StudioHere) -> Document:
    """All avatars with their names, sizes and warnings."""
    return {"avatars": [_document(info) for info in await studio.in_thread(studio.avatars.list)]}


@router.post("", status_code=201, summary="Register a picture or a video of a face")
async def add_avatar(request: Request, studio: StudioHere) -> Document:
    """A multipart form (`file`, `name`, `rig`, `voice`) or JSON (`image` in base64, `name`, `rig`, `voice`).

    A video goes in the same field; engines that cannot use it take its first frame with a face.

    With `temporary=true` in the form the avatar serves the next requests by its id, is not listed, and is forgotten
    when newer ones need its place.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=8) as form:
            given = await _from_form(form)
            if form.get("temporary") == "true":
                return _document(await studio.in_thread(_borrow, studio, given.picture))
    else:
        given = await _from_json(request, studio)
    return _document(await studio.in_thread(_add, studio, given))


@router.get("/{avatar}", summary="One avatar")
async def get_avatar(avatar: str, studio: StudioHere) -> Document:
    """Its name, size, confidence and warnings."""
    return _document(await studio.in_thread(studio.avatars.get, avatar))


@router.delete("/{avatar}", status_code=204, summary="Forget an uploaded avatar")
async def delete_avatar(avatar: str, studio: StudioHere) -> Response:
    """422 for an avatar of the package."""
    await studio.in_thread(studio.avatars.delete, avatar)
    return Response(status_code=204)


@router.get("/{avatar}/rig", summary="The points of a face as JSON")
async def get_rig(avatar: str, studio: StudioHere) -> Response:
    """The document that PUT takes back."""
    rig = await studio.in_thread(studio.avatars.rig, avatar)
    return Response(rig.to_json(), media_type="application/json", headers={"Cache-Control": "no-cache"})


@router.put("/{avatar}/rig", summary="Move the points of an uploaded avatar")
async def put_rig(avatar: str, studio: StudioHere, rig: Annotated[Document, Body()]) -> Document:
    """The whole rig document with changed points; answers with the avatar and its warnings."""
    return _document(await studio.in_thread(studio.avatars.edit, avatar, _parse_rig(rig)))


@router.get("/{avatar}/image", summary="The picture of an avatar")
async def get_image(avatar: str, studio: StudioHere) -> Response:
    """A PNG."""
    path = (await studio.in_thread(studio.avatars.open, avatar)).image
    data = await studio.in_thread(path.read_bytes)
    return Response(data, media_type=_PNG, headers={"Cache-Control": "max-age=300"})


@router.get("/{avatar}/preview.png", summary="The picture with its points drawn over it")
async def get_preview(avatar: str, studio: StudioHere) -> Response:
    """A PNG, cropped to the face and enlarged so that every point can be judged."""
    data = await studio.in_thread(_preview, studio, avatar)
    return Response(data, media_type=_PNG, headers={"Cache-Control": "no-cache"})


@dataclass(frozen=True, slots=True)
class _Given:
    """What a client sent to be registered; `picture` is a file."""

    picture: bytes
    name: str
    rig: Rig | None
    voice: str


def _document(info: AvatarInfo) -> Document:
    return {"object": "avatar", **asdict(info)}


def _preview(studio: Studio, avatar: str) -> bytes:
    return encode_png(draw_preview(studio.avatars.picture(avatar), studio.avatars.rig(avatar)))


def _add(studio: Studio, given: _Given) -> AvatarInfo:
    settings = studio.settings
    try:
        pixels = decode_image(given.picture, max_pixels=settings.max_pixels)
    except UnsupportedMediaError:  # no picture: a video, or nothing that can be used
        if given.rig is not None:
            raise
        limits = FootageLimits(seconds=settings.max_avatar_video_s, pixels=settings.max_pixels)
        return studio.avatars.add_film(given.picture, given.name, given.voice, limits)
    return studio.avatars.add(pixels, given.name, given.rig, given.voice)


def _borrow(studio: Studio, picture: bytes) -> AvatarInfo:
    pixels = decode_image(picture, max_pixels=studio.settings.max_pixels)
    return studio.avatars.get(studio.avatars.temporary(pixels).id)


async def _from_form(form: FormData) -> _Given:
    file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if file is None:
        raise UnprocessableError("'file' is missing: send the picture in it", param="file")
    text = {key: value for key, value in form.items() if isinstance(value, str)}
    rig = _parse_rig(text["rig"]) if text.get("rig") else None
    name = text.get("name") or _stem(file.filename)
    return _Given(await file.read(), name, rig, text.get("voice", ""))


def _stem(filename: str | None) -> str:
    """A name to show, from the name of an uploaded file; never used as a path."""
    return (filename or "").replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]


async def _from_json(request: Request, studio: Studio) -> _Given:
    body = await request.body()
    if not body:
        raise BadRequestError("the body is empty: send a picture as a multipart form or as JSON")
    try:
        wanted = NewAvatar.model_validate(await parsed(body))
    except ValidationError as error:
        raise refusal(error.errors(include_url=False, include_input=False)) from error
    except ValueError as error:
        raise BadRequestError("the body is neither a multipart form nor JSON") from error
    picture = await decoded_base64(wanted.image, "image", studio.settings.max_body_bytes)
    return _Given(picture, wanted.name, _parse_rig(wanted.rig) if wanted.rig else None, wanted.voice)


def _parse_rig(document: str | Document) -> Rig:
    text = document if isinstance(document, str) else json.dumps(document)
    try:
        return Rig.from_json(text)
    except ValueError as error:
        raise UnprocessableError(f"rig: {error}", param="rig") from error
