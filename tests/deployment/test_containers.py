"""What docker/ and compose/ name must exist: variables, ports, paths, extras, modules, weights."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from comps.core.settings import SHARED_FIELDS
from comps.core.weights import manifest
from gateway.settings import DEFAULT_PORTS

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*/Dockerfile"))
BASE = ROOT / "compose" / "compose.yaml"
OVERLAYS = sorted(path for path in (ROOT / "compose").glob("*.yaml") if path != BASE)
SERVED_ELSEWHERE = {"model-server"}
"""Services whose image is not ours: their variables are their own."""
LIBRARY_VARIABLES = {
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HF_TOKEN",
    "HF_HOME",
    "PATH",
    "PYTHONUNBUFFERED",
    "OPENBLAS_NUM_THREADS",
}
PORTS = {"asr": 7066, "llm": 3006, "tts": 7055, "animation": 9066, "gateway": 8888}

SHARED_FIELD_NAMES = {field.upper() for field in SHARED_FIELDS} | {"PORT"}


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def known_variables() -> set[str]:
    """Names in the table of settings (generated from the code), in the code itself, and in the entry script."""
    names = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")))
    for folder in ("comps", "megaservice", "gateway"):
        for source in (ROOT / folder).rglob("*.py"):
            names |= set(re.findall(r"\"([A-Z][A-Z0-9_]+)\"", source.read_text(encoding="utf-8")))
    names |= set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", (ROOT / "docker" / "entrypoint.sh").read_text()))
    names |= {f"AVATAR_{service.upper()}_{field}" for service in PORTS for field in SHARED_FIELD_NAMES}
    stems = {name for name in names if name.endswith(("_SERVER", "_SERVICE"))}
    return names | {f"{stem}_{part}" for stem in stems for part in ("HOST_IP", "PORT")} | LIBRARY_VARIABLES


def extras() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.optional-dependencies]")[1].split("\n[project.scripts]")[0]
    return set(re.findall(r"^([a-z-]+) = \[", section, flags=re.MULTILINE))


def ours(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: body for name, body in document["services"].items() if name not in SERVED_ELSEWHERE}


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=lambda path: path.stem)
def test_variables_exist_in_the_code(path: Path) -> None:
    known = known_variables()
    unknown = {
        variable
        for body in ours(load(path)).values()
        for variable in body.get("environment", {})
        if variable not in known and variable != "<<"
    }
    assert not unknown


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfile_variables_exist_in_the_code(path: Path) -> None:
    block = path.read_text().split("\nENV ")[1].split("\nVOLUME")[0]
    names = set(re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]+)=", block))
    assert names
    assert not names - known_variables()


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfile_copies_exposes_and_starts_what_exists(path: Path) -> None:
    text = path.read_text()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, flags=re.MULTILINE):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        assert all((ROOT / source).exists() for source in sources), line
    port = PORTS[path.parent.name]
    assert f"EXPOSE {port}\n" in text
    assert f"127.0.0.1:{port}/readyz" in text
    module = re.search(r'CMD \["python", "-m", "([a-z.]+)"\]', text)
    assert module is not None
    assert importlib.util.find_spec(f"{module[1]}.__main__") is not None


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("", False), ("mediapipe", False), ("neural", True), ("neural,onnx,openvino", True), ("onnx,neural", True)],
)
def test_the_image_that_runs_networks_has_a_compiler(chosen: str, expected: bool, tmp_path: Path) -> None:
    final = (ROOT / "docker" / "animation" / "Dockerfile").read_text().split("\nFROM ")[-1]
    assert '\nARG EXTRAS=""\n' in final
    command = re.search(r"^RUN (case .*?esac)$", final, flags=re.MULTILINE | re.DOTALL)
    assert command is not None
    assert final.index(command[0]) < final.index("\nUSER "), "only root installs packages"
    for name in ("apt-get", "rm"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    script = command[1].replace("\\\n", "")
    result = subprocess.run(
        ["/bin/sh", "-ec", script], env={"PATH": str(tmp_path), "EXTRAS": chosen}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    installs = [line.split() for line in result.stdout.splitlines() if line.startswith("apt-get install")]
    assert [line[-1] for line in installs] == (["g++"] if expected else [])


def test_service_ports_are_the_code_s_defaults() -> None:
    assert {name: PORTS[name] for name in ("asr", "llm", "tts", "animation")} == {
        field.removesuffix("_url"): port for field, port in DEFAULT_PORTS.items()
    }


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=lambda path: path.stem)
def test_builds_extras_and_weights_exist(path: Path) -> None:
    for body in ours(load(path)).values():
        build = body.get("build", {})
        if "dockerfile" in build:
            assert (path.parent / build["context"] / build["dockerfile"]).is_file()
        if "EXTRAS" in build.get("args", {}):
            assert set(build["args"]["EXTRAS"].split(",")) <= extras()
        names = re.sub(r"\$\{\w+:-(.*)\}", r"\1", body.get("environment", {}).get("AVATAR_WEIGHTS", ""))
        assert set(names.split()) <= set(manifest())


def test_published_ports_lead_to_exposed_ones() -> None:
    for body in ours(load(BASE)).values():
        image = Path(body["build"]["dockerfile"]).parent.name
        assert [int(str(port).rsplit(":", 1)[1]) for port in body["ports"]] == [PORTS[image]]
        assert all(str(port).startswith("${BIND:-127.0.0.1}:") for port in body["ports"])


def test_the_frame_rate_is_that_of_the_gateway_too() -> None:
    """The gateway names one in every session, so that the animation's own is only for its direct clients."""
    services = load(BASE)["services"]
    assert services["avatarchatbot-backend-server"]["environment"]["FPS"] == services["animation"]["environment"]["FPS"]


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=lambda path: path.stem)
def test_services_reach_each_other_past_a_proxy(path: Path) -> None:
    """Whatever `no_proxy` the user has: a proxy outside knows none of these names."""
    shared = load(BASE)["x-service"]["environment"]["no_proxy"]
    own = re.fullmatch(r"\$\{no_proxy:-localhost\},(.*)", shared)
    assert own is not None
    direct = set(own[1].split(","))
    values = [str(value) for body in load(path)["services"].values() for value in body.get("environment", {}).values()]
    services = set(load(BASE)["services"]) | set(load(path)["services"])
    asked = {name for name in services if any(value == name or f"//{name}:" in value for value in values)}
    assert asked <= direct
    assert "127.0.0.1" in direct


def test_the_gateway_waits_for_healthy_services() -> None:
    depends = load(BASE)["services"]["avatarchatbot-backend-server"]["depends_on"]
    assert depends == {
        name: {"condition": "service_healthy"}
        for name in ("whisper-service", "tgi-service", "speecht5-service", "animation")
    }


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_overlays_change_services_of_the_base_only(path: Path) -> None:
    assert set(ours(load(path))) <= set(ours(load(BASE)))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfiles_pass_the_linter(path: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    result = subprocess.run([linter, path], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="checks with the compose client where there is one")
@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=lambda path: path.stem)
def test_the_compose_client_accepts_the_files(path: Path) -> None:
    files = ["-f", str(BASE)] + (["-f", str(path)] if path != BASE else [])
    result = subprocess.run(["docker-compose", *files, "config", "-q"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
