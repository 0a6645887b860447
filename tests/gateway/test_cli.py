"""The commands, against a gateway by URL and with everything in one process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from comps.core.weights import find
from gateway.cli import doctor
from gateway.cli.calls import place
from gateway.cli.listing import speaking
from gateway.cli.main import app
from gateway.cli.up import page_addresses
from tests.gateway.conftest import Stack, free_ports
from tests.gateway.test_bad_input import ADA

runner = CliRunner()


async def invoke(*arguments: object) -> Result:
    """Run a command in a thread, as it brings its own event loop."""
    return await asyncio.to_thread(runner.invoke, app, [str(argument) for argument in arguments])


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as users do: a program of its own, with nothing else running."""
    places = {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}
    line = [sys.executable, "-m", "gateway.cli", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ, **places}, cwd=folder, timeout=100)


def video_of(path: Path) -> tuple[int, float]:
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        rate = container.streams.video[0].average_rate
    assert rate is not None
    return frames, float(frames / rate)


async def test_ask_in_writing(stack: Stack, tmp_path: Path) -> None:
    out = tmp_path / "answer.mp4"
    result = await invoke("ask", "--text", "hello", "-o", out, "--url", stack.url, "--voice", "en", "--fps", 30)
    assert result.exit_code == 0, result.output
    assert "answer.mp4" in result.stdout
    assert "30 fps" in result.stdout
    assert "You said: hello." in result.stderr
    assert video_of(out)[0] > 20
    assert stack.notes.last("llm")["messages"][-1]["content"] == "hello"
    assert stack.notes.last("animation")["fps"] == 30


async def test_ask_aloud_with_a_picture_and_json(stack: Stack, wav: bytes, tmp_path: Path) -> None:
    sound, face, out = tmp_path / "q.wav", tmp_path / "me.png", tmp_path / "a.mp4"
    sound.write_bytes(wav)
    face.write_bytes(ADA)
    result = await invoke("ask", sound, "--avatar", face, "-o", out, "--url", stack.url, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["transcript"] == "what was heard"
    assert report["output"] == str(out)
    assert stack.notes.last("asr")["bytes"] == wav
    assert stack.notes.pictures == [ADA]


async def test_say_writes_the_alignment(stack: Stack, tmp_path: Path) -> None:
    out, alignment = tmp_path / "say.mp4", tmp_path / "say.json"
    result = await invoke(
        "say", "One. Two.", "-o", out, "--alignment", alignment, "--url", stack.url, "--avatar", "noor"
    )
    assert result.exit_code == 0, result.output
    phones = json.loads(alignment.read_text())
    assert [set(phone) for phone in phones] == [{"phone", "start", "end"}] * len(phones)
    assert [phone["phone"] for phone in phones] == ["a", "a"]
    assert phones[1]["start"] > phones[0]["end"]
    assert stack.notes.last("animation")["avatar"] == "noor"


async def test_animate(stack: Stack, wav: bytes, tmp_path: Path) -> None:
    sound, out = tmp_path / "s.wav", tmp_path / "a.mp4"
    sound.write_bytes(wav)
    result = await invoke("animate", sound, "-o", out, "--url", stack.url, "--engine", "portrait", "--json")
    assert result.exit_code == 0, result.output
    assert abs(json.loads(result.stdout)["duration_s"] - 1.0) <= 0.04
    assert stack.notes.last("animation")["engine"] == "portrait"


def test_voices_that_speak_any_language_speak_each() -> None:
    """Servers with OpenAI's interface do not say what their voices speak."""
    anything = [{"id": name, "languages": ["mul"]} for name in ("alloy", "nova")]
    assert speaking(anything, "de") == anything
    tints = [{"id": "de", "languages": ["de"]}, {"id": "+f3", "languages": ["mul"]}]
    assert speaking(tints, "de") == tints[:1]
    assert speaking(tints, "xx") == []


async def test_voices(stack: Stack) -> None:
    assert "English" in (await invoke("voices", "--url", stack.url)).stdout
    assert json.loads((await invoke("voices", "--url", stack.url, "--json")).stdout)[0]["id"] == "en"
    for tag, found in (("en", ["en", "en-us"]), ("EN-us", ["en-us"]), ("e", None), ("en-u", None), ("mul", ["male"])):
        listed = await invoke("voices", "--language", tag, "--url", stack.url, "--json")
        assert (json.loads(listed.stdout or "null") and [v["id"] for v in json.loads(listed.stdout)]) == found
    result = await invoke("voices", "--language", "xx", "--url", stack.url)
    assert result.exit_code == 2
    assert "no voice speaks 'xx'; `avatarchatbot voices` lists all" in " ".join(result.stderr.split())
    result = await invoke("voices", "--language", "englisch", "--url", stack.url)
    assert "closest: en (English), en-US (English (America))" in " ".join(result.stderr.split())


BAD: list[tuple[tuple[object, ...], int, str]] = [
    (("ask",), 2, "one of them"),
    (("ask", "--text", " "), 2, "nothing to ask"),
    (("ask", "nowhere.wav"), 2, "no file nowhere.wav"),
    (("ask", "What can you do?"), 2, "no file What can you do?; a question in writing goes after --text"),
    (("ask", "Why? " * 60), 2, "goes after --text"),
    (("ask", "nowhere.wav", "--text", "x"), 2, "one of them"),
    (("ask", "--text", "x", "--avatar", "nowhere.png"), 2, "no picture nowhere.png"),
    (("ask", "--text", "x", "-o", "no/such/folder/a.mp4"), 2, "does not exist"),
    (("ask", "--text", "x", "-o", "."), 2, "is a folder"),
    (("ask", "--text", "x", "-o", "a.avi"), 2, "a.avi does not end in .mp4"),
    (("say", "x", "-o", "a.webm"), 2, "only MP4 can be written"),
    (("animate", "nowhere.wav", "-o", "a"), 2, "a does not end in .mp4"),
    (("ask", "--text", "x", "--voice", "nobody"), 1, "no voice 'nobody'"),
    (("say", " "), 2, "nothing to say"),
    (("say", "x", "--fps", "3", "--size", "32"), 2, "--fps must be at least 5; --size must be at least 64"),
    (("say", "x", "--preset", "draft"), 2, "--preset: a preset is one of quick, standard, quality"),
    (("animate", "."), 2, "is a folder"),
    (("avatars", "add", "nowhere.png"), 2, "no file nowhere.png"),
    (("avatars", "add", __file__, "--rig", __file__), 2, "has no points of a face"),
    (("avatars", "delete", ""), 2, "the id is empty"),
    (("jobs", "show", " "), 2, "the id is empty"),
    (("jobs", "cancel", ".."), 2, "'..' is no id"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), BAD, ids=[" ".join(map(str, case[0])) for case in BAD])
async def test_what_goes_wrong_is_one_sentence(
    stack: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = await invoke(*arguments, "--url", stack.url)
    assert result.exit_code == code
    assert sentence in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert [name for name in os.listdir(tmp_path) if name != "outputs"] == []


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for name in ("bad.wav", "bad.png"):
        (tmp_path / name).write_bytes(b"neither sound nor picture")
    cases = (
        (("ask", "bad.wav"), "bad.wav: the bytes are no audio"),
        (("animate", "bad.wav"), "bad.wav: the bytes are no audio"),
        (("say", "hello", "--avatar", "bad.png"), "bad.png: the bytes are no picture"),
        (("avatars", "rig", "bad.png"), "bad.png: the bytes are no picture"),
    )
    for arguments, sentence in cases:
        result = command(tmp_path, *arguments)
        assert result.returncode == 1
        assert result.stderr.strip().splitlines()[-1].startswith(sentence), result.stderr


def test_errors_name_commands_in_place_of_routes(tmp_path: Path) -> None:
    for option in ("--voice", "--language"):
        result = command(tmp_path, "say", "hello", option, "frensh")
        said = " ".join(result.stderr.split())
        assert (result.returncode, "`avatarchatbot voices` lists all" in said, "GET /" in said) == (1, True, False), (
            said
        )


@pytest.mark.parametrize("variable", ["AVATAR_KNOWLEDGE_DIR", "AVATAR_LLM_KNOWLEDGE_DIR"])
def test_a_knowledge_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    for arguments in (("up", "--port", free_ports(1)), ("ask", "--text", "x"), ("ask", "--text", "x", "--json")):
        result = command(tmp_path, *arguments)
        said = " ".join(result.stderr.split())
        assert (result.returncode, result.stdout) == (2, "")
        assert said.startswith(f"{variable} names the folder {tmp_path / 'nowhere'}, which does not exist"), said


async def test_a_gateway_that_is_not_there() -> None:
    for url, sentence in (("http://127.0.0.1:9", "no gateway answers"), ("localhost", "is not a URL")):
        result = await invoke("voices", "--url", url)
        assert (result.exit_code, sentence in result.stderr) == (1, True)


def test_say_with_everything_in_one_process(tmp_path: Path) -> None:
    arguments = ("say", "Good morning.", "-o", "out.mp4", "--alignment", "out.json", "--size", 128, "--json")
    result = command(tmp_path, *arguments)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    frames, seconds = video_of(tmp_path / "out.mp4")
    assert frames == report["frames"]
    phones = json.loads((tmp_path / "out.json").read_text())
    assert phones[0]["start"] >= 0
    assert phones[-1]["end"] <= seconds + 0.04
    assert "m" in {phone["phone"] for phone in phones}
    assert {path.name for path in tmp_path.iterdir()} <= {"out.mp4", "out.json", "data", "cache"}


def test_avatars_with_everything_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(ADA)
    rigged = command(tmp_path, "avatars", "rig", "me.png", "-o", "rig.json", "--preview", "preview.png", "--json")
    assert rigged.returncode == 0, rigged.stderr
    assert json.loads((tmp_path / "rig.json").read_text())["format"] == "avatarchatbot-rig/1"
    assert (tmp_path / "preview.png").read_bytes().startswith(b"\x89PNG")
    added = command(tmp_path, "avatars", "add", "me.png", "--name", "Myself", "--rig", "rig.json", "--json")
    assert added.returncode == 0, added.stderr
    identity = json.loads(added.stdout)["id"]
    # three programs, one after the other: what is added stays
    listed = json.loads(command(tmp_path, "avatars", "list", "--json").stdout)
    assert ("Myself", identity) in {(avatar["name"], avatar["id"]) for avatar in listed}
    assert command(tmp_path, "avatars", "delete", identity).returncode == 0
    assert command(tmp_path, "avatars", "delete", identity).returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="ends programs by signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_who_is_stopped_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    line = [sys.executable, "-m", "gateway.cli", "say", "This is a long sentence. " * 200, "-o", "out.mp4"]
    (tmp_path / "me.png").write_bytes(ADA)
    line += ["--avatar", "me.png"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    # programs in the background of a script find Ctrl-C ignored
    ignoring = (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if how != signal.SIGINT else None
    with subprocess.Popen(
        line, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=ignoring
    ) as process:
        assert process.stderr is not None
        while not list(tmp_path.glob("avatarchatbot-*/*.part")) and process.poll() is None:
            time.sleep(0.05)
        assert list(tmp_path.glob("data/avatarchatbot/temporary/*/*/portrait.png"))
        process.send_signal(how)
        said = process.stderr.read()
    assert process.returncode == 128 + how, said
    assert "stopped" in said
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {"data", "me.png"}
    assert list(tmp_path.glob("data/avatarchatbot/temporary/*")) == []


def test_doctor() -> None:
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    runs = {(engine["stage"], engine["name"]) for engine in report["engines"] if engine["runs"]}
    assert {("asr", "pocketsphinx"), ("llm", "knowledge"), ("tts", "espeak"), ("animation", "portrait")} <= runs
    assert {state["service"] for state in report["ports"]} == {"gateway", "asr", "llm", "tts", "animation"}
    assert report["advice"]
    shown = runner.invoke(app, ["doctor"])
    assert (shown.exit_code, "portrait" in shown.stdout) == (0, True)


def test_doctor_names_variables_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_MAX_PIXELS", "-3")
    monkeypatch.setenv("AVATAR_ANIMATION_WAV2LIP_BACKEND", "int17")
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    advice = json.loads(result.stdout)["advice"]
    assert advice.count("AVATAR_MAX_PIXELS must be more than 0") == 1
    assert sum(line.startswith("AVATAR_ANIMATION_WAV2LIP_BACKEND must be 'auto'") for line in advice) == 1
    assert not any("everything is ready" in line for line in advice)


@pytest.mark.parametrize("stage", ["asr", "llm", "tts", "animation"])
def test_doctor_names_an_engine_that_there_is_not(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AVATAR_{stage.upper()}_ENGINE", "nope")
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    (fault,) = json.loads(result.stdout)["faults"]
    assert fault.startswith(f"AVATAR_{stage.upper()}_ENGINE: {stage} has no engine 'nope'; it has: ")


def test_doctor_knows_engines_by_opeas_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_COMPONENT_NAME", "OPEA_WHISPER_ASR")
    assert json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)["faults"] == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AVATAR_ANIMATION_FPS", "many", "AVATAR_ANIMATION_FPS must be a whole number"),
        ("AVATAR_ANIMATION_VIDEO_PRESET", "sluggish", "AVATAR_ANIMATION_VIDEO_PRESET must be 'ultrafast', "),
        ("AVATAR_ANIMATION_SADTALKER_YAW", "1,x", "AVATAR_ANIMATION_SADTALKER_YAW must be a number"),
        ("AVATAR_ANIMATION_DATA_DIR", "/proc/nope", "loading failed (/proc/nope"),
    ],
)
def test_a_setting_that_cannot_be_is_said_in_one_sentence(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, value)
    result = runner.invoke(app, ["say", "hello", "-o", str(tmp_path / "hello.mp4")])
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_doctor_says_why_liveavatar_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> dict[str, Any]:
        report = json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)
        return next(engine for engine in report["engines"] if engine["name"] == "liveavatar")

    monkeypatch.delenv("AVATAR_ANIMATION_LIVEAVATAR_DIR", raising=False)
    assert (state()["runs"], state()["missing"]) == (False, "program")
    assert "AVATAR_ANIMATION_LIVEAVATAR_DIR" in state()["remedy"]
    monkeypatch.setenv("AVATAR_ANIMATION_LIVEAVATAR_GPUS", "0,0")
    assert "each GPU belongs to one group" in state()["remedy"]


def test_doctor_names_the_weights_that_an_engine_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def engines() -> dict[str, dict[str, Any]]:
        report = json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)
        return {engine["name"]: engine for engine in report["engines"] if engine["stage"] in {"asr", "animation"}}

    before = engines()
    assert "models pull wav2lip" in before["wav2lip"]["remedy"]
    assert "models pull gfpgan" in before["gfpgan"]["remedy"]
    assert "models pull whisper-small" in before["whisper"]["remedy"]
    assert not any(before[name]["runs"] for name in ("wav2lip", "sadtalker", "gfpgan", "whisper"))
    (tmp_path / "Wav2Lip-SD-NOGAN.pt").write_bytes(b"any copy counts where no hash is known")
    (tmp_path / "cache" / "whisper").mkdir(parents=True)
    with (tmp_path / "cache" / "whisper" / "tiny.pt").open("wb") as file:
        file.truncate(find("whisper-tiny").files[0].size or 0)
    after = engines()
    assert "weights" not in after["wav2lip"]["missing"]
    assert "weights" not in after["whisper"]["missing"]
    assert "weights" in after["sadtalker"]["missing"]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from gateway.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(sorted({'fastapi', 'numpy', 'av', 'cv2', 'httpx', 'pydantic', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


async def test_up_refuses_a_port_that_is_taken(stack: Stack, tmp_path: Path) -> None:
    port = stack.url.rpartition(":")[2]
    result = await asyncio.to_thread(command, tmp_path, "up", "--port", port, "--base-port", free_ports(4))
    assert result.returncode == 1
    said = " ".join(result.stderr.split())
    assert f"gateway needs port {port}, which is taken by" in said
    assert f"(pid {os.getpid()})" in said
    assert "--port" in said


def test_up_refuses_a_port_it_is_told_to_use_twice(tmp_path: Path) -> None:
    first = free_ports(4)
    result = command(tmp_path, "up", "--port", first + 1, "--base-port", first)
    assert result.returncode == 1
    assert f"gateway and llm cannot both have port {first + 1}" in " ".join(result.stderr.split())
    assert command(tmp_path, "up", "--port", 70_000).returncode == 2


def test_up_says_where_the_page_is() -> None:
    (here,) = page_addresses("http://127.0.0.1:3009")
    assert "http://127.0.0.1:3009" in here
    for everywhere in ("http://0.0.0.0:3010", "http://[::]:3010"):
        local, remote = page_addresses(everywhere)
        assert "http://localhost:3010" in local
        assert f"http://{socket.gethostname()}:3010" in remote


def test_up_refuses_an_unknown_profile_and_a_dead_url(tmp_path: Path) -> None:
    assert command(tmp_path, "up", "--profile", "quantum").returncode == 2
    result = command(tmp_path, "up", "--llm-url", "http://127.0.0.1:9")
    assert (result.returncode, "nothing answers at http://127.0.0.1:9" in " ".join(result.stderr.split())) == (1, True)


@pytest.mark.parametrize(
    ("absent", "runs"),
    [
        ((), {"embedded": True, "onnx": True, "grpc": True, "vmc": True}),
        (("grpcio",), {"embedded": True, "onnx": False, "grpc": False, "vmc": True}),
        (("onnxruntime",), {"embedded": True, "onnx": False, "grpc": True, "vmc": True}),
        (("python-osc",), {"embedded": True, "onnx": True, "grpc": True, "vmc": False}),
    ],
)
def test_doctor_says_which_parts_of_audio2face_need_an_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...], runs: dict[str, bool]
) -> None:
    network = tmp_path / "Audio2Face-3D-v2.3.1-Claire" / "network.onnx"
    network.parent.mkdir()
    network.touch()
    monkeypatch.setenv("AVATAR_MODELS_DIR", str(tmp_path))
    installed = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in absent else installed(name))
    states = {state.name: state for state in doctor.examine().engines if state.stage == "audio2face"}
    assert {name: state.runs for name, state in states.items()} == runs
    for name, extra in (("onnx", "audio2face-onnx"), ("grpc", "audio2face"), ("vmc", "vmc")):
        assert states[name].remedy == ("" if runs[name] else f"pip install 'avatarchatbot[{extra}]'")


def test_doctor_does_not_claim_networks_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_MODELS_DIR", str(tmp_path))
    (tmp_path / "Audio2Emotion-v2.2").mkdir()
    (tmp_path / "Audio2Emotion-v2.2" / "network.onnx").touch()
    onnx = next(state for state in doctor.examine().engines if (state.stage, state.name) == ("audio2face", "onnx"))
    assert (onnx.runs, onnx.missing) == (False, "weights")
    assert "docs/audio2face.md" in onnx.remedy


@pytest.mark.parametrize("name", ["../avatars/ada", "../../outputs/x", "a/b?c#d", "..%2Fx"])
def test_an_id_never_leads_to_another_place(name: str) -> None:
    path = httpx.URL("http://gateway").join(place("/v1/jobs", name)).raw_path.decode()
    assert path.startswith("/v1/jobs/")
    assert path.count("/") == 3
    assert not {"..", "?", "#"} & set(path.split("/")[-1:])


def test_a_recording_that_none_is_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    result = runner.invoke(app, ["a2f", "infer", str(tmp_path / "bad.wav"), "-o", str(tmp_path / "a.csv")])
    assert result.exit_code == 1
    assert "bad.wav: the bytes are no audio" in result.stderr
    assert not (tmp_path / "a.csv").exists()


def test_a_folder_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = runner.invoke(app, ["a2f", "infer", "speech.wav", "-o", str(tmp_path / "none" / "take")])
    assert (result.exit_code, "none does not exist" in result.stderr) == (2, True), result.stderr
