"""`avatarchatbot a2f`: the options of its commands; what they do is imported when one of them runs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

a2f_app = typer.Typer(
    help="Audio2Face: animate a recording, its parameters, its configuration files.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class From(str, Enum):
    """Versions of configuration files, and the original tool's names for those of 1.0."""

    AUTO = "auto"
    V1_0 = "1.0"
    DOCKER = "docker_config"
    UCS = "ucs"
    V1_2 = "1.2"
    V1_3 = "1.3"
    V2_0 = "2.0"


class To(str, Enum):
    """Versions that files can be migrated to."""

    V1_2 = "1.2"
    V2_0 = "2.0"


class Frequency(str, Enum):
    """Frames per second that a face can be streamed with."""

    FPS_30 = "30"
    FPS_60 = "60"


class VmcClips(str, Enum):
    """Which blend shapes a VMC receiver's avatar has."""

    ARKIT = "arkit"
    VRM = "vrm"


class Character(str, Enum):
    """Characters with files of their own."""

    CLAIRE = "claire"
    JAMES = "james"
    MARK = "mark"


@a2f_app.command("migrate")
def a2f_migrate(
    files: Annotated[list[Path], typer.Argument(help="The files of one deployment, or a folder of them.")],
    source: Annotated[From, typer.Option("--from", help="Version of the files.")] = From.AUTO,
    target: Annotated[To, typer.Option("--to", help="Version to make; 1.2 from 1.0 only.")] = To.V2_0,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", help="Folder for the result; output_000001 and so on without it."),
    ] = None,
    character: Annotated[
        Optional[Character],  # noqa: UP045
        typer.Option(help="Whose files they are, where they do not say."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when there is work to do.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail when something has no place, or on a warning.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files of an earlier run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Bring configuration files of 1.0, 1.2 or 1.3 to 2.0, keeping comments, and say what changed."""
    from gateway.cli.a2f_migrate import Request, migrate_files

    chosen = character.value if character else ""
    migrate_files(
        Request(
            tuple(files), source.value, target.value, output, chosen,
            check=check, diff=diff, strict=strict, force=force, as_json=as_json,
        )
    )  # fmt: skip


class Inference(str, Enum):
    """What moves the face."""

    EMBEDDED = "embedded"
    ONNX = "onnx"


MaybeFile = Optional[Path]  # noqa: UP045
MaybeNumber = Optional[int]  # noqa: UP045
MaybeFlag = Optional[bool]  # noqa: UP045


@a2f_app.command("serve")
def a2f_serve(
    config: Annotated[
        MaybeFile, typer.Option(help="A folder with the files of a deployment; each may also be given by itself.")
    ] = None,
    stylization_config: Annotated[MaybeFile, typer.Option(help="The character's file.")] = None,
    deployment_config: Annotated[MaybeFile, typer.Option(help="Addresses, encryption, telemetry, streams.")] = None,
    advanced_config: Annotated[MaybeFile, typer.Option(help="Limits and pacing.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; that of the deployment file or 127.0.0.1 without it.")
    ] = "",
    port: Annotated[
        MaybeNumber, typer.Option(min=0, max=65535, help="Port of gRPC; that of the deployment file or 52000.")
    ] = None,
    http_port: Annotated[MaybeNumber, typer.Option(min=0, max=65535, help="Port of probes and metrics; 8000.")] = None,
    authoring_port: Annotated[
        MaybeNumber, typer.Option(min=0, max=65535, help="Port of the authoring service; 50051.")
    ] = None,
    legacy: Annotated[
        MaybeFlag,
        typer.Option("--legacy", help="Also take audio on 50000 and push its animation to 51000, as before 2.0."),
    ] = None,
    inference: Annotated[
        Optional[Inference],  # noqa: UP045
        typer.Option(help="The project's own means, which hold without it, or the published networks."),
    ] = None,
    fps: Annotated[
        Optional[Frequency],  # noqa: UP045
        typer.Option(help="Frames per second; 30."),
    ] = None,
    liveness: Annotated[
        MaybeFlag, typer.Option("--liveness/--no-liveness", help="Add blinks and gaze; they are added.")
    ] = None,
    processes: Annotated[
        MaybeNumber,
        typer.Option(
            min=0, max=64, help="Processes that compute, 0 for threads of this one; one for each core without it."
        ),
    ] = None,
) -> None:
    """Serve Audio2Face over gRPC until Ctrl-C; it is ready when it says Running.

    Without an option its variable AVATAR_AUDIO2FACE_... holds.
    """
    from gateway.cli.a2f_serve import Files, serve_audio2face

    files = Files(config, stylization_config, deployment_config, advanced_config)
    chosen = {
        "host": host or None,
        "grpc_port": port,
        "port": http_port,
        "authoring_port": authoring_port,
        "legacy": legacy,
        "inference": inference and inference.value,
        "fps": fps and int(fps.value),
        "liveness": liveness,
        "processes": processes,
    }
    serve_audio2face(files, {name: value for name, value in chosen.items() if value is not None})


@a2f_app.command("params")
def a2f_params(
    words: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="Only parameters whose name or group has one of these words.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """List every parameter: its range, its default, what it does."""
    from gateway.cli.a2f_params import list_parameters

    list_parameters(tuple(words or ()), as_json=as_json)


@a2f_app.command("infer")
def a2f_infer(
    speech: Annotated[Path, typer.Argument(help="A recording of speech.")],
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "-o",
            "--output",
            help="The file: .csv, .livelink.csv, .json, .ndjson, .glb, .usda; a folder gets the files of NVIDIA's client.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str, typer.Option("--format", help="csv, livelink, json, ndjson, glb or usda, where the name does not tell.")
    ] = "",
    fps: Annotated[Frequency, typer.Option(help="Frames per second.")] = Frequency.FPS_30,
    emotion: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A keyframe as NAME=WEIGHT@SECONDS, such as joy=0.8@1.5; may be given several times."),
    ] = None,
    stylization: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--stylization-config", help="A stylization file of 2.0.", show_default=False),
    ] = None,
    mesh: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Your own .glb to animate: its morph targets are found by name.", show_default=False),
    ] = None,
    vmc: Annotated[
        str, typer.Option(help="Send the frames live to a VMC program at HOST:PORT, as fast as they are spoken.")
    ] = "",
    vmc_shapes: Annotated[
        VmcClips, typer.Option(help="The 52 of ARKit, or what every VRM avatar has.")
    ] = VmcClips.ARKIT,
    parameters: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--set",
            help="A parameter as NAME=VALUE, such as lowerFaceStrength=1.4 or bs_weight_multipliers.JawOpen=1.2; "
            "`a2f params` lists them; may be given several times.",
        ),
    ] = None,
    url: Annotated[str, typer.Option("--url", help="Let a running gRPC server at HOST:PORT do it.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt the way to it, and trust the usual authorities.")] = False,
    tls_ca: Annotated[MaybeFile, typer.Option(help="Encrypt, and trust this authority: a PEM file.")] = None,
    tls_certificate: Annotated[MaybeFile, typer.Option(help="Encrypt, and say by this PEM file who asks.")] = None,
    tls_key: Annotated[MaybeFile, typer.Option(help="The key of that certificate.")] = None,
    portrait: Annotated[
        bool, typer.Option("--portrait", help="Move as `animate` moves a portrait, head included.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Animate a recording: blend shapes, gaze and emotions as a file, or live."""
    from gateway.cli.a2f_infer import Request, infer
    from gateway.cli.a2f_tls import Tls

    infer(
        Request(
            speech, output, format, stylization, url, vmc, vmc_shapes.value, 60 if fps is Frequency.FPS_60 else 30,
            tuple(emotion or ()), mesh, tuple(parameters or ()), Tls(tls, tls_ca, tls_certificate, tls_key),
            portrait=portrait, as_json=as_json,
        )
    )  # fmt: skip
