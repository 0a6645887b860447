"""Stands in for LiveAvatar: takes the real command line, speaks the real channel, and fails in the ways that are known.

`STAND_IN_MODE` says how it behaves; `STAND_IN_PIDS` names a file to which it adds the numbers of its processes. It hears
sound and shows it: the grey of a frame is the loudness of its 40 ms, and blocks that are not speech are white, so that a
frame of the warm-up, of silence or of another block is seen at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.liveavatar.live import bridge, channel

MODE = os.environ.get("STAND_IN_MODE", "on_time")
FRAME_SAMPLES = channel.RATE // channel.FPS
BLOCK_S = 0.03
"""A block's time while nobody speaks; the real one is 0.48 s."""
WHITE = 255
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 44.40 GiB"
NCCL = "torch.distributed.DistBackendError: NCCL error in: NCCLUtils.hpp:268, unhandled system error"


def main() -> None:
    arguments = sys.argv[1:]
    assert arguments[:2] == ["-m", "torch.distributed.run"], arguments
    _leave_numbers(_helper())
    say(f"world_size: {value(arguments, '--nproc_per_node')}")
    _fail_at_start(arguments)
    if "--audio" in arguments:
        offline(arguments)
    else:
        live(arguments)


def say(line: str, end: str = "\n") -> None:
    sys.stdout.write(line + end)
    sys.stdout.flush()


def value(arguments: list[str], flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


def _helper() -> int:
    """A process in a session of its own, as torchrun starts them."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True).pid


def _leave_numbers(helper: int) -> None:
    if "STAND_IN_PIDS" in os.environ:
        with Path(os.environ["STAND_IN_PIDS"]).open("a") as file:
            file.write(f"{os.getpid()}\n{helper}\n")


def _fail_at_start(arguments: list[str]) -> None:
    failures = {
        "oom": (OOM, "--fp8" not in arguments),
        "oom_twice": (OOM, "--fp8" not in arguments or "--t5_cpu" not in arguments),
        "oom_always": (OOM, True),
        "nccl": (NCCL, os.environ.get("NCCL_P2P_DISABLE") != "1"),
        "missing": ("FileNotFoundError: [Errno 2] No such file or directory: 'Wan2.2-S2V-14B/config.json'", True),
        "assertion": ("AssertionError: At least 5 GPUs are supported for distributed inference.", True),
    }
    line, fails = failures.get(MODE, ("", False))
    if fails:
        say("Traceback (most recent call last):\n" + line)
        sys.exit(1)
    if MODE == "never":
        time.sleep(600)


def grey(sound: bytes) -> list[int]:
    """One value for each 40 ms of PCM16: 200 where it is as loud as it can be."""
    samples = np.abs(np.frombuffer(sound, "<i2").astype(np.float64))
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return [int(level) for level in whole.mean(1) * 200 / 32768]


def live(arguments: list[str]) -> None:
    link = bridge.Link(bridge.connected(os.environ[channel.PATH_VARIABLE]), int(value(arguments, "--history")), BLOCK_S)
    start = link.wait_start()
    height, width = cv2.imread(start.fields["image"]).shape[:2]
    assert (width, height) == (start.fields["width"], start.fields["height"])
    if MODE == "lost":
        link._channel = Losing(link._channel)
    link.run(_pipe(link, int(value(arguments, "--history"))), lambda shown: _pixels(shown, height, width))


class Losing(channel.SocketChannel):
    """Loses the third block of every answer."""

    def __init__(self, whole: channel.SocketChannel) -> None:
        super().__init__(whole._socket)
        self._lock = whole._lock

    def send(self, message: channel.Message) -> None:
        if message.fields.get("sequence") != 2:
            super().send(message)


def _pipe(link: bridge.Link, history: int) -> Iterator[list[int]]:
    """What the real pipeline does with its sound: asked for in yield 8 + n, seen in yield 12 + n."""
    heard: dict[int, list[int]] = {}
    spoken = 0
    number = 0
    while True:
        if number >= bridge.FIRST_CALL:
            sound = link.feeder.take()[2 * history * FRAME_SAMPLES :]
            assert len(sound) == 2 * channel.CHUNK_SAMPLES
            heard[number + channel.PIPE_BLOCKS] = grey(sound)[: channel.BLOCK_FRAMES] if any(sound) else []
            spoken += any(sound)
        _misbehave(link, spoken, number)
        yield heard.pop(number, []) or [WHITE] * channel.BLOCK_FRAMES
        number += 1


def _misbehave(link: bridge.Link, spoken: int, number: int) -> None:
    if MODE == "late" and spoken:
        time.sleep(0.05)
    if MODE == "slow_start" and number < channel.WARM_UP:
        time.sleep(0.05)
    if MODE == "stall_idle" and number == channel.WARM_UP + 2:
        time.sleep(600)
    if MODE == "other_protocol" and not number:
        link._channel.send(channel.Message("ready", {"protocol": 99, "fps": 25, "width": 1, "height": 1}))
    if spoken != 3:
        return
    if MODE == "garbage":
        link._channel._socket.sendall(b"\xff" * 64)
    elif MODE == "false_size":
        fields = {"generation": 1, "sequence": 0, "count": 12, "height": 8, "width": 8}
        link._channel.send(channel.Message("frame", fields, b"short"))
    elif MODE == "unasked":
        fields = {"generation": 1, "sequence": 99, "count": 1, "height": 1, "width": 1}
        for sequence in (0, 1, 98, 99):
            link._channel.send(channel.Message("frame", {**fields, "sequence": sequence}, b"abc"))
    elif MODE == "crash":
        say("RuntimeError: something broke")
        os._exit(1)
    elif MODE == "hang":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif MODE == "stall":
        time.sleep(600)


def _pixels(shown: list[int], height: int, width: int) -> tuple[int, int, int, bytes]:
    frames = np.repeat(np.array(shown, np.uint8), height * width * 3)
    return len(shown), height, width, frames.tobytes()


def offline(arguments: list[str]) -> None:
    if "STAND_IN_ARGUMENTS" in os.environ:
        Path(os.environ["STAND_IN_ARGUMENTS"]).write_text("\n".join(arguments))
    with wave.open(value(arguments, "--audio")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        levels = grey(file.readframes(file.getnframes()))
    frames, steps = int(value(arguments, "--infer_frames")), int(value(arguments, "--sample_steps"))
    total = int(value(arguments, "--num_clip")) * frames
    for _ in range(total // channel.BLOCK_FRAMES):
        time.sleep(0.2 if MODE == "slow" else 0)
        say(f"100%|{'█' * 10}| {steps}/{steps} [00:00<00:00, 20.00it/s]", end="\r")
    say("Saving generated video to video.mp4")
    out = Path(value(arguments, "--save_file"))
    if MODE == "no_video":
        return
    if MODE == "false_video":
        out.write_bytes(b"no film" * 100)
        return
    # As ffmpeg does it when it is told to end with the shorter of sound and picture.
    made = min(total - {"short": 20, "cut": 1}.get(MODE, 3), len(levels))
    picture = cv2.imread(value(arguments, "--image"))
    write_film(out, [*levels, *([0] * total)][:made], picture)


def write_film(path: Path, levels: list[int], picture: NDArray[Any]) -> None:
    height, width = picture.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=channel.FPS, options={"crf": "10", "preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
