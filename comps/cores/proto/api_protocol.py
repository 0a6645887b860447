"""OPEA's import path of the protocol models."""

from comps.core.protocol import *  # noqa: F403 - another name for that module
