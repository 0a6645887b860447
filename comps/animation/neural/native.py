"""C++ of this package that the machine's own compiler builds once, and that is kept for later starts.

No wheel can bring it ready: which instructions it uses depends on the processor.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from comps.animation.neural.cache import cache_folder
from comps.core.errors import EngineUnavailableError

logger = logging.getLogger(__name__)
T = TypeVar("T")

CPU_INFO = Path("/proc/cpuinfo")
_OPTIONS = ("-std=c++17", "-O3", "-shared", "-fPIC", "-fopenmp")
_LONGEST_BUILD_S = 120.0
_MOST_LIBRARIES = 8
"""Of one source, on file, of other versions too."""


@dataclass(frozen=True, slots=True)
class NativeCode:
    """A file of C++.

    Args:
        source: beside this file.
        options: of the compiler, besides those that all have.
        user: what cannot be had without it, for messages.
        headers: what the source includes, beside it.
    """

    source: Path
    options: tuple[str, ...]
    user: str
    headers: tuple[Path, ...] = ()

    def library(self) -> ctypes.CDLL:
        """The code as a library, from an earlier run or compiled anew.

        Raises:
            EngineUnavailableError: it cannot be built, kept or loaded, or others could change it.
        """
        try:
            folder = cache_folder() / "native"
        except RuntimeError as error:  # the user has no home
            raise EngineUnavailableError(f"there is no place to keep the code for {self.user}: {error}") from error
        options = (*_OPTIONS, *self.options)
        # Not of the compiler: a library that is there is of use where none is, or no longer.
        texts = (file.read_text(encoding="utf-8") for file in (self.source, *self.headers))
        recipe = (*options, *platform.libc_ver(), *texts)
        version = hashlib.sha256(chr(0).join(recipe).encode()).hexdigest()[:32]
        file = folder / f"{self.source.stem}-{version}.so"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_private(folder)
            found = self._from_earlier(file)
            if found is None:
                self._compile(self._compiler(), options, file)
                found = ctypes.CDLL(str(file))
        except OSError as error:
            raise EngineUnavailableError(
                f"the code for {self.user} cannot be kept in {folder} or loaded from there: {error}"
            ) from error
        return found

    def _from_earlier(self, file: Path) -> ctypes.CDLL | None:
        """The library of an earlier run; None when there is none, or none that loads."""
        if not file.is_file():
            return None
        self._check_private(file)
        try:
            return ctypes.CDLL(str(file))
        except OSError as error:
            logger.warning("%s does not load and is built again: %s", file, error)
            file.unlink(missing_ok=True)
            return None

    def _check_private(self, path: Path) -> None:
        """What may be changed by others is not run."""
        found = path.stat()
        if found.st_uid != os.getuid():
            reason = f"belongs to another user ({found.st_uid})"
        elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            reason = f"can be written by others (mode {stat.S_IMODE(found.st_mode):o}; chmod go-w would do)"
        else:
            return
        raise EngineUnavailableError(f"for {self.user} no code is run from {path}: it {reason}")

    def _compiler(self) -> list[str]:
        """What the environment's CXX says, which may have arguments, or else the first of the usual ones."""
        named = os.environ.get("CXX", "").strip()
        try:
            command = shlex.split(named)
        except ValueError as error:
            raise EngineUnavailableError(f"the environment's CXX, {named}, is no command: {error}") from error
        for name, *arguments in [command] if command else [["g++"], ["c++"]]:
            path = shutil.which(name)
            if path is not None:
                return [path, *arguments]
        if command:
            raise EngineUnavailableError(
                f"the environment's CXX names {command[0]!r} as C++ compiler, which is not found"
            )
        raise EngineUnavailableError(
            f"a C++ compiler is needed for {self.user}: install GCC 11 or later (Debian: apt install g++), "
            "or name one in the environment's CXX"
        )

    def _compile(self, compiler: Sequence[str], options: Sequence[str], file: Path) -> None:
        """Write the library in one step, so that no other process loads half of it."""
        self._clear(file.parent)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            part = Path(folder) / file.name
            try:
                _run([*compiler, *options, str(self.source), "-o", str(part)])
            except (OSError, subprocess.SubprocessError) as error:
                raise EngineUnavailableError(
                    f"{shlex.join(compiler)} cannot build {self.source.name} (GCC 11 or later can): {_reason(error)}"
                ) from error
            part.chmod(0o700)
            with part.open("rb+") as written:
                os.fsync(written)  # else a loss of power may leave the name without the content
            part.replace(file)
        logger.info("built %s", file)

    def _clear(self, folder: Path) -> None:
        """Remove what builds that were killed have left, and libraries that were built long ago."""
        for part in folder.iterdir():
            if part.is_dir() and _age_s(part) > 2 * _LONGEST_BUILD_S:
                shutil.rmtree(part, ignore_errors=True)
        for old in sorted(folder.glob(f"{self.source.stem}-*.so"), key=_age_s)[_MOST_LIBRARIES - 1 :]:
            old.unlink(missing_ok=True)


class TriedOnce(Generic[T]):
    """What `make` makes, at the first call; where it cannot, that is told at every call, without a new try.

    Args:
        make: raises EngineUnavailableError where it cannot.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []
        self._reason = ""

    def __call__(self) -> T:
        """The same at each call.

        Raises:
            EngineUnavailableError: as `make` did.
        """
        with self._lock:
            if not self._made and not self._reason:
                try:
                    self._made.append(self._make())
                except EngineUnavailableError as error:
                    self._reason = error.message
        if self._reason:
            raise EngineUnavailableError(self._reason)
        return self._made[0]

    def is_here(self) -> bool:
        """Whether a call gives it."""
        try:
            self()
        except EngineUnavailableError:
            return False
        return True

    def forget(self) -> None:
        """Try anew at the next call."""
        self._made.clear()
        self._reason = ""


def check_processor(user: str, needed: Set[str], advice: str = "") -> None:
    """Refuse to build for a processor that lacks instructions.

    Args:
        user: what needs them, with its verb, for the message.
        needed: as Linux names them.
        advice: what to do then, ends the message.

    Raises:
        EngineUnavailableError: this is no Linux, no x86-64, or some are missing.
    """
    missing = ", ".join(sorted(needed - processor_flags()))
    if platform.system() != "Linux" or platform.machine() != "x86_64" or missing:
        here = f"{platform.system()} on {platform.machine()}"
        raise EngineUnavailableError(f"{user}; here is {here}{f' without {missing}' * bool(missing)}{advice}")


def processor_flags() -> set[str]:
    """What Linux says the processor has; nothing where there is no Linux."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split(":", 1)[1].split()}


def _run(command: Sequence[str]) -> None:
    """Run a compiler to its end, or kill it with all that it has started.

    Raises:
        OSError, subprocess.SubprocessError: it does not start, fails, or takes too long.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
        start_new_session=True,
    ) as process:
        try:
            _, said = process.communicate(timeout=_LONGEST_BUILD_S)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    """In one line, why a compiler did not do it."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {error.timeout:.0f} s"
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    lines = [line.strip() for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
    first = next(iter(lines), f"it ended with status {error.returncode} without a word")
    return next((line for line in lines if "error" in line.lower()), first)[:200]


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # another process was done with it
        return 0.0
