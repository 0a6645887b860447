"""``python -m gateway`` serves the gateway alone; the services behind it are reached by URL."""

from __future__ import annotations

from comps.core.serve import serve_configured
from gateway.app import create_app
from gateway.settings import GatewaySettings

if __name__ == "__main__":
    serve_configured(GatewaySettings, create_app)
