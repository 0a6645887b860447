"""OPEA's import path of the documents."""

from comps.core.documents import *  # noqa: F403 - another name for that module
