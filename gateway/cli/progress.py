"""What a terminal shows while an answer is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

_AT_WORK = ("sentence", "media", "progress", "done")
"""Events that come when nothing of a request is refused any more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a video will be, in one line, and the seconds of work for a second of it, where they are known."""

    line: str
    work_s: float | None


class AnswerProgress:
    """Turns the events of an answer into a line of progress, and the words into lines above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None, share="", left="")
        self._video_s = 0.0
        self._plan: Plan | None = None
        self._pace: float | None = None

    def expect(self, plan: Plan | None) -> None:
        """Take a plan, which is told once the work has begun."""
        self._plan, self._pace = plan, None if plan is None else plan.work_s

    def begun(self) -> None:
        """Tell the plan, once."""
        if self._plan is not None:
            self._say("video", self._plan.line)
            self._plan = None

    def note(self, name: str, data: dict[str, Any]) -> None:
        """Show one event."""
        if name in _AT_WORK:
            self.begun()
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
        elif name == "progress":
            self.work(data["done_s"], data["total_s"], data["remaining_s"])
        elif name == "done":
            self._doing("writing the video")

    def job(self, job: dict[str, Any]) -> None:
        """Show how far a job has come."""
        doing = {"queued": "waiting in line", "running": f"animating, {job['done_s']:.1f} s of video"}
        self._doing(doing.get(job["state"], job["state"]))
        self.work(job["done_s"], job["total_s"], job["remaining_s"])

    def work(self, done_s: float, total_s: float | None, remaining_s: float | None) -> None:
        """Show the share that is done, and how long the rest will take, where they are known."""
        if remaining_s is None and total_s and self._pace is not None:
            remaining_s = (total_s - done_s) * self._pace
        share = f"{100 * min(1.0, done_s / total_s):3.0f} %" if total_s else ""
        left = f"{duration(remaining_s)} left" if remaining_s else ""
        self._progress.update(self._task, total=total_s, completed=min(done_s, total_s or 0), share=share, left=left)

    def say(self, what: str, text: str) -> None:
        """A line that stays, above the progress."""
        self._say(what, text)

    def _doing(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    def _say(self, what: str, text: str) -> None:
        line = Text.assemble((f"{what:>6}  ", "dim"), text)
        console = self._progress.console
        console.print(line, soft_wrap=not console.is_terminal)


def duration(seconds: float) -> str:
    """A length of time as people say it: ``8 s``, ``2 min 05 s``, ``1 h 20 min``."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


@contextmanager
def working(what: str, *, quiet: bool) -> Iterator[None]:
    """A spinner on stderr while the block runs; nothing when `quiet`."""
    with Console(stderr=True, quiet=quiet).status(what):
        yield


@contextmanager
def answer_progress(*, quiet: bool) -> Iterator[AnswerProgress]:
    """Progress on stderr, without a terminal only its lines; nothing when `quiet`."""
    console = Console(stderr=True, quiet=quiet)
    numbers = (TextColumn("{task.fields[share]}"), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), *numbers)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield AnswerProgress(progress)
