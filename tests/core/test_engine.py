from __future__ import annotations

import asyncio
import threading
from typing import ClassVar

import pytest

from comps.core.engine import Engine, EngineHost, EngineSpec, EngineTable
from comps.core.errors import EngineUnavailableError, UnknownChoiceError

HERE = "tests.core.test_engine"


class Plain(Engine):
    instances = 0

    def __init__(self, settings: object) -> None:
        type(self).instances += 1
        self.settings = settings
        self.thread = threading.get_ident()
        self.loads = 0
        self.closed = False

    async def load(self) -> None:
        await asyncio.sleep(0.01)
        self.loads += 1

    async def close(self) -> None:
        self.closed = True


class Remote(Plain):
    async def check(self) -> dict[str, str]:
        return {"server": "cannot be reached"}


class Unloadable(Plain):
    made: ClassVar[list[Unloadable]] = []

    async def load(self) -> None:
        self.made.append(self)
        raise EngineUnavailableError("its model is missing")


def _spec(name: str, factory: str, extra: str | None = None) -> EngineSpec[None]:
    return EngineSpec(name=name, factory=factory, extra=extra, capabilities=None)


TABLE: EngineTable[Plain, None] = EngineTable(
    "tts",
    [
        _spec("plain", f"{HERE}:Plain"),
        _spec("remote", f"{HERE}:Remote"),
        _spec("unloadable", f"{HERE}:Unloadable"),
        _spec("coqui", "no_such_library.engine:Engine", "coqui"),
        _spec("lost", "no_such_library.engine:Engine"),
    ],
)


def test_the_table_lists_its_engines_and_names_them_when_asked_for_another() -> None:
    assert TABLE.names == ["plain", "remote", "unloadable", "coqui", "lost"]
    assert [spec.name for spec in TABLE] == TABLE.names
    with pytest.raises(UnknownChoiceError, match="tts has no engine 'x'; it has: plain, remote") as refused:
        TABLE.spec("x")
    assert refused.value.param == "engine"


async def test_a_missing_library_names_the_command_that_installs_it() -> None:
    host = EngineHost(TABLE, "coqui", None)
    with pytest.raises(EngineUnavailableError, match=r"pip install 'avatarchatbot\[coqui\]'"):
        await host.get()
    with pytest.raises(EngineUnavailableError, match="missing from this installation"):
        await host.get("lost")


async def test_an_engine_loads_once_however_many_ask_and_off_the_loops_thread() -> None:
    settings = object()
    host = EngineHost(TABLE, "plain", settings)
    engines = await asyncio.gather(*(host.get(name) for name in (None, "plain", None, "plain")))
    assert len({id(engine) for engine in engines}) == 1
    assert engines[0].loads == 1
    assert engines[0].settings is settings
    assert engines[0].thread != threading.get_ident()
    await host.close()
    assert engines[0].closed
    assert host.loaded == {}


async def test_an_unknown_name_loads_nothing() -> None:
    host = EngineHost(TABLE, "plain", None)
    with pytest.raises(UnknownChoiceError):
        await host.get("x")
    assert host.loaded == {}


async def test_a_failed_load_is_tried_again_when_asked_again() -> None:
    host = EngineHost(TABLE, "plain", None)
    Unloadable.instances = 0
    for _ in range(2):
        with pytest.raises(EngineUnavailableError, match="its model is missing"):
            await host.get("unloadable")
    assert Unloadable.instances == 2
    assert all(engine.closed for engine in Unloadable.made)
    assert host.loaded == {}


async def test_no_more_engines_are_loaded_than_fit() -> None:
    host = EngineHost(TABLE, "plain", None, max_loaded=1)
    await host.get()
    with pytest.raises(EngineUnavailableError, match="these are loaded: plain"):
        await host.get("remote")
    assert await host.get("plain") is await host.get()


async def test_the_bound_holds_for_engines_that_load_at_the_same_time() -> None:
    host = EngineHost(TABLE, "plain", None, max_loaded=1)
    results = await asyncio.gather(host.get("plain"), host.get("remote"), return_exceptions=True)
    assert sum(isinstance(result, EngineUnavailableError) for result in results) == 1
    assert len(host.loaded) == 1


async def test_checks_report_the_default_the_loaded_and_their_upstreams() -> None:
    host = EngineHost(TABLE, "plain", None)
    assert await host.checks() == {"plain": "not loaded"}
    await host.get("remote")
    await host.get()
    assert await host.checks() == {"remote": "ok", "remote.server": "cannot be reached", "plain": "ok"}


async def test_an_engine_that_still_loads_when_the_host_closes_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[Plain] = []
    loading, go_on = asyncio.Event(), asyncio.Event()

    async def load(engine: Plain) -> None:
        engines.append(engine)
        loading.set()
        await go_on.wait()

    monkeypatch.setattr(Plain, "load", load)
    host = EngineHost(TABLE, "plain", None)
    asking = asyncio.create_task(host.get())
    await loading.wait()
    await host.close()
    go_on.set()
    with pytest.raises(EngineUnavailableError, match="shutting down"):
        await asking
    assert engines[0].closed
    assert host.loaded == {}


async def test_a_load_that_is_cancelled_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[Plain] = []
    loading = asyncio.Event()

    async def load(engine: Plain) -> None:
        engines.append(engine)
        loading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Plain, "load", load)
    asking = asyncio.create_task(EngineHost(TABLE, "plain", None).get())
    await loading.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert engines[0].closed
