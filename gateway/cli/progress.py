"""What a terminal shows while an answer is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text


class AnswerProgress:
    """Turns the events of an answer into a line of progress, and the words into lines above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)
        self._video_s = 0.0

    def note(self, name: str, data: dict[str, Any]) -> None:
        """Show one event."""
        if name == "transcript" and data["final"]:
            self._say("heard", data["text"])
            self._doing("thinking")
        elif name == "text_delta":
            self._doing("speaking")
        elif name == "sentence":
            self._say("says", data["text"])
        elif name == "media" and data["kind"] == "fragment":
            self._video_s = data["start"] + data["duration"]
            self._doing(f"animating, {self._video_s:.1f} s of video")
        elif name == "done":
            self._doing("writing the video")

    def _doing(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    def _say(self, what: str, text: str) -> None:
        line = Text.assemble((f"{what:>6}  ", "dim"), text)
        self._progress.console.print(line)


@contextmanager
def answer_progress(*, quiet: bool) -> Iterator[AnswerProgress]:
    """Progress on stderr; nothing when `quiet`."""
    console = Console(stderr=True, quiet=quiet)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield AnswerProgress(progress)
