"""`python -m gateway.cli`."""

from __future__ import annotations

from gateway.cli.main import app

# processes that compute import this module too
if __name__ == "__main__":
    app(prog_name="avatarchatbot")
