"""The commands and their options. What they do is imported when one of them runs, so that `--help` is quick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer

from gateway.cli.a2f import a2f_app
from gateway.cli.coach import check, compose
from gateway.cli.jobs import jobs_app

app = typer.Typer(
    name="avatarchatbot",
    help="Ask a question aloud or in writing; a talking face answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
avatars_app = typer.Typer(help="The faces that can answer.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(avatars_app, name="avatars")
models_app = typer.Typer(
    help="The weights that some engines need: what there is, fetch it, check it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")
app.add_typer(a2f_app, name="a2f")
app.command(context_settings={"allow_extra_args": True})(check)  # to say which option a bare file belongs to
app.command()(compose)
app.add_typer(jobs_app, name="jobs")


@app.callback()
def one_thread_for_small_products() -> None:
    """Ask a question aloud or in writing; a talking face answers."""
    # read by numpy when it is first imported: its threads compete with rendering and encoding for the same cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


# typer reads annotations at run time on every supported Python, where "X | None" is not yet understood
MaybePath = Optional[Path]  # noqa: UP045
MaybeText = Optional[str]  # noqa: UP045

Url = Annotated[
    str, typer.Option("--url", help="A running gateway to use; without it everything runs in this process.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Face = Annotated[str, typer.Option("--avatar", help="An avatar's id or name, or a picture of a face.")]
Engine = Annotated[str, typer.Option("--engine", help="The animation engine.")]
Voice = Annotated[str, typer.Option("--voice", help="A voice; `avatarchatbot voices` lists them.")]
Language = Annotated[str, typer.Option("--language", help="Language as a BCP 47 tag, such as en or zh.")]
Fps = Annotated[int, typer.Option("--fps", help="Frames per second.", show_default="that of the settings, 25")]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        help="quick, standard or quality: how much work the picture is worth; `avatarchatbot presets` says what each costs.",
        show_default="standard",
    ),
]
Size = Annotated[
    int, typer.Option("--size", help="Longer side of the video, pixels.", show_default="that of the settings, 512")
]
Prompt = Annotated[
    str, typer.Option("--prompt", help="How to look, in words: mood, manner of moving and backdrop are read from it.")
]
BackdropName = Annotated[
    str,
    typer.Option(
        "--backdrop", help="Shown behind the face: blurred, studio, studio:blue, plain:white ...; own keeps it."
    ),
]
ModelsFolder = Annotated[
    MaybePath, typer.Option("--folder", help="The folder of models; AVATAR_MODELS_DIR or the usual one without it.")
]
_JOB = "Make it as a job, which keeps what is finished when it is interrupted: `avatarchatbot jobs --help`."
Output = Annotated[Path, typer.Option("-o", "--output", help="The MP4 to write.")]


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the gateway and its page.")] = 3009,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.")] = "127.0.0.1",
    asr_url: Annotated[str, typer.Option(help="Use this speech recognition service.")] = "",
    llm_url: Annotated[str, typer.Option(help="Use this language model service (any OpenAI-compatible one).")] = "",
    tts_url: Annotated[str, typer.Option(help="Use this speech service.")] = "",
    animation_url: Annotated[str, typer.Option(help="Use this animation service.")] = "",
    base_port: Annotated[
        int,
        typer.Option(min=0, max=65532, help="Put the services on this port and the three after it; 0: the usual ones."),
    ] = 0,
    profile: Annotated[
        str, typer.Option(help="The set of engines: embedded or cpu; xeon, gaudi, cuda and rocm are containers.")
    ] = "embedded",
) -> None:
    """Start and supervise the services, and serve the gateway and its page."""
    from gateway.cli.up import UpOptions, run_up

    urls = {"asr": asr_url, "llm": llm_url, "tts": tts_url, "animation": animation_url}
    run_up(UpOptions(host=host, port=port, urls=urls, base_port=base_port, profile=profile))


@app.command()
def ask(
    question: Annotated[MaybePath, typer.Argument(help="A recording of the question.", show_default=False)] = None,
    text: Annotated[MaybeText, typer.Option("--text", help="The question in writing.")] = None,
    output: Output = Path("answer.mp4"),
    avatar: Face = "",
    voice: Voice = "default",
    language: Language = "",
    engine: Engine = "",
    preset: Preset = "",
    fps: Fps = 0,
    size: Size = 0,
    prompt: Prompt = "",
    backdrop: BackdropName = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Ask a question and keep the answer as a video."""
    from gateway.cli.make import Common, Look, ask_question

    look = Look(avatar, engine, preset, fps, size, prompt, backdrop)
    common = Common(output=output, look=look, url=url, as_json=as_json)
    ask_question(question, text, {"voice": voice, "language": language}, common)


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say.")],
    output: Output = Path("say.mp4"),
    avatar: Face = "",
    voice: Voice = "default",
    language: Language = "",
    alignment: Annotated[
        MaybePath, typer.Option(help="Also write the phones as JSON: [{phone, start, end}, ...], seconds.")
    ] = None,
    engine: Engine = "",
    preset: Preset = "",
    fps: Fps = 0,
    size: Size = 0,
    prompt: Prompt = "",
    backdrop: BackdropName = "",
    job: Annotated[bool, typer.Option("--job", help=_JOB)] = False,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Speak a text as it is."""
    from gateway.cli.make import Common, Look, say_text

    look = Look(avatar, engine, preset, fps, size, prompt, backdrop)
    if job:
        from gateway.cli.job_runs import Delivery, say_as_job

        if alignment is not None:
            raise typer.BadParameter("--alignment is not written by a job")
        say_as_job(text, {"voice": voice, "language": language}, look, Delivery(output, url, as_json))
        return
    common = Common(output=output, look=look, url=url, as_json=as_json)
    say_text(text, {"voice": voice, "language": language}, alignment, common)


@app.command()
def animate(
    speech: Annotated[Path, typer.Argument(help="A recording of speech.")],
    output: Output = Path("animation.mp4"),
    avatar: Face = "",
    engine: Engine = "",
    preset: Preset = "",
    fps: Fps = 0,
    size: Size = 0,
    prompt: Prompt = "",
    backdrop: BackdropName = "",
    job: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--job/--no-job", help=_JOB, show_default="when the recording is longer than a minute"),
    ] = None,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Let a face mouth a recording."""
    from gateway.cli.job_runs import Delivery, animate_as_job, is_long
    from gateway.cli.make import Common, Look, animate_recording

    look = Look(avatar, engine, preset, fps, size, prompt, backdrop)
    if is_long(speech) if job is None else job:
        animate_as_job(speech, look, Delivery(output, url, as_json))
        return
    animate_recording(speech, Common(output=output, look=look, url=url, as_json=as_json))


@app.command()
def presets(
    engine: Annotated[str, typer.Option("--engine", help="The animation engine; the usual one without it.")] = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """List the presets and what a second of speech costs with each on this machine; measured where it is not known."""
    from gateway.cli.presets import list_presets

    list_presets(engine, url, as_json=as_json)


@app.command()
def voices(
    language: Annotated[str, typer.Option(help="Only voices of this language.")] = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """List the voices and their languages."""
    from gateway.cli.listing import list_voices

    list_voices(language, url, as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which engines can run, which ports are taken, and what to do about it."""
    from gateway.cli.doctor import run_doctor

    run_doctor(as_json=as_json)


@avatars_app.command("list")
def avatars_list(url: Url = "", as_json: AsJson = False) -> None:
    """List the avatars."""
    from gateway.cli.listing import list_avatars

    list_avatars(url, as_json=as_json)


@avatars_app.command("rig")
def avatars_rig(
    image: Annotated[Path, typer.Argument(help="A picture of one face.")],
    output: Annotated[MaybePath, typer.Option("-o", "--output", help="Write the points as JSON.")] = None,
    preview: Annotated[MaybePath, typer.Option(help="Write a PNG with the points drawn over the picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find the points of a face and say how sure they are."""
    from gateway.cli.avatars import rig_image

    rig_image(image, output, preview, as_json=as_json)


@avatars_app.command("add")
def avatars_add(
    image: Annotated[Path, typer.Argument(help="A picture of one face.")],
    name: Annotated[str, typer.Option(help="Its name; the file's without one.")] = "",
    rig: Annotated[MaybePath, typer.Option(help="Its points as JSON, as `avatars rig -o` writes them.")] = None,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Register a face."""
    from gateway.cli.avatars import add_avatar

    add_avatar(image, name, rig, url, as_json=as_json)


@avatars_app.command("delete")
def avatars_delete(
    avatar: Annotated[str, typer.Argument(help="The id of an avatar you added.")],
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Forget a face."""
    from gateway.cli.avatars import delete_avatar

    delete_avatar(avatar, url, as_json=as_json)


@models_app.command("list")
def models_list(folder: ModelsFolder = None, as_json: AsJson = False) -> None:
    """List models, their state and their licences."""
    from gateway.cli.models import list_models

    list_models(folder, as_json=as_json)


@models_app.command("pull")
def models_pull(
    names: Annotated[list[str], typer.Argument(help="Models; `avatarchatbot models list` names them.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the licences, which are still shown.")] = False,
    mirror: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A folder on the web that has the files, tried first; may be given several times."),
    ] = None,
    folder: ModelsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Fetch models after showing their licences.

    An earlier try that was interrupted is continued.
    """
    from gateway.cli.models import PullRequest, pull_models

    pull_models(PullRequest(tuple(names), folder, tuple(mirror or ()), agreed=yes, as_json=as_json))


@models_app.command("verify")
def models_verify(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="Models; all that are there without one.", show_default=False),
    ] = None,
    folder: ModelsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Read models through and compare their hashes.

    The exit code is 1 when one is damaged, or a named one is missing.
    """
    from gateway.cli.models import verify_models

    verify_models(tuple(names or ()), folder, as_json=as_json)


@models_app.command("import")
def models_import(
    source: Annotated[Path, typer.Argument(help="A folder; it is searched with all folders in it.")],
    folder: ModelsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Take models from a folder; no internet needed.

    Files are recognised by their hashes, and by their names where no hash is known.
    """
    from gateway.cli.models import import_models

    import_models(source, folder, as_json=as_json)
