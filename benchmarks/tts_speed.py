"""TTS speed: time to the first framed message over HTTP from a process of its own, and real-time factor.

Run: python -m benchmarks.tts_speed
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time

import httpx

from comps.core.framing import unpack

SENTENCE = "The talking face is made on your own computer, without any download."
ROUNDS = 30


def main() -> None:
    port = free_port()
    environment = {**os.environ, "AVATAR_TTS_PORT": str(port), "AVATAR_TTS_LOG_LEVEL": "warning"}
    process = subprocess.Popen([sys.executable, "-m", "comps.tts"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            report(client)
    finally:
        process.terminate()
        process.wait(10)


def report(client: httpx.Client) -> None:
    print(f"ready after {wait_until_ready(client):.2f} s")
    for name, text in (("one sentence", SENTENCE), ("50 sentences", " ".join([SENTENCE] * 50))):
        rounds = [speak(client, text) for _ in range(ROUNDS if text == SENTENCE else 3)]
        first, whole = (statistics.median(column) for column in list(zip(*rounds, strict=True))[:2])
        seconds = rounds[0][2]
        print(
            f"{name}: first message {first * 1e3:.1f} ms, all {whole * 1e3:.0f} ms for {seconds:.1f} s of speech, "
            f"real-time factor {whole / seconds:.4f}"
        )


def speak(client: httpx.Client, text: str) -> tuple[float, float, float]:
    """Seconds to the first byte, to the end, and of speech."""
    started, first, body = time.perf_counter(), 0.0, bytearray()
    with client.stream("POST", "/v1/tts/stream", json={"text": text}) as response:
        for piece in response.iter_bytes():
            first = first or time.perf_counter() - started
            body += piece
    return first, time.perf_counter() - started, speech_seconds(bytes(body))


def speech_seconds(body: bytes) -> float:
    samples, rate = 0, 1
    while body:
        size = 8 + int.from_bytes(body[:4], "little") + int.from_bytes(body[4:8], "little")
        header, payload = unpack(body[:size])
        samples, rate, body = samples + len(payload) // 2, header["sample_rate"], body[size:]
    return samples / rate


def wait_until_ready(client: httpx.Client) -> float:
    started = time.perf_counter()
    while True:
        try:
            if client.get("/readyz").status_code == 200:
                return time.perf_counter() - started
        except httpx.TransportError:
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
