"""`avatarchatbot avatars`: find the points of a face, register it, forget it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gateway.cli.calls import call, call_json, place
from gateway.cli.explained import about_files
from gateway.cli.failure import UsageFailureError, print_json, run
from gateway.cli.output import check_writable, read_input, written_whole
from gateway.cli.session import gateway_client

_STAGES = ("animation",)


def rig_image(image: Path, output: Path | None, preview: Path | None, *, as_json: bool) -> None:
    """`avatars rig`: the points of a face, found here without registering it."""
    run(lambda: _rig(image, output, preview, as_json=as_json))


async def _rig(image: Path, output: Path | None, preview: Path | None, *, as_json: bool) -> None:
    for path in (output, preview):
        if path is not None:
            check_writable(path)
    files = {"file": (image.name, read_input(image))}
    async with gateway_client("", _STAGES) as client:
        with about_files(picture=image):
            avatar = await call_json(client, "POST", "/v1/avatars", files=files, data={"temporary": "true"})
        place = f"/v1/avatars/{avatar['id']}"
        rig = (await call(client, "GET", f"{place}/rig")).content
        drawn = (await call(client, "GET", f"{place}/preview.png")).content if preview else b""
    for path, data in ((output, rig), (preview, drawn)):
        if path is not None:
            with written_whole(path) as file:
                file.write(data)
    report = {**avatar, "rig": _name(output), "preview": _name(preview)}
    _say(report, f"{image}: face found, confidence {avatar['confidence']:.2f}", as_json=as_json)


def add_avatar(image: Path, name: str, rig: Path | None, url: str, *, as_json: bool) -> None:
    """`avatars add`."""

    async def add() -> None:
        files = {"file": (image.name, read_input(image))}
        form = {"name": name} if name else {}
        if rig is not None:
            form["rig"] = _points(rig)
        async with gateway_client(url, _STAGES) as client:
            before = (await call_json(client, "GET", "/v1/avatars"))["avatars"] if name else []
            with about_files(picture=image):
                avatar = await call_json(client, "POST", "/v1/avatars", files=files, data=form)
        sentence = f"{avatar['name']} is avatar {avatar['id']}"
        if avatar["id"] in [known["id"] for known in before]:
            sentence = f"the picture is already there as {avatar['id']} ({avatar['name']}); its name stays"
        _say(avatar, sentence, as_json=as_json)

    run(add)


def delete_avatar(avatar: str, url: str, *, as_json: bool) -> None:
    """`avatars delete`."""

    async def delete() -> None:
        where = place("/v1/avatars", avatar)
        async with gateway_client(url, _STAGES) as client:
            await call(client, "DELETE", where)
        _say({"deleted": avatar}, f"avatar {avatar} is gone", as_json=as_json)

    run(delete)


def _points(path: Path) -> str:
    try:
        text = read_input(path).decode()
        json.loads(text)
    except ValueError as error:
        raise UsageFailureError(
            f"{path} has no points of a face; `avatarchatbot avatars rig -o` writes such files"
        ) from error
    return text


def _say(report: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    sys.stdout.write(f"{sentence}\n")
    for warning in report.get("warnings", ()):
        sys.stdout.write(f"  note: {warning}\n")


def _name(path: Path | None) -> str | None:
    return None if path is None else str(path)
