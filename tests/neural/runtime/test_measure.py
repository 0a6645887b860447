from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from comps.animation.neural import measure  # noqa: E402
from comps.animation.neural.backend import Plan, Program, Task  # noqa: E402
from comps.animation.neural.native import TriedOnce  # noqa: E402
from comps.core.errors import EngineUnavailableError  # noqa: E402
from tests.neural.runtime.networks import TwoInputs, inputs, trained  # noqa: E402

pytestmark = pytest.mark.torch


class Fake(Program):
    """Differs from the module by `error`."""

    def __init__(self, name: str, task: Task, error: float) -> None:
        super().__init__(name, torch.device("cpu"))
        self._task, self._error = task, error
        self.closed = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        return self._task.module(*inputs) + self._error

    def close(self) -> None:
        self.closed = True


class Machine:
    """Backends with given speeds and errors; a speed of 0 means that it does not run here."""

    def __init__(self, table: dict[str, tuple[float, float]]) -> None:
        self.table = table
        self.built: list[str] = []
        self.programs: list[Fake] = []

    def build_one(self, name: str, task: Task) -> Program:
        self.built.append(name)
        speed, error = self.table.get(name, (0.0, 0.0))
        if not speed:
            raise EngineUnavailableError(f"no {name} here")
        self.programs.append(Fake(name, task, error))
        return self.programs[-1]

    def items_per_s(self, program: Program, examples: Any) -> float:
        return self.table[program.backend][0]


@pytest.fixture
def task() -> Task:
    return Task(trained(TwoInputs()), inputs(2), torch.device("cpu"), 2)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine({"eager": (10, 0.0), "folded": (20, 1e-7), "openvino-bf16": (50, 2e-3), "bf16": (90, 0.01)})
    monkeypatch.setattr(measure, "build_one", made.build_one)
    monkeypatch.setattr(measure, "items_per_s", made.items_per_s)
    return made


def test_the_fastest_that_is_accurate_enough(task: Task, machine: Machine, tmp_path: Path) -> None:
    chosen = measure.fastest(task, Plan(cache=tmp_path, max_error=5e-3))
    assert chosen.backend == "openvino-bf16"
    assert [p.backend for p in machine.programs if not p.closed] == ["openvino-bf16"]


@pytest.mark.parametrize(("limit", "expected"), [(1e-2 + 1e-6, "bf16"), (1e-5, "folded"), (0.0, "eager")])
def test_the_limit_is_the_plans(task: Task, machine: Machine, tmp_path: Path, limit: float, expected: str) -> None:
    machine.table["folded"] = (20, 1e-6)
    assert measure.fastest(task, Plan(cache=tmp_path, max_error=limit)).backend == expected


def test_a_backend_that_gives_nan_is_out(task: Task, machine: Machine, tmp_path: Path) -> None:
    machine.table["openvino-bf16"] = (1000, float("nan"))
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "folded"


def test_measured_once(task: Task, machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    measure.fastest(task, Plan(cache=tmp_path))
    assert [record.levelname for record in caplog.records if "measuring which backend" in record.message] == ["WARNING"]
    machine.built.clear()
    caplog.clear()
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "openvino-bf16"
    assert machine.built == ["openvino-bf16"]
    assert caplog.records == []
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text())
    assert {row["backend"] for row in content["measured"]} == {"eager", "folded", "openvino-bf16", "bf16"}


def test_other_code_is_measured_anew(
    task: Task, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure.fastest(task, Plan(cache=tmp_path))
    monkeypatch.setattr(measure, "_source_checksum", lambda: 1)
    machine.built.clear()
    measure.fastest(task, Plan(cache=tmp_path))
    assert len(machine.built) > 1


@pytest.mark.parametrize(("code", "backend"), [("matrix_unit", "bf16x3"), ("int16_code", "int16")])
def test_code_that_comes_or_goes_is_measured_anew(
    code: str, backend: str, task: Task, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> object:
        raise EngineUnavailableError("no compiler")

    monkeypatch.setattr(measure, code, TriedOnce(none))
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "openvino-bf16"
    monkeypatch.setattr(measure, code, TriedOnce(object))
    machine.table[backend] = (80, 1e-3)
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == backend
    monkeypatch.setattr(measure, code, TriedOnce(none))
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "openvino-bf16"


def test_compiled_convolutions_that_come_or_go_are_measured_anew(
    task: Task, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "is_fusible_here", lambda: False)
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "openvino-bf16"
    monkeypatch.setattr(measure, "is_fusible_here", lambda: True)
    machine.table["winograd"] = (80, 1e-6)
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "winograd"
    monkeypatch.setattr(measure, "is_fusible_here", lambda: False)
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "openvino-bf16"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"backend": 3}', '{"backend": "gone"}', '{"backend": "auto"}', "\xff\xfe"]
)
def test_a_damaged_file_is_measured_anew(task: Task, machine: Machine, tmp_path: Path, content: str) -> None:
    measure.fastest(task, Plan(cache=tmp_path))
    (file,) = tmp_path.iterdir()
    file.write_bytes(content.encode("latin-1"))
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "openvino-bf16"
    assert json.loads(file.read_text())["backend"] == "openvino-bf16"


def test_a_choice_that_no_longer_runs_is_measured_anew(task: Task, machine: Machine, tmp_path: Path) -> None:
    measure.fastest(task, Plan(cache=tmp_path))
    machine.table["openvino-bf16"] = (0, 0)
    assert measure.fastest(task, Plan(cache=tmp_path)).backend == "folded"


def test_what_the_choice_depends_on(task: Task, machine: Machine, tmp_path: Path) -> None:
    other_weights = Task(trained(TwoInputs(), seed=5), task.examples, task.device, 2)
    other_batch = Task(task.module, inputs(3), task.device, 2)
    other_threads = Task(task.module, task.examples, task.device, 1)
    for each in (task, other_weights, other_batch, other_threads):
        measure.fastest(each, Plan(cache=tmp_path))
    measure.fastest(task, Plan(cache=tmp_path, max_error=1e-5))
    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_that_cannot_be_written(task: Task, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert measure.fastest(task, Plan(cache=tmp_path / "file")).backend == "openvino-bf16"


def test_the_number_of_files_is_bounded(
    task: Task, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "_MOST_FILES", 3)
    for batch in range(1, 7):
        measure.fastest(Task(task.module, inputs(batch), task.device, 2), Plan(cache=tmp_path))
    assert len(list(tmp_path.iterdir())) == 3


def test_no_candidate_is_begun_after_the_budget(task: Task, machine: Machine, tmp_path: Path) -> None:
    assert measure.fastest(task, Plan(cache=tmp_path), budget_s=-1).backend == "eager"
    assert machine.built == ["eager"]


def test_int8_is_tried_only_with_calibration(task: Task) -> None:
    assert "openvino-int8" not in measure.candidates(task)
    calibrated = Task(task.module, task.examples, task.device, 2, (task.examples,))
    assert "openvino-int8" in measure.candidates(calibrated)


def test_candidates_are_known_backends_of_their_device() -> None:
    for kind in ("cpu", "cuda"):
        for name in measure._CANDIDATES[kind]:
            assert kind in measure.BACKENDS[name].devices
    assert all({"xpu", "hpu"} <= set(measure.BACKENDS[name].devices) for name in measure._ELSEWHERE)
