"""Whether a TCP port is free, and who has it if not."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"


def is_free(host: str, port: int) -> bool:
    """True when a server could bind `host`:`port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


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


def taken_message(service: str, port: int) -> str:
    """A sentence that says whose port it is and what to do."""
    by = holder(port)
    who = f"by {by}" if by else "by another program"
    return f"{service} needs port {port}, which is taken {who}: stop it, or give {service} another port"


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
