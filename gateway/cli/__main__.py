"""`python -m gateway.cli`."""

from gateway.cli.main import app

app(prog_name="avatarchatbot")
