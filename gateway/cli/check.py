"""`avatarchatbot check`: a picture, a recording and a prompt looked at before any work is done with them."""

from __future__ import annotations

import base64
import mimetypes
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from gateway.cli.calls import call_json
from gateway.cli.failure import FAILED, USAGE, UsageFailureError, print_json, run, run_plain, say_error
from gateway.cli.output import check_writable, read_input, written_whole
from gateway.cli.session import gateway_client

_STYLES = {"error": "bold red", "warning": "yellow", "hint": "cyan"}
_OPTIONS = {"image": ("--image", ""), "audio": ("--audio", ""), "video": ("--audio", ""), "text": ("--prompt", "@")}
"""The option, and the sign before the file's name, for the first part of its MIME type."""
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
    """Print the findings; exit code 1 when something given cannot work, 2 when a file cannot be read."""
    material, unreadable = run_plain(lambda: _material(request))
    if unreadable:
        say_error("\n".join(unreadable))
    try:
        _report(request, material)
    except typer.Exit as end:
        raise typer.Exit(USAGE if unreadable and end.exit_code == FAILED else end.exit_code) from None
    if unreadable:
        raise typer.Exit(USAGE)


def _report(request: CheckRequest, material: dict[str, str]) -> None:
    """Print what is found in the material; ends the command when nobody answers, or some of it cannot work."""
    answer = run(lambda: _checked(request, material))
    written = _written(request, answer)
    if request.as_json:
        print_json({**answer, "fixed": written})
    else:
        _show(answer, written)
    if not answer["usable"]:
        raise typer.Exit(FAILED)


def refuse_bare(context: typer.Context) -> None:
    """End the command when files were given without the options that say what they are."""
    if context.args:
        given = dict(_given(context))
        bare = [_option(Path(file)) for file in context.args]
        twice = [option for option, _ in bare if option in given or [name for name, _ in bare].count(option) > 1]
        if twice:
            say_error(
                f"one file for each option: {twice[0]} can be given once only; check the others by themselves, each "
                f"with the option that says what it is"
            )
        else:
            asked = " ".join(f"{option} {value}".rstrip() for option, value in (*given.items(), *bare))
            say_error(f"say what each file is: avatarchatbot check {asked}")
        raise typer.Exit(USAGE)


def _given(context: typer.Context) -> Iterator[tuple[str, str]]:
    """The options of the command line and their values, as they can be typed again."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[parameter.name or ""]
        yield max(parameter.opts, key=len), "" if value is True else shlex.quote(str(value))


def _option(file: Path) -> tuple[str, str]:
    """The option that a file goes with, as its name tells, and its value."""
    kind = (mimetypes.guess_type(file.name, strict=False)[0] or "").partition("/")[0]
    name, sign = _OPTIONS.get(kind, ("--image|--audio|--prompt", ""))
    return name, shlex.quote(f"{sign}{file}")


async def _checked(request: CheckRequest, material: dict[str, str]) -> dict[str, Any]:
    body = {"engine": request.engine, "preset": request.preset, "fix": request.fix is not None, **material}
    if request.fix is not None and not request.fix.is_dir():
        raise UsageFailureError(f"the folder {request.fix} does not exist: make it first")
    async with gateway_client(request.url, ("animation",)) as client:
        answer: dict[str, Any] = await call_json(client, "POST", "/v1/check", json=body)
        return answer


def _material(request: CheckRequest) -> tuple[dict[str, str], list[str]]:
    """What can be looked at, by its field, and a sentence on each file that cannot be read.

    Raises UsageFailureError, with all of those sentences, when there is nothing to look at, not even an engine.
    """
    given, unreadable = dict[str, str](), list[str]()
    for name, read in _sources(request).items():
        try:
            given[name] = read()
        except UsageFailureError as error:
            unreadable.append(str(error))
    if not given and (unreadable or not request.engine):
        raise UsageFailureError("\n".join(unreadable) or "there is nothing to check: give --image, --audio or --prompt")
    return given, unreadable


def _sources(request: CheckRequest) -> dict[str, Callable[[], str]]:
    """How to get at each thing that was given."""
    sources: dict[str, Callable[[], str]] = {
        name: partial(_base64, path)
        for name, path in (("image", request.image), ("audio", request.audio))
        if path is not None
    }
    if (prompt := request.prompt) is not None:
        sources["prompt"] = partial(_text, Path(prompt[1:])) if prompt.startswith("@") else lambda: prompt
    return sources


def _base64(path: Path) -> str:
    return base64.b64encode(read_input(path)).decode()


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
    for name in ("image", "audio", "prompt", "together", "engine"):
        report = answer.get(name)
        if report is not None and not (name == "together" and _is_lacking(answer)):
            _show_report(console, name, report)
        if name in answer.get("steps", {}):
            _show_mended(console, name, answer, written.get(name))


def _is_lacking(answer: dict[str, Any]) -> bool:
    """Whether something given is of no use, so that what goes together with what was not looked at."""
    given = [answer[name]["findings"] for name in ("image", "audio") if answer.get(name)]
    return any(finding["severity"] == "error" for findings in given for finding in findings)


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
