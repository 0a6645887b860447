"""`avatarchatbot doctor`: what is installed, what can run, what is in the way, and what to do about it."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.failure import print_json
from gateway.cli.running import Running, answers, find_running

DISTRIBUTION = "avatarchatbot"
STAGES = ("asr", "llm", "tts", "animation")
HOST = "127.0.0.1"
"""Where services listen unless told otherwise."""
PORTS: dict[str, int] = {"gateway": 3009, "asr": 7066, "llm": 3006, "tts": 7055, "animation": 9066}
SHOWN = ("av", "espeakng-loader", "fastapi", "numpy", "opencv-python-headless", "pocketsphinx", "uvicorn", "torch")
USUAL_WEIGHTS = {"whisper": "whisper-small"}
"""Of an engine with several models the one it takes unasked, where that is not the first of the table."""
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_OWN_EXTRAS = re.compile(rf"{DISTRIBUTION}\[([^\]]+)\]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class EngineState:
    """One engine: whether it can run here, and if not, what is missing and the command that brings it."""

    stage: str
    name: str
    runs: bool
    missing: str = ""
    remedy: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class PortState:
    """One port of an address: free, ours (a service of this product answers there) or taken by something else."""

    service: str
    host: str
    port: int
    state: str


@dataclass(slots=True)
class Report:
    """Everything doctor found. `running` are the URLs of gateways that answer; `faults` what variables hold that cannot be,
    and `advice`, which has them too, says what to do, one sentence each."""

    version: str
    python: str
    system: str
    cpus: int
    packages: dict[str, str | None]
    engines: list[EngineState]
    ports: list[PortState]
    running: list[str]
    faults: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def run_doctor(*, as_json: bool) -> None:
    """Print the report."""
    report = examine()
    if as_json:
        print_json(asdict(report))
    else:
        _show(report)
    if report.faults:
        raise typer.Exit(1)


def examine() -> Report:
    """Look at this installation; nothing is loaded or changed."""
    running = find_running()
    report = Report(
        version=_version(DISTRIBUTION) or "not installed",
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpus=os.cpu_count() or 1,
        packages={name: _version(name) for name in SHOWN},
        engines=[_engine_state(stage, spec) for stage in STAGES for spec in _specs(stage)] + _audio2face(),
        ports=[_port_state(service, host, port) for service, host, port in _addresses(running)],
        running=[gateway.url for gateway in running],
        faults=list(_faults_in_settings()),
    )
    report.advice = list(_advice(report))
    return report


def _specs(stage: str) -> Iterator[Any]:
    """The rows of a stage's tables: its engines, and what works on their results."""
    from comps.core.engine import EngineTable

    module = import_module(f"comps.{stage}.table")
    for table in vars(module).values():
        if isinstance(table, EngineTable):
            yield from table


def _audio2face() -> list[EngineState]:
    """What there is beside the stages, which has no table: two ways to move the face, and what each other command needs."""
    from comps.core.engine import EngineSpec

    rows = (
        EngineSpec("embedded", "", None, None, "speech to blend shapes: a2f infer, /v1/audio2face"),
        EngineSpec("onnx", "", "audio2face-onnx", None, "the same by NVIDIA's published networks"),
        EngineSpec("grpc", "", "audio2face", None, "a2f serve, a2f infer --url, and configuration files: a2f migrate"),
        EngineSpec("vmc", "", "vmc", None, "a2f infer --vmc"),
    )
    return [_engine_state("audio2face", row) for row in rows]


def _engine_state(stage: str, spec: Any) -> EngineState:
    missing = sorted(name for name in distributions_of(spec.extra) if _version(name) is None)
    remedies = [f"pip install '{DISTRIBUTION}[{spec.extra}]'"] if missing else []
    if weights := _missing_weights(spec.name):
        missing.append("weights")
        remedies.append(f"{DISTRIBUTION} models pull {weights}")
    if (stage, spec.name) == ("audio2face", "onnx") and not _has_networks():
        missing.append("weights")
        remedies.append("fetch a network as docs/audio2face.md says")
    if (stage, spec.name) == ("animation", "liveavatar") and (problem := _program_problem()):
        missing.append("program")
        remedies.append(problem)
    return EngineState(stage, spec.name, not missing, ", ".join(missing), "; ".join(remedies), spec.summary)


def _has_networks() -> bool:
    """Whether a network of Audio2Face is there: each has a folder of its own among the models, with one file name."""
    from comps.core.weights import models_folder

    found = models_folder().glob("*/network.onnx")
    return any("emotion" not in network.parent.name.lower() for network in found)


def _program_problem() -> str:
    """Why LiveAvatar, which is a program of its own, cannot run on this machine; empty when it can."""
    from pydantic import ValidationError

    from comps.animation.engines.liveavatar.engine import prepare
    from comps.animation.settings import AnimationSettings
    from comps.core.errors import EngineUnavailableError, SettingsError

    try:
        prepare(AnimationSettings())
    except (EngineUnavailableError, SettingsError) as error:
        return error.message
    except ValidationError as error:
        return f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}"
    return ""


def _missing_weights(engine: str) -> str:
    """The model to fetch for an engine that has models of its own name and none of them here, else nothing."""
    from comps.core.weights import ModelFolder, manifest, models_folder, state_of

    own = [model for model in manifest().values() if re.split(r"[-.]", model.name)[0] == engine]
    folders = [ModelFolder(path) for path in (models_folder(), *_other_folders(engine))]
    here = any(state_of(model, folder).present for model in own for folder in folders)
    return "" if here or not own else USUAL_WEIGHTS.get(engine, own[0].name)


def _other_folders(engine: str) -> Iterator[Path]:
    """Where an engine's library itself keeps what it fetched."""
    if engine == "whisper":
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


def distributions_of(extra: str | None) -> list[str]:
    """Names of the packages that a pip extra of this product brings, those of its extras that it names too; none for
    the base install."""
    if extra is None:
        return []
    found = []
    for line in requires(DISTRIBUTION) or ():
        requirement, _, marker = line.partition(";")
        named, of = _NAME.match(requirement), _EXTRA.search(marker)
        if named and of and of.group(1) == extra:
            own = _OWN_EXTRAS.match(requirement)
            others = own.group(1).split(",") if own else []
            found += [name for other in others for name in distributions_of(other.strip())] or [named.group(0)]
    return found


def _addresses(running: list[Running]) -> list[tuple[str, str, int]]:
    """Name, host and port of every service: the usual ones, and those of the gateways that run elsewhere."""
    usual = {(HOST, port): service for service, port in PORTS.items()}
    found = {address: service for gateway in running for service, address in gateway.addresses.items()}
    return [(service, *address) for address, service in {**usual, **found}.items()]


def _port_state(service: str, host: str, port: int) -> PortState:
    if _can_listen(host, port):
        return PortState(service, host, port, "free")
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return PortState(service, host, port, "ours" if answers(url) else "taken")


def _can_listen(host: str, port: int) -> bool:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError:
        return False
    return True


def _advice(report: Report) -> Iterator[str]:
    if sys.version_info[:2] not in {(3, 10), (3, 11), (3, 12), (3, 13)}:
        yield f"Python {report.python} is not supported: use 3.10 to 3.13"
    for stage in STAGES:
        if not any(engine.runs for engine in report.engines if engine.stage == stage):
            yield f"no engine of {stage} can run: pip install --force-reinstall {DISTRIBUTION}"
    yield from report.faults
    taken = [state for state in report.ports if state.state == "taken"]
    if taken:
        names = ", ".join(f"{state.port} ({state.service})" for state in taken)
        yield f"another program uses {names}: stop it, or start with `{DISTRIBUTION} up --port P --base-port B`"
    yield from _advice_on_running(report, blocked=bool(taken or report.faults))


def _faults_in_settings() -> Iterator[str]:
    """What variables hold that their settings cannot be, each once."""
    from pydantic import ValidationError

    from comps.core.errors import SettingsError
    from comps.core.settings_table import settings_classes
    from comps.core.web.problems import sentence_of

    said: set[str] = set()
    for settings in settings_classes():
        try:
            said |= _unknown_engine(settings())
        except SettingsError as error:
            said |= set(error.message.split("; "))  # what all services read is at fault in each
        except ValidationError as error:
            said.add(f"{settings.__name__}: {sentence_of(error.errors(include_url=False))}")
    yield from sorted(said)


def _unknown_engine(settings: Any) -> set[str]:
    """A sentence on the engine that requests get which name none, where there is none of its name."""
    from comps.core.engine import EngineTable
    from comps.core.errors import UnknownChoiceError
    from comps.core.settings import variables_of

    stage = type(settings).__module__.split(".")[1]
    if stage not in STAGES or "engine" not in type(settings).model_fields:
        return set()
    module = import_module(f"comps.{stage}.table")
    names = getattr(module, "OPEA_NAMES", {})
    table = next(each for each in vars(module).values() if isinstance(each, EngineTable) and each.stage == stage)
    try:
        table.spec(names.get(settings.engine, settings.engine))
    except UnknownChoiceError as error:
        return {f"{variables_of(type(settings), 'engine')[0]}: {error.message}"}
    return set()


def _advice_on_running(report: Report, *, blocked: bool) -> Iterator[str]:
    """What to open, or how to start; `blocked`: whether it cannot start as things are."""
    here = [state for state in report.ports if state.host == HOST]
    usual = {state.service: state.state for state in here if state.port == PORTS.get(state.service)}
    beside = f"`{DISTRIBUTION} up --port P --base-port B`"
    urls = report.running or ([f"http://127.0.0.1:{PORTS['gateway']}"] if usual["gateway"] == "ours" else [])
    if urls:
        yield f"running: open {' or '.join(urls)}; another one beside it: {beside}"
    elif "ours" in usual.values():
        names = ", ".join(f"{PORTS[name]} ({name})" for name, state in usual.items() if state == "ours")
        yield f"services without a gateway run on {names}: stop them, or start with {beside}"
    elif not blocked:
        yield f"everything is ready: run `{DISTRIBUTION} up`"


def _show(report: Report) -> None:
    console = Console()
    console.print(
        f"{DISTRIBUTION} {report.version}, Python {report.python}, {report.system}, {report.cpus} CPUs\n",
        highlight=False,
    )
    engines = Table("Stage", "Engine", "Runs", "What it is, or what it needs", box=None, header_style="bold")
    for engine in report.engines:
        mark = "[green]yes[/]" if engine.runs else "[yellow]no[/]"
        engines.add_row(engine.stage, engine.name, mark, _escaped(_told(engine)))
    ports = Table("Host", "Port", "Service", "State", box=None, header_style="bold")
    colours = {"free": "green", "ours": "cyan", "taken": "red"}
    for state in report.ports:
        ports.add_row(state.host, str(state.port), state.service, f"[{colours[state.state]}]{state.state}[/]")
    packages = Table("Package", "Version", box=None, header_style="bold")
    for name, installed in report.packages.items():
        packages.add_row(name, installed or "not installed")
    for table in (engines, ports, packages):
        console.print(table)
        console.print()
    for advice in report.advice:
        console.print(f"[bold]{_escaped(advice)}[/]", highlight=False)


def _told(engine: EngineState) -> str:
    """What an engine is when it runs, what it needs when it does not; of parts that are no engine also what for."""
    if engine.runs:
        return engine.summary
    return f"{engine.summary}: {engine.remedy}" if engine.stage == "audio2face" else engine.remedy


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
