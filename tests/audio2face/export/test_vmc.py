"""VMC: datagrams on a real UDP socket, decoded by python-osc."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pythonosc.osc_bundle import OscBundle

from comps.animation.audio2face.export.take import Poses
from comps.animation.audio2face.export.vmc import VmcSender, VmcShapes, vrm_weights
from comps.animation.audio2face.names import ARKIT_SHAPES
from comps.core.errors import EngineUnavailableError, UnprocessableError
from tests.audio2face.export.clips import PLACE, TAKE, clip

Message = tuple[str, list[object]]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def sent(listener: socket.socket, poses: Poses, shapes: VmcShapes = "arkit") -> list[list[Message]]:
    """The messages that arrive, frame by frame."""
    with VmcSender(TAKE, "127.0.0.1", listener.getsockname()[1], shapes) as sender:
        sender.send(poses)
    frames: list[list[Message]] = [[]]
    while len(frames) <= len(poses):
        data = listener.recv(65_536)
        assert len(data) <= 1472  # one packet of an Ethernet
        for message in OscBundle(data):
            frames[-1].append((message.address.removeprefix("/VMC/Ext/"), list(message.params)))
        if frames[-1][-1][0] == "Blend/Apply":
            frames.append([])
    return frames[:-1]


def values(frame: list[Message]) -> dict[object, object]:
    return {params[0]: params[1] for address, params in frame if address == "Blend/Val"}


def weights(**given: float) -> Poses:
    row: NDArray[np.float64] = np.zeros((1, 68))
    for name, value in given.items():
        row[0, PLACE[name]] = value
    return Poses(0, row, np.zeros((1, 10)), np.zeros((1, 6)))


def test_every_frame_arrives_in_order_and_is_applied(listener: socket.socket) -> None:
    poses = clip(4)
    for number, frame in enumerate(sent(listener, poses)):
        addresses = [address for address, _ in frame]
        assert addresses == ["OK", "T", "Bone/Pos", *["Blend/Val"] * 52, "Blend/Apply"]
        assert frame[0][1] == [1]
        assert frame[1][1] == pytest.approx([number / 30], abs=1e-6)
        assert list(values(frame)) == list(ARKIT_SHAPES)
        expected = np.clip(poses.arkit[number, :52], 0, 1)
        assert list(values(frame).values()) == pytest.approx(expected, abs=1e-6)


def test_the_head_is_a_bone_in_unitys_axes(listener: socket.socket) -> None:
    head = np.zeros((1, 6))
    head[0, [0, 3]] = 20, 0.5  # to the subject's left, which is -x there
    (frame,) = sent(listener, Poses(0, np.zeros((1, 68)), np.zeros((1, 10)), head))
    name, *numbers = frame[2][1]
    assert name == "Head"
    assert numbers[:3] == pytest.approx([-0.0315, 0, 0], abs=1e-6)
    assert numbers[3:] == pytest.approx([0, -np.sin(np.radians(10)), 0, np.cos(np.radians(10))], abs=1e-6)


def test_an_avatar_without_the_52_gets_what_every_vrm_has(listener: socket.socket) -> None:
    (frame,) = sent(listener, weights(JawOpen=0.45, EyeBlinkLeft=1.0), "vrm")
    shown = values(frame)
    assert shown["A"] == pytest.approx(1.0)
    assert shown["Blink_L"] == 1.0
    assert shown["Blink_R"] == 0.0
    assert not {"JawOpen", "EyeBlinkLeft"} & set(shown)


@pytest.mark.parametrize(
    ("given", "vowel"),
    [
        ({"JawOpen": 0.4}, "A"),
        ({"MouthStretchLeft": 0.5, "MouthStretchRight": 0.5, "MouthSmileLeft": 0.2, "MouthSmileRight": 0.2, "JawOpen": 0.08}, "I"),
        ({"MouthPucker": 0.85, "JawOpen": 0.05}, "U"),
        ({"MouthStretchLeft": 0.5, "MouthStretchRight": 0.5, "MouthSmileLeft": 0.2, "MouthSmileRight": 0.2, "JawOpen": 0.3}, "E"),
        ({"MouthPucker": 0.6, "MouthFunnel": 0.6, "JawOpen": 0.35}, "O"),
    ],
)  # fmt: skip
def test_vowels_are_told_apart(given: dict[str, float], vowel: str) -> None:
    shown = dict(zip("AIUEO", vrm_weights(weights(**given))[0, :5], strict=True))
    assert max(shown, key=lambda name: shown[name]) == vowel, shown


def test_shut_lips_say_nothing() -> None:
    assert not vrm_weights(weights(MouthClose=0.5))[0, :5].any()
    assert vrm_weights(clip()).min() >= 0
    assert vrm_weights(clip()).max() <= 1


def test_nobody_need_listen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with VmcSender(TAKE, "127.0.0.1", port) as sender:
        sender.send(clip(20))


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(UnprocessableError, match="no host"):
        VmcSender(TAKE, "no.such.host.invalid")


def test_without_the_library_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythonosc", None)
    with pytest.raises(EngineUnavailableError, match=r"pip install 'avatarchatbot\[vmc\]'"):
        VmcSender(TAKE, "127.0.0.1")
