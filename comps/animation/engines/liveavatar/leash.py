"""Runs a program and ends it, with everything it has started, when told to or when the one who told is gone.

    python leash.py GRACE_SECONDS FOLDER PROGRAM [ARGUMENT ...]

FOLDER, which may be empty, holds the program's files of this run; it is removed when the program had to be ended, as
the starter may be gone. The starter holds the other end of standard input and closes it to end the program; when the starter dies the system
closes it. torchrun puts every process it starts into a session of its own, so that no signal to a group reaches them
all: this process is therefore made the one that inherits orphans, and ends its descendants by number.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_POLL_S = 0.02


def main() -> int:
    """Run, watch, end; returns the exit code of the program, 128 more than the number of a signal that ended it."""
    grace_s, folder, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    _control(_PR_SET_CHILD_SUBREAPER, 1)
    asked, wake = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(wake, b"."))
    signal.signal(signal.SIGCHLD, lambda *_: os.write(wake, b"c"))
    try:
        # Should this process be killed, the program is at least asked to end; torchrun then ends what it started.
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, preexec_fn=lambda: _control(_PR_SET_PDEATHSIG, signal.SIGTERM)
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
    code = _watch(child.pid, asked)
    last = _end(grace_s, child.pid)
    if code is None and folder:
        shutil.rmtree(folder, ignore_errors=True)
    code = last if code is None else code
    child.returncode = code if code is not None else -signal.SIGKILL  # so that Popen does not look for it again
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def _control(option: int, value: int) -> None:
    """Set a property of this process that only Linux knows; elsewhere nothing."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _watch(child: int, asked: int) -> int | None:
    """Wait until the child ends, whose code is returned, or until told to end it."""
    while True:
        ready, _, _ = select.select([sys.stdin.fileno(), asked], [], [])
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 1024):
            return None
        if asked in ready and b"." in os.read(asked, 1024):
            return None
        if (code := _reap(child)) is not None:
            return code


def _reap(child: int) -> int | None:
    """Collect whoever has ended; the code of `child` when it is among them."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _end(grace_s: float, child: int) -> int | None:
    """Ask all descendants to end, make them after `grace_s`, and return when none is left; the code of `child` if seen."""
    code, deadline = None, time.monotonic() + grace_s
    asked: set[int] = set()
    while descendants := _descendants():
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for pid in descendants:
            if number == signal.SIGKILL or pid not in asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
                asked.add(pid)
        time.sleep(_POLL_S)
        ended = _reap(child)  # also when it has ended already: others may wait to be collected
        code = ended if code is None else code
    return code


def _descendants() -> list[int]:
    """Numbers of all processes below this one that are not yet collected."""
    parents = {pid: parent for pid in _numbers() if (parent := _parent(pid)) is not None}
    found: list[int] = []
    generation = {os.getpid()}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        found += generation
    return found


def _numbers() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


if __name__ == "__main__":
    sys.exit(main())
