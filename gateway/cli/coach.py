"""The commands of the coach: `check` looks at inputs before any work is done with them, `compose` writes a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

# typer reads annotations at run time on every supported Python, where "X | None" is not yet understood
MaybePath = Optional[Path]  # noqa: UP045
MaybeText = Optional[str]  # noqa: UP045
MaybeInt = Optional[int]  # noqa: UP045
MaybeBool = Optional[bool]  # noqa: UP045
Url = Annotated[
    str, typer.Option("--url", help="A running gateway to use; without it everything runs in this process.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def check(
    context: typer.Context,
    image: Annotated[MaybePath, typer.Option(help="A picture of a face.", show_default=False)] = None,
    audio: Annotated[MaybePath, typer.Option(help="A recording of speech.", show_default=False)] = None,
    prompt: Annotated[MaybeText, typer.Option(help="A prompt, or @FILE with one.", show_default=False)] = None,
    engine: Annotated[str, typer.Option(help="The animation engine that they are for.")] = "",
    preset: Annotated[str, typer.Option(help="quick, standard or quality.")] = "",
    fix: Annotated[bool, typer.Option("--fix", help="Also write mended versions; originals stay as they are.")] = False,
    folder: Annotated[Path, typer.Option("-o", "--output", help="The folder that mended versions go to.")] = Path("."),
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Say what a picture, a recording and a prompt are good for, before any work is done with them.

    The exit code is 1 when one of them cannot work, and 2 when a file cannot be read.
    """
    from gateway.cli.check import CheckRequest, check_inputs, refuse_bare

    refuse_bare(context)
    fixed = folder if fix else None
    check_inputs(CheckRequest(image, audio, prompt, engine, preset, fixed, url, as_json))


def compose(
    preset: Annotated[
        str, typer.Option(help="What is not given is taken from: host, service desk or teacher.")
    ] = "host",
    sex: Annotated[str, typer.Option(help="female or male.")] = "",
    age: Annotated[MaybeInt, typer.Option(help="Years.", show_default=False)] = None,
    hair: Annotated[str, typer.Option(help='Such as "short grey hair".')] = "",
    clothing: Annotated[str, typer.Option(help='Such as "a navy suit".')] = "",
    glasses: Annotated[MaybeBool, typer.Option(help="Whether there are any.", show_default=False)] = None,
    posture: Annotated[str, typer.Option(help='Such as "stands behind a counter".')] = "",
    gesture: Annotated[str, typer.Option(help='Such as "small and made with open hands".')] = "",
    emotion: Annotated[str, typer.Option(help='Such as "friendly and attentive".')] = "",
    tone: Annotated[str, typer.Option(help='Of the voice, such as "lively and clear".')] = "",
    background: Annotated[str, typer.Option(help='Such as "a bookshelf".')] = "",
    lighting: Annotated[str, typer.Option(help='Such as "soft and comes from the left".')] = "",
    depth: Annotated[str, typer.Option(help="shallow or deep: whether the background is blurred.")] = "",
    style: Annotated[str, typer.Option(help='Such as "a television documentary".')] = "",
    as_json: AsJson = False,
) -> None:
    """Write a prompt of 100 to 200 words that says all that an engine drawing from text needs."""
    from comps.animation.coach.prompt.compose import compose_prompt
    from comps.animation.coach.prompt.fields import PromptFields
    from comps.animation.coach.prompt.text import read_text
    from gateway.cli.failure import print_json, run_plain

    def composed() -> str:
        fields = PromptFields(
            sex, age, hair, clothing, glasses, posture, gesture, emotion, tone, background, lighting, depth, style
        )
        return compose_prompt(fields, preset=preset)

    text = run_plain(composed)
    if as_json:
        print_json({"prompt": text, "words": read_text(text).words})
    else:
        typer.echo(text)
