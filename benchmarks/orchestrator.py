"""What the orchestrator costs: a chain of four services walked by hand, and by `schedule`.

    python -m benchmarks.orchestrator [--json] [--seconds 0.4] [--rounds 11]

The services are processes of their own on loopback. Three ways take turns in short rounds, so that a
noisy moment hits all; figures are medians over the rounds.

- direct: a program awaits the four calls one after the other, over one client of `create_client`.
- orchestrator: the same program, the same kind of client, one call of `ServiceOrchestrator.schedule`.
- gateway: `schedule` in another process behind an HTTP route, so one exchange and one process more.

"Added per hop" is a quarter of the difference of the median latencies, "ratio" that of walks per second,
each taken between neighbouring rounds.
"CPU" is what the calling process itself used per walk (for gateway not its own process), which a busy
machine changes little; the other figures are wall time.
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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import orjson
import uvicorn
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from comps import LLMParams, MicroService, ServiceOrchestrator, ServiceRoleType, ServiceType
from comps.core.client import create_client

HOPS = 4
SIZES = {"1 KB": 1_000, "400 KB": 400_000}
CLIENTS = (1, 16)
FIRST_PORT = 18_700
JSON = {"Content-Type": "application/json"}

Walk = Callable[[int], Awaitable[None]]


class Figures(NamedTuple):
    """Median latency of a walk, walks per second, and CPU time of this process per walk."""

    ms: float
    per_s: float
    cpu_ms: float


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
    orchestrator = chain()
    parameters = LLMParams(stream=False)

    async def handle(request: Request) -> Response:
        results, graph = await orchestrator.schedule(orjson.loads(await request.body()), parameters)
        return Response(orjson.dumps(results[graph.all_leaves()[-1]]), media_type="application/json")

    gateway = MicroService(
        "gateway", service_role=ServiceRoleType.MEGASERVICE, host="127.0.0.1", port=port, endpoint="/v1/chain"
    )
    gateway.add_route("/v1/chain", handle)
    gateway.start()


def chain() -> ServiceOrchestrator:
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
    return orchestrator


@asynccontextmanager
async def ways() -> AsyncIterator[dict[str, Walk]]:
    """The three ways to send a body of a size through the chain, each with connections of its own."""
    urls = [f"http://127.0.0.1:{FIRST_PORT + hop}/v1/work" for hop in range(HOPS)]
    parameters = LLMParams(stream=False)
    async with create_client() as client, create_client() as outside, chain() as orchestrator:

        async def direct(size: int) -> None:
            body = {"data": "x" * size}
            for url in urls:
                answer = await client.post(url, content=orjson.dumps(body), headers=JSON)
                body = orjson.loads(answer.raise_for_status().content)
            assert len(body["data"]) == size

        async def orchestrated(size: int) -> None:
            results, graph = await orchestrator.schedule({"data": "x" * size}, parameters)
            assert len(results[graph.all_leaves()[-1]]["data"]) == size

        async def gateway(size: int) -> None:
            content = orjson.dumps({"data": "x" * size})
            answer = await outside.post(f"http://127.0.0.1:{FIRST_PORT + HOPS}/v1/chain", content=content, headers=JSON)
            assert len(orjson.loads(answer.raise_for_status().content)["data"]) == size

        yield {"direct": direct, "orchestrator": orchestrated, "gateway": gateway}


async def measure(walk: Walk, size: int, clients: int, seconds: float) -> Figures:
    """One round of `clients` walking at the same time."""
    latencies: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    end = began + seconds

    async def work() -> None:
        while (started := time.perf_counter()) < end:
            await walk(size)
            latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(work() for _ in range(clients)))
    elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Figures(statistics.median(latencies) * 1000, len(latencies) / elapsed, cpu * 1000 / len(latencies))


async def compare(size: int, clients: int, seconds: float, rounds: int) -> dict[str, float]:
    """Medians over `rounds` in which the ways take turns."""
    taken: dict[str, list[Figures]] = {}
    async with ways() as walks:
        for walk in walks.values():
            await measure(walk, size, clients, 0.3)
        for _ in range(rounds):
            for name, walk in walks.items():
                taken.setdefault(name, []).append(await measure(walk, size, clients, seconds))
    row: dict[str, float] = {}
    for name, figures in taken.items():
        middle = Figures(*map(statistics.median, zip(*figures, strict=True)))
        row |= {f"{name}_{what}": value for what, value in middle._asdict().items()}
        pairs = list(zip(figures, taken["direct"], strict=True))
        row[f"{name}_added_per_hop_ms"] = statistics.median(one.ms - plain.ms for one, plain in pairs) / HOPS
        row[f"{name}_added_cpu_per_hop_ms"] = (
            statistics.median(one.cpu_ms - plain.cpu_ms for one, plain in pairs) / HOPS
        )
        row[f"{name}_ratio"] = statistics.median(one.per_s / plain.per_s for one, plain in pairs)
    return row


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


async def run(seconds: float, rounds: int) -> list[dict[str, object]]:
    for hop in range(HOPS + 1):
        await wait_for(FIRST_PORT + hop)
    rows: list[dict[str, object]] = []
    for name, size in SIZES.items():
        for clients in CLIENTS:
            rows.append({"payload": name, "clients": clients, **await compare(size, clients, seconds, rounds)})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        "| payload | clients | way | ms | added per hop ms | per s | ratio | CPU ms | added CPU per hop ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for way in ("direct", "orchestrator", "gateway"):
            figures = {name.removeprefix(way + "_"): value for name, value in row.items() if name.startswith(way)}
            added = "{added_per_hop_ms:.2f} | {per_s:.0f} | {ratio:.2f} | {cpu_ms:.2f} | {added_cpu_per_hop_ms:.3f} |"
            lines.append(f"| {row['payload']} | {row['clients']} | {way} | {{ms:.2f}} | {added}".format(**figures))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of one round")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--serve", choices=("stub", "gateway"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        (serve_stub if options.serve == "stub" else serve_gateway)(options.port)
        return
    with processes():
        rows = asyncio.run(run(options.seconds, options.rounds))
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
