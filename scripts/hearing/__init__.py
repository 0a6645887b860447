"""Trains the ear of `comps/core/hearing`; see `__main__.py`."""
