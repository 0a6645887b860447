"""A service process for the supervisor's tests; ``TINY_MODE`` makes it misbehave."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from comps.core.app import ServiceInfo, create_service_app
from comps.core.serve import serve
from comps.core.settings import ServiceSettings


def main() -> None:
    name = os.environ["TINY_NAME"]
    mode = os.environ.get("TINY_MODE", "")
    sys.stdout.write(f"{name} begins\n")
    if mode == "broken":
        sys.exit("the model is missing")
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
