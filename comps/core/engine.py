"""Engines: how a stage names, offers and loads the things that do its work.

An engine is one class in one file. A stage lists its engines in an `EngineTable` of frozen
`EngineSpec` rows; nothing is imported before an engine is asked for.
"""

from __future__ import annotations

import asyncio
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import anyio.to_thread

from comps.core.errors import EngineUnavailableError, UnknownChoiceError

SettingsT = TypeVar("SettingsT")

UPSTREAM = "server"
"""How `Engine.check` calls the one server an engine sends its work to."""


class Engine(ABC):
    """What every engine can do besides its work."""

    @abstractmethod
    async def load(self) -> None:
        """Load models once; raises EngineUnavailableError when they cannot be had here."""

    async def close(self) -> None:
        """Free what `load` took, also when it failed half-way. Called once; the default has nothing to free."""

    async def check(self) -> dict[str, str]:
        """State of the engine's own upstreams, name to ``ok`` or a sentence; empty when it has none."""
        return {}


EngineT = TypeVar("EngineT", bound=Engine)
CapabilitiesT = TypeVar("CapabilitiesT")


@dataclass(frozen=True, slots=True)
class EngineSpec(Generic[CapabilitiesT]):
    """One row of a stage's table.

    `factory` is ``"package.module:Class"``, called with the stage's settings. `extra` is the pip
    extra that brings its libraries, or None when the base install has them. `weights` is the model that
    it has to be given, if it has to.
    """

    name: str
    factory: str
    extra: str | None
    capabilities: CapabilitiesT
    summary: str = ""
    weights: str = ""


class EngineTable(Generic[EngineT, CapabilitiesT]):
    """The engines of one stage, in the order shown to users; `param` is the request's field that names one."""

    def __init__(self, stage: str, specs: Iterable[EngineSpec[CapabilitiesT]], param: str = "engine") -> None:
        self.stage = stage
        self.param = param
        self._specs = {spec.name: spec for spec in specs}

    def __iter__(self) -> Iterator[EngineSpec[CapabilitiesT]]:
        return iter(self._specs.values())

    @property
    def names(self) -> list[str]:
        """Names of all engines, in table order."""
        return list(self._specs)

    def spec(self, name: str) -> EngineSpec[CapabilitiesT]:
        """The row called `name`; raises UnknownChoiceError that lists the names."""
        if name not in self._specs:
            known = ", ".join(self._specs)
            raise UnknownChoiceError(f"{self.stage} has no engine '{name}'; it has: {known}", param=self.param)
        return self._specs[name]

    def create(self, name: str, settings: object) -> EngineT:
        """Import and construct an engine (not loaded); a missing library names the pip command."""
        spec = self.spec(name)
        try:
            factory = cast("Callable[[object], EngineT]", pkgutil.resolve_name(spec.factory))
            return factory(settings)
        except ImportError as error:
            raise missing_extra(f"engine '{spec.name}'", spec.extra, error, spec.weights) from error


def missing_extra(asked: str, extra: str | None, error: ImportError, weights: str = "") -> EngineUnavailableError:
    """The error for a library that is not installed, with the command that installs it; `asked` begins its sentence.

    `weights` is a model that is needed besides, which has a command of its own.
    """
    what = error.name or str(error)
    if extra is None:
        return EngineUnavailableError(f"{asked} needs '{what}', which is missing from this installation")
    fetch = f"; its weights come by  avatarchatbot models pull {weights}" if weights else ""
    return EngineUnavailableError(
        f"{asked} needs '{what}': install it with  pip install 'avatarchatbot[{extra}]'{fetch}"
    )


class EngineHost(Generic[EngineT, CapabilitiesT]):
    """Loads engines of one table on demand, each once, and keeps them until `close`.

    Args:
        table: the stage's engines.
        default: name of the engine that requests get when they name none.
        settings: passed to every factory.
        max_loaded: most engines kept loaded, as each may hold a model.
    """

    def __init__(
        self, table: EngineTable[EngineT, CapabilitiesT], default: str, settings: object, *, max_loaded: int = 4
    ) -> None:
        self.table = table
        self.default = default
        self._settings = settings
        self._max_loaded = max_loaded
        self._engines: dict[str, EngineT] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._loading: set[str] = set()
        self._closings = 0

    async def get(self, name: str | None = None) -> EngineT:
        """The loaded engine `name` (the default when None); loads it on first use.

        Raises:
            UnknownChoiceError: no engine has this name.
            EngineUnavailableError: its library or model is missing, or no room is left for another engine.
        """
        key = name or self.default
        self.table.spec(key)
        if key not in self._engines:
            async with self._locks.setdefault(key, asyncio.Lock()):
                if key not in self._engines:
                    self._engines[key] = await self._load(key)
        return self._engines[key]

    async def _load(self, name: str) -> EngineT:
        held = [*self._engines, *self._loading]
        if len(held) >= self._max_loaded:
            raise EngineUnavailableError(
                f"there is no room to load engine '{name}'; these are loaded: {', '.join(held)}", param=self.table.param
            )
        self._loading.add(name)
        closings = self._closings
        try:
            # In a thread, because importing an engine's library can take seconds and the probes must answer.
            engine = await anyio.to_thread.run_sync(self.table.create, name, self._settings)
            try:
                await engine.load()
                if self._closings != closings:
                    raise EngineUnavailableError(f"engine '{name}' is not kept: the service is shutting down")
            except BaseException:  # also a cancelled load has taken what only `close` frees
                with anyio.CancelScope(shield=True):
                    await engine.close()
                raise
            return engine
        except EngineUnavailableError as error:
            error.param = error.param or self.table.param
            raise
        finally:
            self._loading.discard(name)

    async def checks(self) -> dict[str, str]:
        """State of the default and of every loaded engine, and of their upstreams, for `/v1/health_check`."""
        states = {} if self.default in self._engines else {self.default: "not loaded"}
        for name, engine in self.loaded.items():
            upstreams = await engine.check()
            states[name] = "ok"
            states.update({f"{name}.{upstream}": state for upstream, state in upstreams.items()})
        return states

    @property
    def loaded(self) -> dict[str, EngineT]:
        """Engines loaded so far, by name."""
        return dict(self._engines)

    async def close(self) -> None:
        """Close every loaded engine; one that is still loading is closed when it has loaded."""
        self._closings += 1
        engines, self._engines = self._engines, {}
        for engine in engines.values():
            await engine.close()
