"""The commands that make a video: ask, say, animate."""

from __future__ import annotations

import base64
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.download import download
from gateway.cli.events import answer_events
from gateway.cli.explained import about_files, check_body
from gateway.cli.failure import UsageFailureError, print_json, run
from gateway.cli.named_avatar import id_of
from gateway.cli.output import check_writable, read_input, written_whole
from gateway.cli.presets import plan_of
from gateway.cli.progress import AnswerProgress, answer_progress
from gateway.cli.session import gateway_client

if TYPE_CHECKING:
    import httpx
    from pydantic import BaseModel

_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}


@dataclass(frozen=True, slots=True)
class Look:
    """Options about the picture; empty and 0 leave the choice to the gateway."""

    avatar: str = ""
    engine: str = ""
    preset: str = ""
    fps: int = 0
    size: int = 0
    prompt: str = ""
    backdrop: str = ""

    def body(self) -> dict[str, Any]:
        """The request's fields; raises UsageFailureError for a picture that is not there, or a backdrop that none is."""
        _check_backdrop(self.backdrop)
        given = {
            "engine": self.engine,
            "preset": self.preset,
            "fps": self.fps,
            "size": self.size,
            "prompt": self.prompt,
            "backdrop": self.backdrop,
        }
        return {name: value for name, value in given.items() if value} | _face(self.avatar)


@dataclass(frozen=True, slots=True)
class Common:
    """Options that every command here has."""

    output: Path
    look: Look = Look()
    url: str = ""
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One video to make: where to ask, with what, which services that takes, and the recording it came from."""

    path: str
    body: dict[str, Any]
    stages: tuple[str, ...]
    sound: Path | None = None


def ask_question(question: Path | None, text: str | None, speech: dict[str, str], common: Common) -> None:
    """`avatarchatbot ask`."""

    def job() -> Job:
        if (question is None) == (text is None):
            raise UsageFailureError("ask with a recording or with --text, one of them")
        if text is not None and not text.strip():
            raise UsageFailureError("there is nothing to ask")
        if question is not None and _is_words(question):
            raise UsageFailureError(f"there is no file {question}; a question in writing goes after --text")
        asked = {"text": text} if question is None else {"audio": _base64(question)}
        stages = ("llm", "tts", "animation") if question is None else ("asr", "llm", "tts", "animation")
        return Job("/v1/avatarchatbot/stream", {**asked, **speech, **common.look.body()}, stages, question)

    run(lambda: _make(job, common, None))


def say_text(text: str, speech: dict[str, str], alignment: Path | None, common: Common) -> None:
    """`avatarchatbot say`."""

    def job() -> Job:
        if not text.strip():
            raise UsageFailureError("there is nothing to say")
        return Job("/v1/say", {"text": text, **speech, **common.look.body()}, ("tts", "animation"))

    run(lambda: _make(job, common, alignment))


def animate_recording(speech: Path, common: Common) -> None:
    """`avatarchatbot animate`."""

    def job() -> Job:
        return Job("/v1/animate", {"audio": _base64(speech), **common.look.body()}, ("animation",), speech)

    run(lambda: _make(job, common, None))


async def _make(job: Any, common: Common, alignment: Path | None) -> None:
    if common.output.suffix.lower() != ".mp4" and not common.output.is_dir():
        raise UsageFailureError(f"{common.output} does not end in .mp4; only MP4 can be written")
    for path in (common.output, alignment):
        if path is not None:
            check_writable(path)
    wanted: Job = job()
    check_body(_model(wanted.path), wanted.body)
    picture = Path(common.look.avatar) if "image" in wanted.body else None
    async with gateway_client(common.url, wanted.stages) as client:
        with answer_progress(quiet=common.as_json) as progress, about_files(sound=wanted.sound, picture=picture):
            if "avatar" in wanted.body:
                wanted.body["avatar"] = await id_of(client, wanted.body["avatar"])
            progress.expect(await plan_of(client, common.look))
            result = await _finished(client, wanted, progress)
            await download(client, result["video_path"], common.output)
        if alignment is not None:
            _write_alignment(result, alignment)
    _report(result, common, alignment)


def _model(path: str) -> type[BaseModel]:
    """What a route takes."""
    from gateway.request import AnimateRequest, AvatarChatRequest, SayRequest

    models: dict[str, type[BaseModel]] = {"/v1/say": SayRequest, "/v1/animate": AnimateRequest}
    return models.get(path, AvatarChatRequest)


async def _finished(client: httpx.AsyncClient, job: Job, progress: AnswerProgress) -> dict[str, Any]:
    result: dict[str, Any] = {}
    async for name, data in answer_events(client, job.path, job.body):
        progress.note(name, data)
        if name == "done":
            result = data
    return result


def _write_alignment(result: dict[str, Any], path: Path) -> None:
    import orjson

    phones = [phone for sentence in result["sentences"] for phone in sentence["phones"]]
    with written_whole(path) as file:
        file.write(orjson.dumps(phones, option=orjson.OPT_INDENT_2))


def _report(result: dict[str, Any], common: Common, alignment: Path | None) -> None:
    if common.as_json:
        files = {"output": str(common.output), "alignment": None if alignment is None else str(alignment)}
        print_json(
            {**files, **{name: value for name, value in result.items() if name not in ("video_url", "video_path")}}
        )
        return
    first = result["timings"]["first_fragment_s"]
    sys.stdout.write(
        f"{common.output}: {result['duration_s']:.2f} s, {result['frames']} frames of "
        f"{result['width']}x{result['height']} at {result['fps']:g} fps; first picture after {first:.2f} s\n"
    )


def _check_backdrop(name: str) -> None:
    from comps.animation.direction.backdrop import Backdrop
    from comps.core.errors import UnknownChoiceError

    try:
        Backdrop.parse(name)
    except UnknownChoiceError as error:
        raise UsageFailureError(f"--backdrop: {error.message}") from error


def _face(avatar: str) -> dict[str, str]:
    """The request's field for an avatar's id or a picture."""
    path = Path(avatar)
    if avatar and path.is_file():
        return {"image": _base64(path)}
    if path.suffix.lower() in _PICTURES or len(path.parts) > 1:
        raise UsageFailureError(f"there is no picture {avatar}")
    return {"avatar": avatar} if avatar else {}


def _is_words(question: Path) -> bool:
    """Whether what should be a recording looks like a question in writing."""
    words = str(question)
    # os.path, as Path.exists raises for words too long to be a name
    return (" " in words or words.endswith(("?", "？"))) and not os.path.exists(question)


def _base64(path: Path) -> str:
    return base64.b64encode(read_input(path)).decode()
