"""What the orchestrator costs: a chain of four services called through it, and directly.

    python -m benchmarks.orchestrator [--json] [--seconds 3]

Four services, and a gateway that runs the orchestrator, are processes of their own on loopback.
"direct" is the same chain walked by the client itself, with the same pooled HTTP client that the
orchestrator has (plain httpx is slower, and would flatter the orchestrator). Added time per
hop is a quarter of the difference of the medians; the ratio is that of requests per second.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpx
import orjson
import uvicorn
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from megaservice.transport.http11 import Http11Transport

HOPS = 4
SIZES = {"1 KB": 1_000, "400 KB": 400_000}
CLIENTS = (1, 16)
FIRST_PORT = 18_700
ROUNDS = 3

Once = Callable[[httpx.AsyncClient, int], Awaitable[None]]


async def stub(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with a body as large as the one it got."""
    if scope["type"] == "lifespan":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve_stub(port: int) -> None:
    uvicorn.run(stub, port=port, log_level="error", lifespan="off", access_log=False)


def serve_gateway(port: int) -> None:
    """The gateway of a user of the orchestrator: one route, one graph."""
    from comps import LLMParams, MicroService, ServiceOrchestrator, ServiceRoleType, ServiceType

    orchestrator = ServiceOrchestrator()
    nodes = [
        MicroService(
            f"node{hop}",
            host="127.0.0.1",
            port=FIRST_PORT + hop,
            endpoint="/v1/work",
            use_remote_service=True,
            service_type=ServiceType.UNDEFINED,
        )
        for hop in range(HOPS)
    ]
    for node in nodes:
        orchestrator.add(node)
    for before, after in itertools.pairwise(nodes):
        orchestrator.flow_to(before, after, strict=True)
    parameters = LLMParams(stream=False)

    async def handle(request: Request) -> Response:
        results, graph = await orchestrator.schedule(orjson.loads(await request.body()), parameters)
        return Response(orjson.dumps(results[graph.all_leaves()[-1]]), media_type="application/json")

    gateway = MicroService(
        "gateway", service_role=ServiceRoleType.MEGASERVICE, host="127.0.0.1", port=port, endpoint="/v1/chain"
    )
    gateway.add_route("/v1/chain", handle)
    gateway.start()


async def direct(client: httpx.AsyncClient, size: int) -> None:
    body = {"data": "x" * size}
    for hop in range(HOPS):
        url = f"http://127.0.0.1:{FIRST_PORT + hop}/v1/work"
        answer = await client.post(url, content=orjson.dumps(body), headers={"Content-Type": "application/json"})
        body = orjson.loads(answer.raise_for_status().content)
    assert len(body["data"]) == size


async def orchestrated(client: httpx.AsyncClient, size: int) -> None:
    url = f"http://127.0.0.1:{FIRST_PORT + HOPS}/v1/chain"
    content = orjson.dumps({"data": "x" * size})
    answer = await client.post(url, content=content, headers={"Content-Type": "application/json"})
    assert len(orjson.loads(answer.raise_for_status().content)["data"]) == size


async def measure(once: Once, size: int, clients: int, seconds: float) -> tuple[float, float]:
    """Median latency in ms and requests per second of `clients` working at the same time."""
    latencies: list[float] = []
    async with httpx.AsyncClient(transport=Http11Transport(), timeout=30) as client:
        for _ in range(20):
            await once(client, size)
        began = time.perf_counter()
        end = began + seconds

        async def work() -> None:
            while time.perf_counter() < end:
                started = time.perf_counter()
                await once(client, size)
                latencies.append(time.perf_counter() - started)

        await asyncio.gather(*(work() for _ in range(clients)))
        elapsed = time.perf_counter() - began
    return statistics.median(latencies) * 1000, len(latencies) / elapsed


async def compare(size: int, clients: int, seconds: float) -> dict[str, float]:
    """Medians over rounds in which both sides take turns, so that a noisy moment hits both."""
    rounds = [
        (await measure(direct, size, clients, seconds), await measure(orchestrated, size, clients, seconds))
        for _ in range(ROUNDS)
    ]
    plain_ms = statistics.median(one[0][0] for one in rounds)
    through_ms = statistics.median(one[1][0] for one in rounds)
    plain_rate = statistics.median(one[0][1] for one in rounds)
    through_rate = statistics.median(one[1][1] for one in rounds)
    return {
        "direct_ms": plain_ms,
        "orchestrated_ms": through_ms,
        "added_per_hop_ms": (through_ms - plain_ms) / HOPS,
        "direct_per_s": plain_rate,
        "orchestrated_per_s": through_rate,
        "ratio": through_rate / plain_rate,
    }


async def wait_for(port: int) -> None:
    for _ in range(400):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise SystemExit(f"nothing listens on port {port}")


@contextmanager
def processes() -> Iterator[None]:
    roles = [("stub", FIRST_PORT + hop) for hop in range(HOPS)] + [("gateway", FIRST_PORT + HOPS)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.orchestrator", "--serve", role, "--port", str(port)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "AVATAR_LOG_LEVEL": "error"},
        )
        for role, port in roles
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


async def run(seconds: float) -> list[dict[str, object]]:
    for hop in range(HOPS + 1):
        await wait_for(FIRST_PORT + hop)
    rows: list[dict[str, object]] = []
    for name, size in SIZES.items():
        for clients in CLIENTS:
            rows.append({"payload": name, "clients": clients, **await compare(size, clients, seconds)})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        "| payload | clients | direct ms | orchestrated ms | added per hop ms | direct/s | orchestrated/s | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            "| {payload} | {clients} | {direct_ms:.2f} | {orchestrated_ms:.2f} | {added_per_hop_ms:.2f} "
            "| {direct_per_s:.0f} | {orchestrated_per_s:.0f} | {ratio:.2f} |".format(**row)
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--serve", choices=("stub", "gateway"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        (serve_stub if options.serve == "stub" else serve_gateway)(options.port)
        return
    with processes():
        rows = asyncio.run(run(options.seconds))
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
