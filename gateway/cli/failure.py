"""How commands end: one red sentence and an exit code, never a stack trace."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import typer

from gateway.cli.stopping import Ending, ended_by_signals

ResultT = TypeVar("ResultT")

FAILED = 1
USAGE = 2


class FailureError(Exception):
    """The command failed for the reason in its message (exit code 1)."""

    code = FAILED


class UsageFailureError(FailureError):
    """The command was given something it cannot use, such as a file that does not exist (exit code 2)."""

    code = USAGE


def run(work: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Run a command's coroutine; every failure leaves through `typer.Exit` with one sentence on stderr."""
    return _ended_well(lambda ending: ending.run(work))


def run_plain(work: Callable[[], ResultT]) -> ResultT:
    """Run a command that needs no event loop, with the same ends as `run`."""
    return _ended_well(lambda _: work())


def _ended_well(work: Callable[[Ending], ResultT]) -> ResultT:
    with ended_by_signals() as ending:
        try:
            return work(ending)
        except KeyboardInterrupt:
            say_error("stopped")
            raise typer.Exit(ending.code) from None
        except typer.Exit:
            raise
        except FailureError as error:
            say_error(str(error))
            raise typer.Exit(error.code) from None
        except Exception as error:
            if os.environ.get("AVATAR_LOG_LEVEL") == "debug":
                raise
            say_error(_sentence(error))
            raise typer.Exit(FAILED) from None


def say_error(message: str) -> None:
    """One red sentence on stderr."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text(message, style="bold red"))


def print_json(value: Any) -> None:
    """A value as indented JSON on stdout."""
    import orjson

    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def _sentence(error: BaseException) -> str:
    from comps.core.errors import AvatarError
    from gateway.cli.commands import at_the_command_line

    if isinstance(error, AvatarError):
        message = at_the_command_line(error.message)
        return f"{error.service}: {message}" if error.service else message
    return f"unexpected {type(error).__name__}: {error} (AVATAR_LOG_LEVEL=debug shows where)"
