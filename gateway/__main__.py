"""``python -m gateway`` serves the gateway alone; the services behind it are reached by URL."""

from __future__ import annotations

from comps.core.serve import serve
from gateway.app import create_app
from gateway.settings import GatewaySettings

if __name__ == "__main__":
    settings = GatewaySettings()
    serve(create_app(settings), settings)
