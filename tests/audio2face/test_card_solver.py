"""The solver on a card: what it does, checked with arrays that need none."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from comps.animation.audio2face.card_solver import Arrays, CardSolver, CupyArrays, TorchArrays, find_arrays
from comps.animation.audio2face.solver import BlendshapeSolver, Poses, SolverSettings
from comps.core.errors import UnprocessableError

SETTINGS = SolverSettings(l1=0.5, l2=0.5, symmetry=10, temporal=0.3)
POSES = Poses((True,) * 7 + (False,), (-1, -1, 0, 0, -1, -1, -1, -1), (1, 1, -1, -1, -1, -1, -1, -1))


def cupy(cards: int = 1) -> SimpleNamespace:
    """NumPy under the names that CuPy uses; its cards do not compute anything."""
    used: list[int] = []
    device = lambda number: SimpleNamespace(use=lambda: used.append(number))  # noqa: E731
    runtime = SimpleNamespace(getDeviceCount=lambda: cards)
    return SimpleNamespace(
        asarray=np.asarray, asnumpy=np.asarray, minimum=np.minimum, maximum=np.maximum,
        cuda=SimpleNamespace(Device=device, runtime=runtime), used=used,
    )  # fmt: skip


def rig(vertices: int = 40) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(3)
    neutral, shapes = random.normal(0, 5, (vertices, 3)), random.normal(0, 1, (8, vertices, 3))
    weights = random.uniform(-0.4, 1.3, (200, 8))
    return neutral, shapes, neutral + np.tensordot(weights, shapes, 1)


def solvers(arrays: Arrays, vertices: range | None = None) -> tuple[CardSolver, BlendshapeSolver, Any]:
    neutral, shapes, targets = rig()
    chosen = list(vertices) if vertices else None
    card = CardSolver(neutral, shapes, POSES, SETTINGS, vertices=chosen, arrays=arrays)
    return card, BlendshapeSolver(neutral, shapes, POSES, SETTINGS, vertices=chosen, exact=False), targets


@pytest.mark.parametrize("vertices", [None, range(0, 40, 3)])
def test_a_card_gives_what_the_cpus_approximation_gives(vertices: range | None) -> None:
    card, cpu, targets = solvers(CupyArrays(cupy()), vertices)
    assert card.stream().solve(targets) == pytest.approx(cpu.stream().solve(targets), abs=1e-9)


def test_it_is_near_the_exact_solution() -> None:
    neutral, shapes, targets = rig()
    unpaired = Poses(POSES.active, (-1,) * 8, POSES.symmetry)  # the weaker of two equals is another one
    card = CardSolver(neutral, shapes, unpaired, SETTINGS, arrays=CupyArrays(cupy()))
    exact = BlendshapeSolver(neutral, shapes, unpaired, SETTINGS)
    assert np.abs(card.stream().solve(targets) - exact.stream().solve(targets)).max() < 0.15


def test_single_precision_is_taken_as_it_is() -> None:
    card, cpu, targets = solvers(CupyArrays(cupy()))
    single = targets.astype(np.float32)
    assert card.project(single) == pytest.approx(cpu.project(single), rel=1e-9)


def test_other_points_are_refused() -> None:
    card, _, _ = solvers(CupyArrays(cupy()))
    with pytest.raises(UnprocessableError, match=r"the rig has \(40, 3\) points"):
        card.project(np.zeros((1, 39, 3)))


def test_the_card_of_the_configuration_is_used() -> None:
    library = cupy(3)
    CupyArrays(library, 2).put(np.zeros(3))
    assert library.used == [2]


@pytest.mark.parametrize(("cards", "device", "found"), [(1, 0, True), (2, 1, True), (1, 1, False), (0, 0, False)])
def test_cupy_is_asked_for_its_cards(monkeypatch: pytest.MonkeyPatch, cards: int, device: int, found: bool) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy(cards))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "torch", None)
    assert isinstance(find_arrays(device), CupyArrays) == found


def test_without_a_driver_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver")

    library = cupy()
    library.cuda.runtime.getDeviceCount = fails
    monkeypatch.setitem(sys.modules, "cupy", library)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "torch", None)
    assert find_arrays() is None


def test_without_libraries_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cupy", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    assert find_arrays() is None


def test_torch_is_asked_where_cupy_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = ModuleType("torch")
    torch.cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert isinstance(find_arrays(0), TorchArrays)
    assert find_arrays(1) is None


@pytest.mark.torch
def test_torchs_arrays_give_the_same() -> None:
    card, cpu, targets = solvers(TorchArrays("cpu"), range(0, 40, 3))
    assert card.stream().solve(targets) == pytest.approx(cpu.stream().solve(targets), abs=1e-9)
