"""The Audio2Face service under load: live streams, a whole clip at once, the first frame, memory.

    python -m benchmarks.audio2face [--json] [--streams 40] [--seconds 20] [--clips 1000]

The service runs in processes of its own with the embedded inference, the clients in this one; they share the machine, and
the processor time of both is told apart. Speech is eSpeak's, 16 kHz. Live clients, a connection each, send a buffer of 1/30 s
30 times a second, by the clock, each beginning at another moment. Frames are told by their time codes. One is late when
it comes more than one frame's time after the buffer that completed its look-ahead was sent. "first frame" is the time from
sending the buffer with which it can be told to receiving it. A burst is a clip of 10 s, header and all, until its last frame.
Memory is the service's resident set.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.grpc_client import GrpcConnection
from benchmarks.memory import memory_of, tree
from benchmarks.tts_alignment import speak
from benchmarks.tts_voices import SENTENCES
from comps.animation.audio2face.configuration import Layers, read_configuration
from comps.animation.audio2face.inference.choice import InferenceSettings, load_inference
from comps.animation.audio2face.inference.embedded import EmbeddedEmotions, EmbeddedFace
from comps.animation.audio2face.pipeline import Audio2Face
from comps.animation.audio2face.proto import controller_pb2
from comps.animation.audio2face.server import replies
from comps.animation.audio2face.server.controller import SERVICE

RATE, FPS = 16_000, 30
BUFFER = 2 * RATE // FPS // 2 * 2
BURSTS, FIRSTS = 10, 5
LOOK_AHEAD_S = max(EmbeddedFace.look_ahead_s, EmbeddedEmotions.look_ahead_s)
ADVANCED = "pipeline_parameters: {{burst_mode: {}}}\ninput_sanitization: {{low_fps: 0, max_wait_time_idle_ms: 1e6}}\n"
"""A machine that holds up the clients shall show in the table, not end their streams."""
_FRAME = controller_pb2.AnimationDataStream.ANIMATION_DATA_FIELD_NUMBER << 3 | 2
_STATUS = controller_pb2.AnimationDataStream.STATUS_FIELD_NUMBER << 3 | 2
"""First byte of a message that is a frame or a status: parsing 1,200 a second would cost as much as half the service."""
_DOUBLE = 1 << 3 | 1
"""Byte before a time code."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running service: where it listens, and its process."""

    address: str
    url: str
    pid: int

    def cpu_s(self) -> float:
        """Processor time of the service and its processes so far."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in tree(self.pid)]
        return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS

    async def metric(self, name: str) -> float:
        """A figure that the service measured itself."""
        async with httpx.AsyncClient(trust_env=False) as client:
            shown = (await client.get(f"{self.url}/metrics", timeout=30)).text
        return float(next(line for line in shown.splitlines() if line.startswith(f"{name} ")).split()[1])


@dataclass(frozen=True, slots=True)
class Live:
    """Streams in real time."""

    streams: int
    seconds: float
    frames: int
    late: int
    late_by_service: int
    worst_delay_ms: float
    wait_ms: float
    wait_95_ms: float
    cpu_ms_per_second: float
    clients_cpu_ms_per_second: float
    memory_mb_per_stream: float


@dataclass(frozen=True, slots=True)
class Result:
    """Everything measured; times in ms, memory in MB (10^6 bytes)."""

    live: Live
    burst_ms: float
    burst_median_ms: float
    burst_cpu_ms: float
    first_frame_ms: float
    first_frame_median_ms: float
    clips: int
    growth_mb: float


def speech(seconds: float) -> bytes:
    """Sentences one after the other, PCM16 at 16 kHz."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < seconds * RATE:
        parts.append(speak(SENTENCES[len(parts) % len(SENTENCES)], "gmw/en-US")[0])
    whole = np.concatenate(parts)[: round(seconds * RATE)]
    return (np.clip(whole, -1, 1) * 32767).astype("<i2").tobytes()


@asynccontextmanager
async def served(streams: int, *, burst: bool) -> AsyncIterator[Server]:
    """A service in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "deployment_config.yaml").write_text(f"common: {{stream_number: {streams}}}\n")
        (Path(folder) / "advanced_config.yaml").write_text(ADVANCED.format(str(burst).lower()))
        ports = free_ports(3)
        command = (
            sys.executable, "-m", "gateway.cli", "a2f", "serve", "--config", folder, "--host", "127.0.0.1",
            "--port", ports[0], "--http-port", ports[1], "--authoring-port", ports[2],
        )  # fmt: skip
        process = await asyncio.create_subprocess_exec(*map(str, command), stderr=subprocess.DEVNULL)
        try:
            server = Server(f"127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}", process.pid)
            await ready(server, process)
            yield server
        finally:
            process.terminate()
            await process.wait()


def free_ports(count: int) -> list[int]:
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


async def ready(server: Server, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while process.returncode is None:
            try:
                if (await client.get(f"{server.url}/v1/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("the service did not start")


def messages(pcm: bytes, size: int) -> list[bytes]:
    """The audio of a clip as serialised messages."""
    stream = controller_pb2.AudioStream
    return [
        stream(audio_with_emotion={"audio_buffer": pcm[start : start + size]}).SerializeToString()
        for start in range(0, len(pcm), size)
    ]


def header() -> bytes:
    audio = {"channel_count": 1, "samples_per_second": RATE, "bits_per_sample": 16}
    return controller_pb2.AudioStream(audio_stream_header={"audio_header": audio}).SerializeToString()


END = controller_pb2.AudioStream(end_of_audio={}).SerializeToString()
SUCCESS = replies.success_message()


class Client:
    """One clip over a connection: when every frame came, and when every buffer left."""

    def __init__(self, connection: GrpcConnection) -> None:
        self._connection = connection
        self._succeeded = False
        self.came: list[float] = []
        self.left: list[float] = []

    async def run(self, buffers: list[bytes], *, live: bool) -> None:
        """The clip to its end; RuntimeError when a frame is missing or the service does not say SUCCESS."""
        call = self._connection.call(f"/{SERVICE}/ProcessAudioStream", self._received)
        call.send(header())
        began = time.perf_counter()
        for index, buffer in enumerate(buffers):
            if live:
                await asyncio.sleep(max(began + index / FPS - time.perf_counter(), 0))
            self.left.append(time.perf_counter())
            call.send(buffer)
        call.send(END)
        await call.done
        if not self._succeeded:
            raise RuntimeError("the service did not animate the whole clip")

    def _received(self, message: bytes) -> None:
        if message[0] == _FRAME:
            frame = round(time_code(message) * FPS)
            if frame != len(self.came):
                raise RuntimeError(f"frame {frame} came where {len(self.came)} was due")
            self.came.append(time.perf_counter())
        elif message[0] == _STATUS:
            self._succeeded = message == SUCCESS

    def delays(self, enough: np.ndarray) -> np.ndarray:
        """How long after the buffer `enough` `[frames]` every frame came, s; after the end, the buffer that would have."""
        sent = np.array(self.left)[np.minimum(enough, len(self.left) - 1)]
        return np.asarray(np.array(self.came) - np.maximum(sent, self.left[0] + enough / FPS))


def time_code(message: bytes) -> float:
    """The time code of a frame, s: the first field of the third message within; zero is left out."""
    place = 0
    for _ in range(3):
        place += 1
        while message[place] & 0x80:
            place += 1
        place += 1
    return float(struct.unpack_from("<d", message, place + 1)[0]) if message[place] == _DOUBLE else 0.0


def promised(frames: int) -> np.ndarray:
    """Number of the buffer that completes each frame's look-ahead."""
    return np.asarray(np.ceil(np.arange(frames) + LOOK_AHEAD_S * FPS).astype(int) - 1)


def possible(pcm: bytes) -> np.ndarray:
    """Number of the buffer with which the inference can tell each frame of a clip."""
    configuration = read_configuration(None, None, None)
    model, detector = load_inference(configuration, InferenceSettings())
    clip = Audio2Face(Layers(configuration, model.defaults), model, detector).open(RATE)
    made = [len(clip.push(pcm[start : start + BUFFER])) for start in range(0, len(pcm), BUFFER)]
    left = len(clip.finish())
    return np.concatenate([np.repeat(np.arange(len(made)), made), np.full(left, len(made) - 1)])


@asynccontextmanager
async def connected(server: Server, count: int) -> AsyncIterator[list[GrpcConnection]]:
    """Connections to a service: as from so many machines."""
    connections = [await GrpcConnection.connect(server.address) for _ in range(count)]
    yield connections
    for connection in connections:
        connection.close()


async def live_streams(streams: int, seconds: float, pcm: bytes) -> Live:
    buffers, earliest = messages(pcm, BUFFER), possible(pcm)
    async with served(streams, burst=False) as server, connected(server, streams) as connections:
        await Client(connections[0]).run(messages(pcm[: 4 * RATE], BUFFER), live=False)
        before, cpu, own = memory_of(server.pid).rss_mb, server.cpu_s(), time.process_time()
        clients = [Client(connection) for connection in connections]
        whole = asyncio.gather(*(staggered(client, index / streams, buffers) for index, client in enumerate(clients)))
        await asyncio.sleep(seconds / 2)
        during = memory_of(server.pid).rss_mb
        await whole
        used, own = server.cpu_s() - cpu, time.process_time() - own
        delays = np.stack([client.delays(promised(len(client.came))) for client in clients])
        waits = np.stack([client.delays(earliest) for client in clients])
        return Live(
            streams=streams,
            seconds=seconds,
            frames=delays.size,
            late=int((delays > 1 / FPS).sum()),
            late_by_service=int(await server.metric("audio2face_late_frames_total")),
            worst_delay_ms=1e3 * float(delays.max()),
            wait_ms=1e3 * float(np.median(waits)),
            wait_95_ms=1e3 * float(np.quantile(waits, 0.95)),
            cpu_ms_per_second=1e3 * used / streams / seconds,
            clients_cpu_ms_per_second=1e3 * own / streams / seconds,
            memory_mb_per_stream=(during - before) / streams,
        )


async def staggered(client: Client, wait: float, buffers: list[bytes]) -> None:
    await asyncio.sleep(wait)
    await client.run(buffers, live=True)


async def bursts(connection: GrpcConnection, pcm: bytes, count: int) -> list[float]:
    """Milliseconds of clips sent at once, one after the other."""
    times = []
    for _ in range(count):
        client, began = Client(connection), time.perf_counter()
        await client.run(messages(pcm[: 20 * RATE], 2 * RATE), live=False)
        assert len(client.came) == 10 * FPS + 1
        times.append(1e3 * (client.came[-1] - began))
    return times


async def first_frames(connection: GrpcConnection, pcm: bytes) -> list[float]:
    """Milliseconds from the buffer with which the first frame can be told to its coming."""
    times, clip = [], pcm[: 2 * RATE]
    enough = possible(clip)
    for _ in range(FIRSTS):
        client = Client(connection)
        await client.run(messages(clip, BUFFER), live=True)
        times.append(1e3 * float(client.delays(enough)[0]))
    return times


async def growth(server: Server, connection: GrpcConnection, pcm: bytes, clips: int) -> float:
    """Megabytes that many short clips leave behind; the first tenth warms up."""
    buffers = messages(pcm[: RATE // 2], BUFFER)
    before, warm = 0.0, -(-clips // 100)
    for number in range(warm + -(-clips // 10)):
        if number == warm:
            before = memory_of(server.pid).rss_mb
        await asyncio.gather(*(Client(connection).run(buffers, live=False) for _ in range(10)))
    return memory_of(server.pid).rss_mb - before


async def measure(given: argparse.Namespace) -> Result:
    pcm = speech(max(given.seconds, 10.0))
    live = await live_streams(given.streams, given.seconds, pcm[: round(given.seconds * RATE) * 2])
    async with served(16, burst=True) as server, connected(server, 1) as (connection,):
        await bursts(connection, pcm, 1)
        cpu = server.cpu_s()
        burst = await bursts(connection, pcm, BURSTS)
        burst_cpu = 1e3 * (server.cpu_s() - cpu) / BURSTS
        first = await first_frames(connection, pcm[10_000:])
        grown = await growth(server, connection, pcm, given.clips)
    return Result(
        live, min(burst), float(np.median(burst)), burst_cpu, min(first), float(np.median(first)), given.clips, grown
    )


def show(found: Result) -> None:
    live = found.live
    table = Table("What", "Measured", "Bar", title="Audio2Face service, embedded inference", title_justify="left")
    table.add_row(
        f"late frames of {live.streams} live streams, {live.seconds:g} s", f"{live.late} of {live.frames}", "0"
    )
    table.add_row("late frames as the service counts them", str(live.late_by_service), "0")
    table.add_row("latest frame after its look-ahead", f"{live.worst_delay_ms:.0f} ms", f"{1e3 / FPS:.0f} ms")
    waits = f"{live.wait_ms:.0f} ({live.wait_95_ms:.0f}) ms"
    table.add_row("frame after the audio that made it possible, median (95th percentile)", waits, "")
    share = f"{live.cpu_ms_per_second:.1f} ms, clients {live.clients_cpu_ms_per_second:.1f} ms"
    table.add_row("processor time for a second of a live stream", share, f"{2e3 / live.streams:.0f} ms in all")
    table.add_row("memory for each live stream", f"{live.memory_mb_per_stream:.1f} MB", "8 MB")
    table.add_row(
        "clip of 10 s at once, least (median)", f"{found.burst_ms:.0f} ({found.burst_median_ms:.0f}) ms", "150 ms"
    )
    table.add_row("processor time for it", f"{found.burst_cpu_ms:.0f} ms", "")
    first = f"{found.first_frame_ms:.0f} ({found.first_frame_median_ms:.0f}) ms"
    table.add_row("first frame after enough audio, least (median)", first, "60 ms")
    table.add_row(f"memory after {found.clips} clips", f"{found.growth_mb:+.1f} MB", "no growth")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clips", type=int, default=1000)
    given = parser.parse_args()
    found = uvloop.run(measure(given))
    if given.json:
        print(json.dumps(asdict(found)))
    else:
        show(found)


if __name__ == "__main__":
    main()
