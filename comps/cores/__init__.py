"""OPEA's import paths, for programs written with them."""
