"""`avatarchatbot a2f infer`."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from comps.animation.audio2face.clip_emotions import Key
from comps.animation.audio2face.export.client_csv import FRAMES, INPUT, SMOOTHED, EmotionsCsv, FramesCsv, KeyframesCsv
from comps.animation.audio2face.export.exporter import Exporter, format_named, format_of_path
from comps.animation.audio2face.export.gltf import GltfExporter
from comps.animation.audio2face.export.take import Poses, Take
from comps.animation.audio2face.export.vmc import PORT, VmcSender, VmcShapes
from comps.animation.audio2face.inference.model import SAMPLE_RATE, Audio
from comps.animation.audio2face.names import FACE_EMOTIONS
from comps.core.media.audio import decode_audio, wav_header
from gateway.cli.a2f_asked import asked
from gateway.cli.a2f_sources import Asked, Source, local, pcm16, portrait, remote
from gateway.cli.a2f_tls import Tls
from gateway.cli.explained import about_files
from gateway.cli.failure import UsageFailureError, print_json, run_plain
from gateway.cli.output import check_writable, read_input, written_whole

LONGEST_S = 300.0
_WAV = "out.wav"
_EMOTION = re.compile(r"(?P<name>[A-Za-z_]+)=(?P<weight>[0-9.]+)(@(?P<time>[0-9.]+))?")
_FELT = 0.01


@dataclass(frozen=True, slots=True)
class Request:
    """What `a2f infer` was asked. `output` may be a folder: it gets the files of NVIDIA's sample client."""

    speech: Path
    output: Path | None
    format: str = ""
    stylization: Path | None = None
    url: str = ""
    vmc: str = ""
    vmc_shapes: VmcShapes = "arkit"
    fps: Literal[30, 60] = 30
    emotions: tuple[str, ...] = ()
    mesh: Path | None = None
    parameters: tuple[str, ...] = ()
    tls: Tls = field(default_factory=Tls)
    portrait: bool = False
    as_json: bool = False


@dataclass(slots=True)
class _Tally:
    """What the frames were, for the report."""

    frames: int = 0
    first_s: float = 0.0
    emotions: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.zeros(len(FACE_EMOTIONS)))

    def note(self, poses: Poses, started: float) -> None:
        if not self.frames and len(poses):
            self.first_s = time.monotonic() - started
        self.frames += len(poses)
        self.emotions += poses.emotions.sum(axis=0)


def infer(request: Request) -> None:
    """Animate a recording: write a file, send it live, or both."""
    run_plain(lambda: _infer(request))


def _infer(request: Request) -> None:
    clip = Asked(keyframes(request.emotions), asked(request.parameters))
    _check(request)
    with about_files(sound=request.speech):
        audio = decode_audio(read_input(request.speech), rate=SAMPLE_RATE, max_seconds=LONGEST_S)
    mesh = None if request.mesh is None else read_input(request.mesh)
    started, tally = time.monotonic(), _Tally()
    source = _source(request, audio, clip)
    with ExitStack() as stack:
        outputs = _outputs(request, source.take, audio, mesh, stack)
        advance = stack.enter_context(_progress(len(audio) / SAMPLE_RATE, source.take.fps, quiet=request.as_json))
        for poses in source.poses:
            tally.note(poses, started)
            for file, exporter in outputs:
                file.write(exporter.write(poses))
            advance(len(poses))
        for file, exporter in outputs:
            file.write(exporter.end())
    _report(request, source, tally, len(audio) / SAMPLE_RATE, time.monotonic() - started)


def keyframes(texts: Sequence[str]) -> list[Key]:
    """Keyframes from ``joy=0.8@1.5``; those of one time are one. Raises UsageFailureError."""
    found: dict[float, dict[str, float]] = {}
    for text in texts:
        match = _EMOTION.fullmatch(text)
        try:
            name, weight, at = match["name"], float(match["weight"]), float(match["time"] or 0)  # type: ignore[index]
        except (TypeError, ValueError) as error:
            raise UsageFailureError(f"--emotion {text} is not NAME=WEIGHT@SECONDS, such as joy=0.8@1.5") from error
        if name not in FACE_EMOTIONS or not 0 <= weight <= 1:
            raise UsageFailureError(f"--emotion {text}: emotions are {', '.join(FACE_EMOTIONS)}, weights 0 to 1")
        found.setdefault(at, {})[name] = weight
    return sorted(found.items())


def _check(request: Request) -> None:
    """Refuse what cannot work before anything is computed."""
    chosen = [name for name, on in (("--url", request.url), ("--portrait", request.portrait)) if on]
    if len(chosen) > 1:
        raise UsageFailureError("--url and --portrait are two sources of frames; choose one")
    if chosen and request.stylization:
        raise UsageFailureError(f"--stylization-config has no effect with {chosen[0]}")
    for option, given in (("--emotion", request.emotions), ("--set", request.parameters)):
        if request.portrait and given:
            raise UsageFailureError(f"{option} has no effect with --portrait")
    if request.tls.on and not request.url:
        raise UsageFailureError("the --tls options are for --url HOST:PORT")
    request.tls.check()
    if request.output is None:
        if not request.vmc:
            raise UsageFailureError("say where the frames go: -o FILE, -o FOLDER or --vmc HOST:PORT")
    elif _is_folder(request):
        if request.output.exists() and not request.output.is_dir():
            raise UsageFailureError(f"{request.output} is a file; give another name for the folder")
        if not request.output.parent.is_dir():
            raise UsageFailureError(f"the folder {request.output.parent} does not exist")
        if request.format or request.mesh:
            raise UsageFailureError("a folder gets the files of NVIDIA's client; give a file's name for another format")
    else:
        check_writable(request.output)
        name = _format_name(request)
        if request.mesh is not None and name != "glb":
            raise UsageFailureError("--mesh is for .glb files")


def _is_folder(request: Request) -> bool:
    """Whether the output is a folder: one that is there, or a name that tells nothing and no format beside it."""
    path = request.output
    unnamed = path is not None and not path.suffix and not request.format and format_of_path(path) is None
    return unnamed or (path is not None and path.is_dir())


def _format_name(request: Request) -> str:
    row = format_named(request.format) if request.format else format_of_path(request.output or Path())
    if row is None:
        raise UsageFailureError(f"{request.output}: the name tells no format; choose one with --format")
    return row.name


def _source(request: Request, audio: Audio, clip: Asked) -> Source:
    if request.url:
        return remote(audio, clip, request.url, request.tls)
    if request.portrait:
        return portrait(audio, request.fps)
    return local(audio, clip, request.stylization, request.fps)


Output = tuple[BinaryIO, Exporter]


def _outputs(request: Request, take: Take, audio: Audio, mesh: bytes | None, stack: ExitStack) -> list[Output]:
    """The files to write, begun, and the live sender; all end with `stack`."""
    found: list[Output] = []
    if request.output is not None and _is_folder(request):
        request.output.mkdir(exist_ok=True)
        tables = ((FRAMES, FramesCsv(take)), (SMOOTHED, EmotionsCsv(take)), (INPUT, KeyframesCsv(take)))
        found += [(stack.enter_context(written_whole(request.output / name)), exporter) for name, exporter in tables]
        sound = stack.enter_context(written_whole(request.output / _WAV))
        sound.write(wav_header(SAMPLE_RATE, len(audio)) + pcm16(audio))
    elif request.output is not None:
        exporter = GltfExporter(take, mesh) if mesh else format_named(_format_name(request)).open(take)
        found.append((stack.enter_context(written_whole(request.output)), exporter))
    for file, exporter in found:
        file.write(exporter.begin())
    if request.vmc:
        found.append((BytesIO(), _Live(take, stack.enter_context(_sender(request, take)))))
    return found


def _sender(request: Request, take: Take) -> VmcSender:
    host, _, port = request.vmc.rpartition(":") if ":" in request.vmc else (request.vmc, "", str(PORT))
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageFailureError(f"--vmc {request.vmc} is not HOST:PORT, such as 127.0.0.1:{PORT}")
    return VmcSender(take, host.strip("[]"), int(port), request.vmc_shapes)


class _Live(Exporter):
    """Sends every frame when its time has come."""

    def __init__(self, take: Take, sender: VmcSender) -> None:
        super().__init__(take)
        self._sender = sender
        self._began: float | None = None

    def write(self, poses: Poses) -> bytes:
        for row in range(len(poses)):
            now = time.monotonic()
            self._began = now if self._began is None else self._began
            time.sleep(max(0.0, self._began + (poses.first + row) / self.take.fps - now))
            one = slice(row, row + 1)
            self._sender.send(Poses(poses.first + row, poses.weights[one], poses.emotions[one], poses.head[one]))
        return b""


@contextmanager
def _progress(seconds: float, fps: int, *, quiet: bool) -> Iterator[Any]:
    """Gives what is told of frames that were made; a bar on stderr, nothing when `quiet`."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True, quiet=quiet)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("animating", total=round(seconds * fps))

        def advance(frames: int) -> None:
            progress.advance(task, frames)
            done = progress.tasks[task].completed / fps
            progress.update(task, description=f"animating, {done:.1f} of {seconds:.1f} s")

        yield advance


def _report(request: Request, source: Source, tally: _Tally, seconds: float, took: float) -> None:
    mean = tally.emotions / max(tally.frames, 1)
    felt = {name: round(float(mean[place]), 3) for place, name in enumerate(FACE_EMOTIONS) if mean[place] >= _FELT}
    take = source.take
    if request.as_json:
        print_json({
            "output": None if request.output is None else str(request.output), "vmc": request.vmc or None,
            "frames": tally.frames, "fps": take.fps, "shapes": len(take.names), "duration_s": round(seconds, 3),
            "first_frame_s": round(tally.first_s, 3), "total_s": round(took, 3), "emotions": felt,
            "warnings": list(source.warnings),
        })  # fmt: skip
        return
    for warning in source.warnings:
        Console(stderr=True, soft_wrap=True).print(Text(warning, style="yellow"))
    where = request.output or f"sent to {request.vmc}"
    mood = ", ".join(f"{name} {weight:.2f}" for name, weight in sorted(felt.items(), key=lambda pair: -pair[1])[:3])
    sys.stdout.write(
        f"{where}: {seconds:.2f} s, {tally.frames} frames of {len(take.names)} shapes at {take.fps} fps "
        f"in {took:.2f} s; emotions: {mood or 'none'}\n"
    )
