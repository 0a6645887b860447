"""Runs a module as a program that ends when the process that started it is gone, however that ended.

    python -m megaservice.supervisor.leash comps.asr

The starter holds the other end of standard input; when it dies the system closes that end.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_GRACE_S = 15.0


def main() -> None:
    """Run the module named by the first argument, watching standard input."""
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    threading.Thread(target=_watch, args=(sys.stdin.fileno(),), daemon=True, name="leash").start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch(descriptor: int) -> None:
    """Wait for the end of input, then ask this process to stop, and make it when it does not."""
    while os.read(descriptor, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
