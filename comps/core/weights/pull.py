"""Fetching files of weights: one address after another, patiently, and never a wrong file under a right name."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from comps.core.errors import EngineUnavailableError
from comps.core.weights.download import BrokenOffError, Download, NoSpaceError, Patience, RefusedError, Wanted
from comps.core.weights.folder import ModelFolder, State, sha256_of
from comps.core.weights.lock import alone
from comps.core.weights.part import Part
from comps.core.weights.table import WeightFile
from comps.core.weights.watcher import Watcher


@dataclass(frozen=True, slots=True)
class PullOptions:
    """How to fetch: `mirrors` are folders on the web that are tried before the table's addresses."""

    mirrors: tuple[str, ...] = ()
    patience: Patience = field(default_factory=Patience)
    free_bytes: Callable[[Path], int] = field(default=lambda folder: shutil.disk_usage(folder).free)
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Pulled:
    """A file that is now there: `source` is the address it came from, empty when it was there before."""

    path: Path
    sha256: str
    state: State
    source: str = ""


class Puller:
    """Fetches files into a folder; proxies are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``)."""

    def __init__(self, folder: ModelFolder, options: PullOptions | None = None, watcher: Watcher | None = None) -> None:
        self._folder = folder
        self._options = options or PullOptions()
        self._watcher = watcher or Watcher()
        patience = self._options.patience
        self._client = httpx.Client(timeout=httpx.Timeout(patience.silence_s, connect=patience.connect_s))

    def __enter__(self) -> Puller:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def pull(self, file: WeightFile) -> Pulled:
        """The file in the folder, fetched unless a right one is there; an interrupted fetch is continued.

        It appears under its name only when its hash was right, so a reader never sees a part of it or a wrong one.

        Raises:
            EngineUnavailableError: no address gives it, the disk is full, or the folder cannot be written.
        """
        try:
            return self._there(file) or self._fetched_alone(file)
        except NoSpaceError as error:
            raise EngineUnavailableError(str(error)) from error
        except OSError as error:
            message = f"{file.name} could not be kept in {self._folder.path}: {error.strerror or error}"
            raise EngineUnavailableError(message) from error

    def _there(self, file: WeightFile) -> Pulled | None:
        """What the folder already has, if it is right."""
        state = self._folder.state(file)
        if state is State.UNCHECKED:
            self._watcher.checks(file.name, self._folder.target(file).stat().st_size)
            state = self._folder.check(file, self._watcher.moved)
        if state is State.DAMAGED:
            self._watcher.says(f"{file.name}: the one in {self._folder.path} is damaged; fetching it again")
        return self._right(file, state)

    def _right(self, file: WeightFile, state: State) -> Pulled | None:
        sha256 = self._folder.expected(file)
        if sha256 is None or state not in (State.VERIFIED, State.FIRST_USE):
            return None
        return Pulled(self._folder.target(file), sha256, state)

    def _fetched_alone(self, file: WeightFile) -> Pulled:
        self._folder.path.mkdir(parents=True, exist_ok=True)
        lock = self._folder.path / f".{file.name}.lock"
        with alone(lock, lambda: self._watcher.says(f"{file.name}: another process is fetching it; waiting")):
            return self._right(file, self._folder.state(file)) or self._fetched(file)

    def _fetched(self, file: WeightFile) -> Pulled:
        complaints = []
        for url in self._addresses(file):
            try:
                sha256 = self._from(url, file)
            except (RefusedError, BrokenOffError) as error:
                complaints.append(f"{urlsplit(url).netloc} {error}")
                self._watcher.says(f"{file.name}: {complaints[-1]}")
                continue
            return self._keep(file, sha256, url)
        raise EngineUnavailableError(_failure(file, complaints))

    def _addresses(self, file: WeightFile) -> Iterator[str]:
        yield from (f"{mirror.rstrip('/')}/{quote(file.name)}" for mirror in self._options.mirrors)
        yield from file.urls

    def _from(self, url: str, file: WeightFile) -> str:
        """The sha256 of the whole part, fetched from `url`; raises RefusedError, BrokenOffError or NoSpaceError."""
        expected = self._folder.expected(file)
        part = Part(self._folder.part(file))
        while True:
            self._complete(url, file, part, proven=expected is not None)
            self._watcher.checks(file.name, part.have)
            found = sha256_of(part.path, self._watcher.moved)
            if expected in (None, found):
                return found
            joined = part.in_pieces
            part.clear()
            if not joined:
                raise RefusedError(f"gives a file with sha256 {found}, not {expected}")
            self._watcher.says(f"{file.name}: its pieces do not fit together; fetching it in one")

    def _complete(self, url: str, file: WeightFile, part: Part, *, proven: bool) -> None:
        """Try until the part is whole, giving up after too many tries in a row that gained too little."""
        patience = self._options.patience
        wanted = Wanted(file.name, proven, file.size, self._options.free_bytes)
        download = Download(self._client, wanted, part, patience, self._watcher)
        fruitless = 0
        for tried in range(1, patience.most_tries + 1):
            before = part.have
            try:
                download.attempt(url)
                return
            except BrokenOffError as error:
                fruitless = 1 if part.have - before >= patience.worthwhile else fruitless + 1
                if fruitless >= patience.tries or tried == patience.most_tries:
                    raise
                self._wait(file, url, error, fruitless)

    def _wait(self, file: WeightFile, url: str, error: BrokenOffError, fruitless: int) -> None:
        patience = self._options.patience
        wait = patience.first_wait_s * 2 ** (fruitless - 1) * random.uniform(0.8, 1.2)
        wait = min(max(wait, error.wait_s or 0), patience.longest_wait_s)
        self._watcher.says(f"{file.name}: {urlsplit(url).netloc} {error}; again in {wait:.0f} s")
        self._options.sleep(wait)

    def _keep(self, file: WeightFile, sha256: str, url: str) -> Pulled:
        target = self._folder.target(file)
        Part(self._folder.part(file)).becomes(target)
        self._folder.record(file, sha256)
        if file.sha256 is None:
            self._watcher.says(
                f"{file.name}: nobody documents its hash; this first copy is trusted and later ones must equal it "
                f"(sha256 {sha256})"
            )
        return Pulled(target, sha256, self._folder.state(file), url)


def _failure(file: WeightFile, complaints: list[str]) -> str:
    said = "; ".join(complaints) or "it has no address that a program can fetch from"
    by_hand = f". Fetch it with a browser from {file.page} and import it" if file.page else ""
    return f"{file.name} could not be fetched: {said}{by_hand}"
