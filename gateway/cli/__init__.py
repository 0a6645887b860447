"""The command line: `avatarchatbot`, or `python -m gateway.cli`."""
