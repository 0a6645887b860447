"""Commands and options in place of the routes and fields that a service's sentences name."""

from __future__ import annotations

from collections.abc import Mapping

_COMMANDS: Mapping[str, str] = {
    "GET /v1/voices": "`avatarchatbot voices`",
    "GET /v1/avatars": "`avatarchatbot avatars list`",
    "POST /v1/jobs makes longer videos of a text or a recording": "--job of `say` and `animate` makes longer videos",
    "send 'image', 'audio' or 'prompt'": "give --image, --audio or --prompt",
}


def at_the_command_line(message: str) -> str:
    """A sentence of a service with the commands that do what its routes do, and their options."""
    for route, command in _COMMANDS.items():
        message = message.replace(route, command)
    return message
