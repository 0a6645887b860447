"""VMC: a face sent live to VRM programs as OSC messages over UDP (Virtual Motion Capture Protocol 2).

Each frame is sent as bundles that fit a network's packets: `/VMC/Ext/OK`, `/VMC/Ext/T` with its time, the head as `/VMC/Ext/Bone/Pos`, its shapes as
`/VMC/Ext/Blend/Val` and `/VMC/Ext/Blend/Apply`. Rotations are Unity's: x to the subject's right, left-handed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np

from comps.animation.audio2face.export.take import Array, Poses, Take
from comps.animation.audio2face.export.turns import head_positions, head_quaternions, mirrored
from comps.animation.audio2face.names import ARKIT_SHAPES
from comps.core.engine import missing_extra
from comps.core.errors import UnprocessableError

if TYPE_CHECKING:
    from pythonosc.osc_message import OscMessage
    from pythonosc.osc_message_builder import ArgValue

PORT = 39539
"""Where programs that show an avatar listen."""
VmcShapes = Literal["arkit", "vrm"]
"""``arkit``: the 52 as clips of their names (an avatar with "perfect sync"); ``vrm``: the expressions every VRM has."""
EXTRA = "vmc"
_PACKET = 1400
"""Bytes of a bundle's messages: more would be sent in pieces, of which none may be lost."""

_PARTS = (
    "A",
    "I",
    "U",
    "E",
    "O",
    "Blink_L",
    "Blink_R",
    "Joy",
    "Angry",
    "Sorrow",
    "LookUp",
    "LookDown",
    "LookLeft",
    "LookRight",
)
"""The expressions of VRM 0 that weights can tell, in VMC's spelling; programs with VRM 1 avatars translate them."""


class VmcSender:
    """Sends the frames of one clip; close it, or use it as a context.

    Raises:
        EngineUnavailableError: python-osc is not installed.
        UnprocessableError: the host has no address.
    """

    def __init__(self, take: Take, host: str, port: int = PORT, shapes: VmcShapes = "arkit") -> None:
        _check_library()
        self._take, self._shapes = take, shapes
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:
            raise UnprocessableError(f"there is no host {host[:100]!r} to send VMC to", param="vmc") from error
        self._address: tuple[object, ...] = address
        self._socket = socket.socket(family, kind)

    def __enter__(self) -> VmcSender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def send(self, poses: Poses) -> None:
        """Send these frames at once; the caller keeps time. A datagram that nobody receives is no error."""
        for datagram in datagrams(poses, self._take, self._shapes):
            try:
                self._socket.sendto(datagram, self._address)
            except ConnectionRefusedError:  # the answer to an earlier datagram: nobody listens yet
                continue


def datagrams(poses: Poses, take: Take, shapes: VmcShapes = "arkit") -> Iterator[bytes]:
    """The OSC bundles of every frame; the last of a frame ends in `/VMC/Ext/Blend/Apply`."""
    names, values = (
        (ARKIT_SHAPES, np.clip(poses.arkit[:, :52], 0, 1)) if shapes == "arkit" else (_PARTS, vrm_weights(poses))
    )
    turned, moved = mirrored(head_quaternions(poses.head)), head_positions(poses.head) * (-1, 1, 1)
    for row in range(len(poses)):
        bone = ("Head", *moved[row].tolist(), *turned[row].tolist())
        time = (poses.first + row) / take.fps
        shown = [("Blend/Val", pair) for pair in zip(names, values[row].tolist(), strict=True)]
        yield from _datagrams([("OK", (1,)), ("T", (time,)), ("Bone/Pos", bone), *shown, ("Blend/Apply", ())])


def vrm_weights(poses: Poses) -> Array:
    """Weights `[n, 14]` of VRM's expressions `_PARTS` for the 52.

    Vowels are told by the jaw, the lips' rounding and their spreading; with the lips shut all are 0.
    """
    arkit = dict(zip(ARKIT_SHAPES, np.clip(poses.arkit, 0, 1).T, strict=False))

    def both(shape: str) -> Array:
        mean: Array = (arkit[f"{shape}Left"] + arkit[f"{shape}Right"]) / 2
        return mean

    opening = np.clip((arkit["JawOpen"] - arkit["MouthClose"]) / 0.45, 0, 1)
    round_ = np.clip(arkit["MouthPucker"] + 0.6 * arkit["MouthFunnel"], 0, 1)
    spread = np.clip((both("MouthStretch") + both("MouthSmile")) / 0.6, 0, 1) * (1 - round_)
    yaw, pitch = (poses.gaze / 35).T
    parts = {
        "A": opening * (1 - round_) * (1 - 0.6 * spread), "I": spread * (1 - opening) * np.minimum(1, opening * 4 + 0.1),
        "U": round_ * (1 - opening), "E": spread * opening * 0.6, "O": round_ * opening,
        "Blink_L": arkit["EyeBlinkLeft"], "Blink_R": arkit["EyeBlinkRight"],
        "Joy": both("MouthSmile") * both("CheekSquint"), "Angry": both("BrowDown"), "Sorrow": both("MouthFrown") * arkit["BrowInnerUp"],
        "LookUp": pitch, "LookDown": -pitch, "LookLeft": yaw, "LookRight": -yaw,
    }  # fmt: skip
    weights: Array = np.clip(np.stack([parts[name] for name in _PARTS], 1), 0, 1)
    return weights


def _datagrams(messages: Sequence[tuple[str, Sequence[ArgValue]]]) -> Iterator[bytes]:
    """Bundles that each fit one packet of a network, in order."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder

    builder, size = OscBundleBuilder(IMMEDIATELY), 0
    for address, arguments in messages:
        message = _message(address, arguments)
        if size + len(message.dgram) + 4 > _PACKET:
            yield builder.build().dgram
            builder, size = OscBundleBuilder(IMMEDIATELY), 0
        builder.add_content(message)
        size += len(message.dgram) + 4
    yield builder.build().dgram


def _message(address: str, arguments: Sequence[ArgValue]) -> OscMessage:
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(f"/VMC/Ext/{address}")
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build()


def _check_library() -> None:
    try:
        import pythonosc  # noqa: F401
    except ImportError as error:
        raise missing_extra("sending to a VMC program", EXTRA, error) from error
