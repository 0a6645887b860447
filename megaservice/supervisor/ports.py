"""Whether TCP ports are free, who has them if not, and what to do about it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from megaservice.supervisor.plan import PlanError

_LISTEN = "0A"


def _choose(service: str) -> str:
    if service == "gateway":
        return "choose another with --port"
    return "choose four others with --base-port"


def is_free(host: str, port: int) -> bool:
    """True when a server could bind `host`:`port` now."""
    return _bind_error(host, port) is None


def check_ports(wanted: Iterable[tuple[str, str, int]], choose: Callable[[str], str] = _choose) -> None:
    """Raise PlanError, with a sentence for each port that cannot be had, unless all `wanted` can be bound.

    Args:
        wanted: name of the service, address and port of each; port 0 is always to be had.
        choose: of a service's name, how its user takes another port.
    """
    problems, given = [], dict[int, str]()
    for service, host, port in wanted:
        if port and port in given:
            problems.append(f"{given[port]} and {service} cannot both have port {port}; {choose(service)}")
        elif (error := _bind_error(host, port)) is not None:
            problems.append(_refusal(service, host, port, error, choose(service)))
        given[port] = service
    if problems:
        raise PlanError("\n".join(problems))


def _bind_error(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _refusal(service: str, host: str, port: int, error: OSError, other: str) -> str:
    """What is wrong with an address and what to do."""
    if error.errno == errno.EADDRINUSE:
        who = holder(port) or "another program"
        return f"{service} needs port {port}, which is taken by {who}: stop it, or {other}"
    if error.errno == errno.EACCES:
        return f"{service} may not use port {port}, which is kept for administrators; {other}"
    return f"{service} cannot listen on {host}: {error.strerror}; check --host"


def holder(port: int) -> str:
    """The process that listens on `port`, as ``name (pid 123)``; empty when it cannot be told (no /proc, not ours)."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        if inodes & _sockets(process):
            with suppress(OSError):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _listening(table: Path, port: int) -> set[str]:
    """Inodes of the sockets in a /proc/net table that listen on `port`."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}


def _sockets(process: Path) -> set[str]:
    """Inodes of the sockets a process holds; empty when it may not be looked at."""
    found = set()
    with suppress(OSError):
        for link in (process / "fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
