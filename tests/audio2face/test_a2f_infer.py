"""`avatarchatbot a2f infer`: files written by the real inference, frames of a real gRPC server, datagrams on a real socket."""

from __future__ import annotations

import asyncio
import csv
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle
from typer.testing import CliRunner, Result

from comps.animation.audio2face.export.client_csv import FRAMES, INPUT, SMOOTHED
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES
from comps.core.media.audio import decode_audio
from gateway.cli.a2f_infer import keyframes
from gateway.cli.failure import UsageFailureError
from gateway.cli.main import app
from tests.audio2face.export.test_gltf import Viewer, user_mesh
from tests.audio2face.server.harness import configuration, running
from tests.audio2face.server.test_app import make_certificates, secured, whole
from tests.audio2face.web.conftest import wav

SECONDS = 1.2


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    path.write_bytes(wav(SECONDS))
    return path


def infer(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["a2f", "infer", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_is_written_and_reported(speech: Path, tmp_path: Path) -> None:
    said = infer(speech, "-o", tmp_path / "out.csv", "--emotion", "joy=1@0").output
    assert len(said.splitlines()) == 1
    assert "out.csv: 1.20 s, 37 frames of 68 shapes at 30 fps" in said
    assert "joy" in said
    table = rows(tmp_path / "out.csv")
    assert len(table) == 37
    assert [name for name in table[0] if name.startswith("blendShapes.")][:1] == ["blendShapes.EyeBlinkLeft"]
    assert list(tmp_path.iterdir()) == [tmp_path / "out.csv"]


def test_two_runs_are_identical(speech: Path, tmp_path: Path) -> None:
    for name in ("a.ndjson", "b.ndjson"):
        infer(speech, "-o", tmp_path / name, "--fps", 60)
    once = (tmp_path / "a.ndjson").read_bytes()
    assert once == (tmp_path / "b.ndjson").read_bytes()
    assert json.loads(once.splitlines()[-1]) == {"type": "end", "frames": 73}


def test_a_folder_gets_what_nvidias_client_writes(speech: Path, tmp_path: Path) -> None:
    infer(speech, "-o", tmp_path / "client", "--emotion", "joy=0.5@0", "--emotion", "fear=1@0.5")
    found = sorted(path.name for path in (tmp_path / "client").iterdir())
    assert found == [SMOOTHED, INPUT, FRAMES, "out.wav"] or set(found) == {SMOOTHED, INPUT, FRAMES, "out.wav"}
    assert len(rows(tmp_path / "client" / FRAMES)) == len(rows(tmp_path / "client" / SMOOTHED)) == 37
    sent = rows(tmp_path / "client" / INPUT)
    assert [(row["time_code"], row["emotion_values.joy"], row["emotion_values.fear"]) for row in sent] == [
        ("0.0", "0.5", ""), ("0.5", "", "1.0"),
    ]  # fmt: skip
    sound = decode_audio((tmp_path / "client" / "out.wav").read_bytes(), rate=16_000, max_seconds=5)
    assert len(sound) == round(SECONDS * 16_000)


def test_the_report_may_be_json(speech: Path, tmp_path: Path) -> None:
    report = json.loads(infer(speech, "-o", tmp_path / "x.glb", "--json").output)
    assert (report["frames"], report["fps"], report["shapes"], report["duration_s"]) == (37, 30, 68, 1.2)
    assert report["output"] == str(tmp_path / "x.glb")
    assert report["total_s"] >= report["first_frame_s"] > 0
    assert Viewer((tmp_path / "x.glb").read_bytes()).channels()


def test_a_mesh_of_the_users_moves(speech: Path, tmp_path: Path) -> None:
    (tmp_path / "me.glb").write_bytes(user_mesh(["jawOpen", "mouthClose"]))
    infer(speech, "-o", tmp_path / "out", "--format", "glb", "--mesh", tmp_path / "me.glb")
    assert list(Viewer((tmp_path / "out").read_bytes()).channels()) == [(1, "weights")]


def test_the_portraits_motion_has_a_head(speech: Path, tmp_path: Path) -> None:
    infer(speech, "-o", tmp_path / "x.json", "--portrait")
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["names"] == list(ARKIT_SHAPES)
    assert len(document["frames"]) == 36
    assert np.abs(np.array([frame["head"] for frame in document["frames"]])).max() > 0.1


def test_a_stylization_file_counts(speech: Path, tmp_path: Path) -> None:
    style = tmp_path / "claire_stylization_config.yaml"
    style.write_text("a2f:\n  enable_tongue_blendshapes: false\n  oddity: 1\n")
    result = infer(speech, "-o", tmp_path / "x.ndjson", "--stylization-config", style)
    assert "frames of 52 shapes" in result.output
    assert "claire_stylization_config.yaml:3: a2f/oddity" in result.output


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        yield receiver


def test_frames_go_out_live(speech: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    said = infer(speech, "--vmc", f"127.0.0.1:{port}", "--vmc-shapes", "vrm", "--json").output
    assert json.loads(said)["total_s"] >= 35 / 30
    times = []
    while len(times) < 37:
        messages = list(OscBundle(listener.recv(65_536)))
        times += [message.params[0] for message in messages if message.address == "/VMC/Ext/T"]
    assert times == pytest.approx([frame / 30 for frame in range(37)], abs=1e-6)


@contextmanager
def beside(service: AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """What the service gives, while it runs in a thread with a loop of its own."""
    found: list[Any] = []
    started, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with service as running_service:
            found.append(running_service)
            started.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(30)
    yield found[0]
    done.set()
    thread.join(30)


@pytest.fixture
def server() -> Iterator[str]:
    """The gRPC service, with stand-ins for inference."""
    with beside(running(configuration())) as service:
        yield service.address


def test_a_running_server_may_do_it(speech: Path, server: str, tmp_path: Path) -> None:
    infer(speech, "-o", tmp_path / "x.ndjson", "--url", server, "--emotion", "joy=1@0")
    header, *frames, end = map(json.loads, (tmp_path / "x.ndjson").read_text().splitlines())
    assert (header["names"], header["fps"], end["frames"]) == (list(ALL_SHAPES), 30, 37)
    jaw = [frame["weights"][ALL_SHAPES.index("JawOpen")] for frame in frames]
    assert jaw[5] > 0.3 > 0.05 > jaw[25]
    assert frames[-1]["emotions"][6] > 0.1
    infer(speech, "-o", tmp_path / "client", "--url", server, "--emotion", "joy=1@0")
    assert len(rows(tmp_path / "client" / FRAMES)) == 37
    assert len(rows(tmp_path / "client" / INPUT)) == 1


def test_parameters_are_those_of_the_file_and_of_the_server_alike(speech: Path, server: str, tmp_path: Path) -> None:
    wanted = (
        *("--set", "bs_weight_multipliers.JawOpen=0", "--set", "bs_weight_offsets.CheekPuff=0.25"),
        *("--set", "beginning_emotion.joy=1", "--set", "max_emotions=1", "--set", "live_transition_time=2"),
        *("--set", "skinStrength=1.5", "--set", "enable_clamping_bs_weight=true"),
    )
    for name, source in (("here", ()), ("there", ("--url", server))):
        infer(speech, "-o", tmp_path / f"{name}.ndjson", *source, *wanted)
        _, *frames, _ = map(json.loads, (tmp_path / f"{name}.ndjson").read_text().splitlines())
        assert {frame["weights"][ALL_SHAPES.index("JawOpen")] for frame in frames} == {0}
        assert frames[3]["weights"][ALL_SHAPES.index("CheekPuff")] == 0.25
        assert frames[0]["emotions"][6] > 0.3
    refused = infer(speech, "-o", tmp_path / "x.csv", "--url", server, "--set", "skinStrength=9", code=2).output
    assert "--set skinStrength = 9.0 is out of range; allowed is 0 to 2" in refused


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


def test_the_way_to_a_server_may_be_encrypted(speech: Path, certificates: Path, tmp_path: Path) -> None:
    known = ("--tls-certificate", certificates / "client.pem", "--tls-key", certificates / "client.key")
    with beside(whole(secured("mtls", certificates))) as service:
        url = ("-o", tmp_path / "x.csv", "--url", service.address())
        infer(speech, *url, "--tls-ca", certificates / "ca.pem", *known)
        assert len(rows(tmp_path / "x.csv")) == 37
        for less in ((), ("--tls",), ("--tls-ca", certificates / "ca.pem"), known):
            assert "UNAVAILABLE" in infer(speech, *url, *less, code=1).output
    assert "belong together" in infer(speech, *url, *known[:2], code=2).output
    assert "nowhere.pem" in infer(speech, *url, "--tls-ca", tmp_path / "nowhere.pem", code=2).output


def test_a_servers_refusal_is_told_in_its_words(server: str, tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(wav(0.5))
    said = infer(tmp_path / "long.wav", "-o", tmp_path / "x.csv", "--url", "127.0.0.1:1", code=1).output
    assert said.startswith("127.0.0.1:1: UNAVAILABLE")
    assert not (tmp_path / "x.csv").exists()
    assert server


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say where the frames go"),
        (("-o", "{tmp}/x.mp4"), "the name tells no format"),
        (("-o", "{tmp}/x.mp4", "--format", "fbx"), "no format 'fbx'"),
        (("-o", "{tmp}/no/x.csv"), "does not exist"),
        (("-o", "{tmp}/x.csv", "--mesh", "{tmp}/a.glb"), "--mesh is for .glb"),
        (("-o", "{tmp}", "--format", "csv"), "a folder gets the files of NVIDIA's client"),
        (("-o", "{tmp}/x.csv", "--url", "a:1", "--portrait"), "choose one"),
        (("-o", "{tmp}/x.csv", "--url", "a:1", "--stylization-config", "a.yaml"), "no effect with --url"),
        (("-o", "{tmp}/x.csv", "--portrait", "--emotion", "joy=1"), "no effect with --portrait"),
        (("-o", "{tmp}/x.csv", "--emotion", "joy"), "is not NAME=WEIGHT@SECONDS"),
        (("-o", "{tmp}/x.csv", "--emotion", "glee=1@0"), "emotions are amazement"),
        (("-o", "{tmp}/x.csv", "--emotion", "joy=1.5@0"), "weights 0 to 1"),
        (("-o", "{tmp}/x.csv", "--emotion", "joy=1.2.3@0"), "is not NAME"),
        (("-o", "{tmp}/x.csv", "--portrait", "--set", "skinStrength=1"), "--set has no effect with --portrait"),
        (("-o", "{tmp}/x.csv", "--set", "skinStrength"), "is not NAME=NUMBER"),
        (("-o", "{tmp}/x.csv", "--set", "skin=1"), "no parameter is called skin"),
        (("-o", "{tmp}/x.csv", "--set", "bs_weight_offsets.Nose=1"), "no parameter is called bs_weight_offsets.Nose"),
        (("-o", "{tmp}/x.csv", "--set", "enable_preferred_emotion=2"), "is not a switch"),
        (("-o", "{tmp}/x.csv", "--tls"), "are for --url"),
        (("--vmc", "127.0.0.1:port"), "is not HOST:PORT"),
    ],
)
def test_what_cannot_work_is_refused_first(
    speech: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    result = CliRunner().invoke(app, ["a2f", "infer", str(speech), *given])
    assert result.exit_code in (1, 2)
    assert words in result.output
    assert not list(tmp_path.iterdir())


def test_a_recording_that_is_none_is_refused(tmp_path: Path) -> None:
    infer(tmp_path / "none.wav", "-o", tmp_path / "x.csv", code=2)
    (tmp_path / "text.wav").write_text("words")
    assert "no audio in a known format" in infer(tmp_path / "text.wav", "-o", tmp_path / "x.csv", code=1).output
    assert not (tmp_path / "x.csv").exists()


def test_keyframes_of_one_time_are_one() -> None:
    found: list[Any] = keyframes(("sadness=1@2", "joy=0.5", "fear=0.25@0.0"))
    assert found == [(0.0, {"joy": 0.5, "fear": 0.25}), (2.0, {"sadness": 1.0})]
    with pytest.raises(UsageFailureError):
        keyframes(("joy=@1",))
