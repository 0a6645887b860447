"""`avatarchatbot check`: a picture, a recording and a prompt looked at before any work is done with them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from gateway.cli.calls import call_json
from gateway.cli.failure import FAILED, UsageFailureError, print_json, run
from gateway.cli.output import check_writable, read_input, written_whole
from gateway.cli.session import gateway_client

_STYLES = {"error": "bold red", "warning": "yellow", "hint": "cyan"}
_SUFFIXES = {"image": ".png", "audio": ".wav", "prompt": ".txt"}


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to look at; `fix` is the folder that mended versions go to, None for none."""

    image: Path | None
    audio: Path | None
    prompt: str | None
    engine: str
    preset: str
    fix: Path | None
    url: str
    as_json: bool


def check_inputs(request: CheckRequest) -> None:
    """Print the findings; exit code 1 when something given cannot work."""
    answer = run(lambda: _checked(request))
    written = _written(request, answer)
    if request.as_json:
        print_json({**answer, "fixed": written})
    else:
        _show(answer, written)
    if not answer["usable"]:
        raise typer.Exit(FAILED)


async def _checked(request: CheckRequest) -> dict[str, Any]:
    body = _body(request)
    if request.fix is not None and not request.fix.is_dir():
        raise UsageFailureError(f"the folder {request.fix} does not exist")
    async with gateway_client(request.url, ("animation",)) as client:
        answer: dict[str, Any] = await call_json(client, "POST", "/v1/check", json=body)
        return answer


def _body(request: CheckRequest) -> dict[str, Any]:
    given: dict[str, Any] = {"engine": request.engine, "preset": request.preset, "fix": request.fix is not None}
    for name, path in (("image", request.image), ("audio", request.audio)):
        if path is not None:
            given[name] = base64.b64encode(read_input(path)).decode()
    if request.prompt is not None:
        named = request.prompt.startswith("@")
        given["prompt"] = _text(Path(request.prompt[1:])) if named else request.prompt
    if not {"image", "audio", "prompt"} & given.keys():
        raise UsageFailureError("there is nothing to check: give --image, --audio or --prompt")
    return given


def _text(path: Path) -> str:
    try:
        return read_input(path).decode()
    except UnicodeDecodeError as error:
        raise UsageFailureError(f"{path} is not text in UTF-8") from error


def _written(request: CheckRequest, answer: dict[str, Any]) -> dict[str, str]:
    """Write the mended versions beside no original: `me.jpg` becomes `me.fixed.png`, numbered when that is there."""
    fixed: dict[str, str] = answer.pop("fixed", None) or {}
    if request.fix is None:
        return {}
    sources = {"image": request.image, "audio": request.audio, "prompt": Path("prompt")}
    written = {}
    for name, value in fixed.items():
        path = _free(request.fix, (sources[name] or Path(name)).stem, _SUFFIXES[name])
        data = value.encode() if name == "prompt" else base64.b64decode(value)
        _write(path, data)
        written[name] = str(path)
    return written


def _write(path: Path, data: bytes) -> None:
    """Write a file whole, with the ends of a command."""

    async def write() -> None:
        check_writable(path)
        with written_whole(path) as file:
            file.write(data)

    run(write)


def _free(folder: Path, stem: str, suffix: str) -> Path:
    path = folder / f"{stem}.fixed{suffix}"
    number = 2
    while path.exists():
        path, number = folder / f"{stem}.fixed-{number}{suffix}", number + 1
    return path


def _show(answer: dict[str, Any], written: dict[str, str]) -> None:
    console = Console()
    for name in ("image", "audio", "prompt", "together"):
        report = answer.get(name)
        if report is not None:
            _show_report(console, name, report)
        if name in answer.get("steps", {}):
            _show_mended(console, name, answer, written.get(name))


def _show_mended(console: Console, name: str, answer: dict[str, Any], path: str | None) -> None:
    if path is None:
        console.print(Text("  there is nothing that could be mended", style="dim"))
        return
    for step in answer["steps"][name]:
        console.print(Padding(Text.assemble(("mended   ", "green"), _sentence(step)), (0, 0, 0, 2)))
    _show_report(console, path, answer["after"][name])


def _show_report(console: Console, name: str, report: dict[str, Any]) -> None:
    findings = report["findings"]
    console.print(Text(name, style="bold") + Text("" if findings else "  nothing to say against it", style="green"))
    for finding in findings:
        severity = finding["severity"]
        line = Text.assemble((f"{severity:<9}", _STYLES[severity]), _sentence(finding["message"]))
        console.print(Padding(line, (0, 0, 0, 2)))
        console.print(Padding(Text(finding["advice"], style="dim"), (0, 0, 0, 11)))


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:]
