"""A service process for the supervisor's tests; ``TINY_MODE`` makes it misbehave."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from comps.core.app import ServiceInfo, create_service_app
from comps.core.serve import serve
from comps.core.settings import ServiceSettings


def hang(_: str) -> None:
    time.sleep(60)


def be_stubborn(name: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(os.environ["TINY_FOLDER"], name).write_text(str(os.getpid()))
    time.sleep(60)


def babble(_: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(b"not \xff text\n" + b"#" * 3 * 64 * 1024 + b"\nthe last words")
    sys.stdout.buffer.flush()
    sys.exit(1)


_MODES = {"hangs": hang, "stubborn": be_stubborn, "babbles": babble}


def main() -> None:
    name = os.environ["TINY_NAME"]
    mode = os.environ.get("TINY_MODE", "")
    sys.stdout.write(f"{name} begins\n")
    if mode == "broken":
        sys.exit("the model is missing")
    if mode in _MODES:
        _MODES[mode](name)
    settings = ServiceSettings(port=int(os.environ[f"AVATAR_{name.upper()}_PORT"]), shutdown_grace_s=0)
    app = create_service_app(ServiceInfo(name, name, name, "0"), settings)

    @app.post("/crash")
    async def crash() -> None:
        os._exit(7)

    if folder := os.environ.get("TINY_FOLDER"):
        Path(folder, name).write_text(str(os.getpid()))
    serve(app, settings)


if __name__ == "__main__":
    main()
