"""Real processes, started, crashed and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from comps.core.serve import running
from megaservice.supervisor.child import LINE_BYTES
from megaservice.supervisor.plan import PORTS, PlanError, ServiceSpec, make_plan
from megaservice.supervisor.ports import check_ports, holder, is_free
from megaservice.supervisor.supervisor import Supervisor, SupervisorOptions
from tests.megaservice.stubs import Behaviour, Log, asr_app, llm_app

QUICK = SupervisorOptions(attempts=2, backoff_s=0.05, stop_grace_s=5.0)
MODULE = "tests.megaservice.tiny_service"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tiny(name: str, mode: str = "", folder: str = "") -> ServiceSpec:
    env = {"TINY_NAME": name, "TINY_MODE": mode, "TINY_FOLDER": folder}
    return ServiceSpec(name, free_port(), MODULE, env=env)


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until_gone(pid: int) -> None:
    for _ in range(200):
        if not is_alive(pid):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


async def test_services_become_ready_log_and_end() -> None:
    lines: list[tuple[str, str]] = []
    specs = [tiny("one"), tiny("two")]
    supervisor = Supervisor(specs, lambda *line: lines.append(line), QUICK)
    assert {status.state for status in supervisor.status.values()} == {"stopped"}
    await supervisor.start()
    await supervisor.wait_ready(30)
    status = supervisor.status
    assert {name: one.state for name, one in status.items()} == {"one": "ready", "two": "ready"}
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{status['one'].url}/livez")).status_code == 200
    await supervisor.stop()
    await supervisor.stop()
    assert ("one", "one begins") in lines
    assert ("two", "two begins") in lines
    for one in status.values():
        assert one.pid is not None
        assert not is_alive(one.pid)
    assert all(is_free("127.0.0.1", spec.port) for spec in specs)


async def test_crashed_service_is_started_again() -> None:
    spec = tiny("one")
    supervisor = Supervisor([spec], lambda *_: None, SupervisorOptions(attempts=3, backoff_s=0.05))
    await supervisor.start()
    try:
        await supervisor.wait_ready(30)
        first = supervisor.status["one"].pid
        async with httpx.AsyncClient() as client:
            with suppress(httpx.HTTPError):
                await client.post(f"{spec.url}/crash")
        for _ in range(500):
            if supervisor.status["one"].restarts:
                break
            await asyncio.sleep(0.02)
        await supervisor.wait_ready(30)
        assert supervisor.status["one"].pid != first
    finally:
        await supervisor.stop()


async def test_service_that_never_starts_is_given_up_with_its_last_words() -> None:
    supervisor = Supervisor([tiny("one", "broken"), tiny("two")], lambda *_: None, QUICK)
    await supervisor.start()
    try:
        with pytest.raises(PlanError, match=r"one ended with exit code 1: the model is missing; given up after 2"):
            await supervisor.wait_ready(30)
        assert supervisor.status["one"].state == "failed"
    finally:
        await supervisor.stop()


async def test_pauses_between_starts_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    turn = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await turn(0)

    async def ends_at_once(self: Supervisor, spec: ServiceSpec) -> tuple[float, str]:
        return left.pop(0), "one ended with exit code 1"

    monkeypatch.setattr(Supervisor, "_run_once", ends_at_once)
    monkeypatch.setattr("megaservice.supervisor.supervisor.asyncio.sleep", note)
    options = SupervisorOptions(attempts=6, backoff_s=1, longest_backoff_s=6, steady_s=30)
    for ready_for, expected in (
        ([0.0] * 6, [1, 2, 4, 6, 6]),
        ([0.0, 0.0, 31.0, 0.0, 0.0, 0.0, 0.0, 0.0], [1, 2, 1, 2, 4, 6, 6]),
        ([29.0] * 6, [1, 2, 4, 6, 6]),
    ):
        pauses.clear()
        left = list(ready_for)
        supervisor = Supervisor([tiny("one")], lambda *_: None, options)
        await supervisor.start()
        with pytest.raises(PlanError, match="given up after 6 starts"):
            await supervisor.wait_ready(30)
        await supervisor.stop()
        assert pauses == expected
        assert supervisor.status["one"].restarts == len(expected)


async def test_service_that_does_not_get_ready_is_named() -> None:
    supervisor = Supervisor([tiny("one", "hangs"), tiny("two", "hangs")], lambda *_: None, QUICK)
    await supervisor.start()
    try:
        with pytest.raises(PlanError, match=r"not ready after 0\.3 s: one, two"):
            await supervisor.wait_ready(0.3)
    finally:
        await supervisor.stop()
    assert {status.state for status in supervisor.status.values()} == {"stopped"}


async def test_service_that_cannot_load_is_given_up_with_its_reason() -> None:
    spec = ServiceSpec("asr", free_port(), env={"AVATAR_ASR_ENGINE": "nope"})
    supervisor = Supervisor([spec])
    await supervisor.start()
    try:
        with pytest.raises(PlanError, match="asr cannot start: asr has no engine 'nope'; it has: pocketsphinx"):
            await supervisor.wait_ready()
    finally:
        await supervisor.stop()


@pytest.mark.parametrize("module", ["asr", "llm", "tts", "animation"])
async def test_service_with_a_setting_that_cannot_be_is_not_started_again(module: str) -> None:
    lines: list[str] = []
    spec = ServiceSpec(module, free_port(), env={"AVATAR_MAX_AUDIO_S": "long"})
    supervisor = Supervisor([spec], lambda _, line: lines.append(line))
    await supervisor.start()
    try:
        with pytest.raises(PlanError, match=f"^{module} cannot start: AVATAR_MAX_AUDIO_S must be a number$"):
            await supervisor.wait_ready()
        assert lines == ["AVATAR_MAX_AUDIO_S must be a number"]
    finally:
        await supervisor.stop()


async def test_service_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    spec = tiny("one", "stubborn", str(tmp_path))
    supervisor = Supervisor([spec], lambda *_: None, SupervisorOptions(stop_grace_s=0.2))
    await supervisor.start()
    for _ in range(1000):
        if (tmp_path / "one").exists():
            break
        await asyncio.sleep(0.02)
    pid = int((tmp_path / "one").read_text())
    assert is_alive(pid)
    await supervisor.stop()
    assert not is_alive(pid)


async def test_output_of_any_kind_is_passed_on_line_by_line() -> None:
    lines: list[tuple[str, str]] = []
    supervisor = Supervisor([tiny("one", "babbles")], lambda *line: lines.append(line), QUICK)
    await supervisor.start()
    with pytest.raises(PlanError, match="the last words; given up"):
        await supervisor.wait_ready(30)
    await supervisor.stop()
    said = [line for _, line in lines]
    assert "not \N{REPLACEMENT CHARACTER} text" in said
    assert max(map(len, said)) >= LINE_BYTES
    assert sum(line.count("#") for line in said) == 2 * 3 * LINE_BYTES  # two starts, nothing lost
    assert said[-1] == "the last words"


async def test_taken_port_is_refused_with_its_holder() -> None:
    spec = tiny("one")
    with socket.socket() as other:
        other.bind(("127.0.0.1", spec.port))
        other.listen()
        words = rf"one needs port {spec.port}, which is taken by .*pid {os.getpid()}.*--base-port"
        with pytest.raises(PlanError, match=words):
            await Supervisor([spec]).start()


def test_every_port_that_cannot_be_had_is_named_with_the_option_that_changes_it() -> None:
    free = free_port()
    with socket.socket() as first, socket.socket() as second:
        for other in (first, second):
            other.bind(("127.0.0.1", 0))
            other.listen()
        taken, also = first.getsockname()[1], second.getsockname()[1]
        here = "127.0.0.1"
        wanted = [("gateway", here, taken), ("asr", here, also), ("llm", here, free), ("tts", here, free)]
        with pytest.raises(PlanError) as refused:
            check_ports(wanted)
    gateway, asr, both = str(refused.value).splitlines()
    assert gateway.startswith(f"gateway needs port {taken}, which is taken by ")
    assert "--port" in gateway
    assert asr.startswith(f"asr needs port {also}")
    assert "--base-port" in asr
    assert f"llm and tts cannot both have port {free}" in both
    check_ports([("gateway", here, 0), ("asr", here, 0), ("llm", here, free)])


def test_an_address_of_another_machine_is_not_called_a_taken_port() -> None:
    with pytest.raises(PlanError, match=r"gateway cannot listen on 192\.0\.2\.1: .*--host"):
        check_ports([("gateway", "192.0.2.1", free_port())])


def test_port_of_nobody_has_no_holder() -> None:
    assert holder(free_port()) == ""


async def test_services_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio
from tests.megaservice.test_supervisor import tiny
from megaservice.supervisor.supervisor import Supervisor
async def main():
    supervisor = Supervisor([tiny("one", folder={str(tmp_path)!r})])
    await supervisor.start()
    await supervisor.wait_ready(30)
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    pipe = asyncio.subprocess.PIPE
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=pipe)
    try:
        assert parent.stdout is not None
        while await parent.stdout.readline() not in (b"ready\n", b""):
            pass
        pid = int((tmp_path / "one").read_text())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        await until_gone(pid)
    finally:
        with suppress(ProcessLookupError):
            parent.kill()
        await parent.wait()


async def test_plan_without_urls_starts_all_four() -> None:
    plan = await make_plan()
    assert {spec.name: spec.port for spec in plan.services} == PORTS
    assert plan.urls["tts"] == "http://127.0.0.1:7055"
    assert plan.services[0].command[1:] == ("-m", "megaservice.supervisor.leash", "comps.asr")
    assert plan.services[0].variables["AVATAR_ASR_PORT"] == "7066"


async def test_plan_on_other_ports_with_own_variables() -> None:
    plan = await make_plan(base_port=9100, env={"tts": {"AVATAR_TTS_ENGINE": "coqui"}})
    assert [spec.port for spec in plan.services] == [9100, 9101, 9102, 9103]
    assert plan.services[2].variables["AVATAR_TTS_ENGINE"] == "coqui"


async def test_our_own_service_elsewhere_is_used_as_it_is() -> None:
    async with running(asr_app(Behaviour(), Log())) as url:
        plan = await make_plan({"asr": url + "/"})
    assert plan.urls["asr"] == url
    assert "asr" not in [spec.name for spec in plan.services]


async def test_foreign_server_is_reached_through_the_openai_engine() -> None:
    from fastapi import FastAPI

    foreign = FastAPI()
    foreign.state.settings = llm_app(Behaviour(), Log()).state.settings
    async with running(foreign) as url:
        plan = await make_plan({"llm": url})
        with pytest.raises(PlanError, match="not an animation service"):
            await make_plan({"animation": url})
    llm = next(spec for spec in plan.services if spec.name == "llm")
    assert llm.variables["AVATAR_LLM_ENGINE"] == "openai"
    assert f"{url}/v1" in llm.variables.values()
    assert plan.urls["llm"] == "http://127.0.0.1:3006"


async def test_url_where_nothing_answers_is_refused() -> None:
    with pytest.raises(PlanError, match="tts: nothing answers at"):
        await make_plan({"tts": f"http://127.0.0.1:{free_port()}"})


@pytest.mark.parametrize("url", ["foo", "foo:80", "localhost:11434/v1", "ftp://host", "http://", "http://a:b"])
async def test_what_is_no_url_is_called_so(url: str) -> None:
    with pytest.raises(PlanError, match=f"llm: '{url}' is not a URL"):
        await make_plan({"llm": url})


async def test_spaces_and_slashes_around_a_url_do_not_matter() -> None:
    async with running(asr_app(Behaviour(), Log())) as url:
        assert (await make_plan({"asr": f" {url}// "})).urls["asr"] == url
