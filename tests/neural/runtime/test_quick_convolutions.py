"""Convolutions are done in another way where that pays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import fused_winograd, quick_convolutions  # noqa: E402
from comps.animation.neural.fourier import Fourier  # noqa: E402
from comps.animation.neural.fused_winograd import FusedWinograd  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from comps.animation.neural.quick_convolutions import (  # noqa: E402
    exact_ways,
    int16_ways,
    is_quicker,
    with_quick_convolutions,
)
from comps.animation.neural.winograd import Winograd  # noqa: E402

pytestmark = pytest.mark.torch


class Mixed(nn.Module):
    """Layers that may gain, and every kind that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(130, 130, 3, padding=1)
        self.narrow = nn.Conv2d(130, 8, 3, padding=1)
        self.strided = nn.Conv2d(130, 130, 3, 2, padding=1)
        self.twice = nn.Conv2d(130, 130, 3, padding=1)
        self.pointwise = nn.Conv2d(130, 130, 1)
        self.mirrored = nn.Conv2d(130, 130, 3, padding=1, padding_mode="reflect")
        self.grouped = nn.Conv2d(130, 130, 3, padding=1, groups=2)
        self.large = nn.Conv2d(8, 130, 7, padding=3)
        self.huge = nn.Conv2d(130, 130, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.huge(self.wide(x)))
        y = self.grouped(self.mirrored(self.pointwise(x)))
        z = self.twice(self.twice(self.strided(x)))
        return self.narrow(y)[..., ::2, ::2] + self.large(z[:, :8])[:, :8]


class Judge:
    """Finds another way quicker on pictures of at least `side` pixels; notes which layers it was asked of, on how many items."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.asked: list[tuple[type[nn.Module], int]] = []
        self.rows: list[int] = []

    def __call__(self, layer: nn.Module, other: nn.Module, x: Tensor) -> bool:
        assert difference(layer(x), other(x)) <= 1e-4
        self.asked.append((type(other), len(x)))
        self.rows.append(x.shape[-2])
        return x.shape[-1] >= self.side


@pytest.fixture(autouse=True)
def no_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a compiler."""
    monkeypatch.setattr(quick_convolutions, "is_fusible_here", lambda: False)


@pytest.fixture
def mixed() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(2)
    return Mixed().eval(), torch.randn(2, 130, 32, 32)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (0, {"wide": Winograd, "huge": Fourier, "twice": Winograd}),
        (20, {"wide": Winograd, "huge": Fourier}),
        (99, {}),
    ],
)
def test_layers_are_replaced_where_it_pays_and_the_module_is_left_alone(
    mixed: tuple[nn.Module, Tensor], side: int, expected: dict[str, type[nn.Module]]
) -> None:
    module, x = mixed
    judge = Judge(side)
    quick = with_quick_convolutions(module, (x,), judge)
    with torch.inference_mode():
        assert difference(module(x), quick(x)) <= 1e-4
    assert {name: type(part) for name, part in quick.named_children() if type(part) is not nn.Conv2d} == expected
    assert all(type(part) is nn.Conv2d for part in module.children())
    assert sorted(judge.asked, key=str) == [(Fourier, 2), (Winograd, 2), (Winograd, 2)], "each is asked of once"
    assert not any(part._forward_pre_hooks for part in quick.modules())


def test_large_batches_are_timed_in_part(mixed: tuple[nn.Module, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_convolutions, "_MOST_VALUES", 3 * 130 * 32 * 32)
    judge = Judge(0)
    with_quick_convolutions(mixed[0], (torch.cat([mixed[1]] * 4),), judge)
    assert [items for _, items in judge.asked] == [3, 3, 8]


class Busy(nn.Module):
    """Takes `seconds` of the processor, and `idle` besides."""

    def __init__(self, seconds: float, idle: float = 0.0) -> None:
        super().__init__()
        self.seconds, self.idle, self.calls = seconds, idle, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        time.sleep(self.idle)
        return x


@pytest.mark.parametrize(
    ("layer", "other", "expected"),
    [
        (Busy(0.02), Busy(0.01), True),
        (Busy(0.01), Busy(0.02), False),
        (Busy(0.01), Busy(0.00999), False),  # not worth its memory
        (Busy(0.02), Busy(0.01, idle=0.05), True),  # others had the processor meanwhile
    ],
)
def test_the_time_of_the_processor_decides(layer: Busy, other: Busy, expected: bool) -> None:
    assert is_quicker(layer, other, torch.zeros(1)) is expected
    assert layer.calls == other.calls > 1


def test_layers_are_timed_with_one_thread_and_the_others_come_back() -> None:
    seen: list[int] = []

    class Counted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.get_num_threads())
            return x

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        is_quicker(Counted(), Counted(), torch.zeros(1))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_slow_layers_are_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_convolutions, "_TIMED_S", 0.01)
    layer, other = Busy(0.02), Busy(0.001)
    assert is_quicker(layer, other, torch.zeros(1))
    assert (layer.calls, other.calls) == (1, 1)


def test_large_pictures_are_timed_in_part(mixed: tuple[nn.Module, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_convolutions, "_MOST_VALUES", 130 * 12 * 32)
    monkeypatch.setattr(quick_convolutions, "_LEAST_ROWS", 10)
    judge = Judge(0)
    with_quick_convolutions(mixed[0], (mixed[1],), judge)
    assert [items for _, items in judge.asked] == [1, 1, 1]
    assert judge.rows == [12, 12, 16]


def test_each_way_has_to_beat_the_best_so_far(mixed: tuple[nn.Module, Tensor]) -> None:
    class Same(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.layer(x)
            return made

    class Other(Same):
        pass

    asked: list[tuple[type[nn.Module], type[nn.Module]]] = []

    def judge(best: nn.Module, other: nn.Module, x: Tensor) -> bool:
        asked.append((type(best), type(other)))
        return type(other) is Same

    module = nn.Sequential(nn.Conv2d(130, 4, 1))
    quick = with_quick_convolutions(
        module, (mixed[1],), judge, ways=lambda part, height, width: [Same, Other] if type(part) is nn.Conv2d else []
    )
    assert asked == [(nn.Conv2d, Same), (Same, Other)]
    assert type(quick[0]) is Same


@pytest.mark.skipif(not fused_winograd.is_fusible_here(), reason="no AVX2 or no g++ here")
def test_int16_has_ways_for_more_layers(mixed: tuple[nn.Module, Tensor]) -> None:
    module = mixed[0]
    assert names(int16_ways(module.wide, 32, 32)) == ["Int16Windows", "Int16Winograd"]
    assert names(int16_ways(module.strided, 32, 32)) == ["Int16Windows"]
    assert names(int16_ways(module.huge, 32, 32)) == ["Fourier", "Int16Windows"]
    assert not int16_ways(module.grouped, 32, 32)
    assert not int16_ways(nn.Conv3d(2, 2, 3), 32, 32), "too narrow to gain"
    assert names(int16_ways(nn.Conv3d(32, 32, 3), 32, 32)) == ["Int16Winograd"]


def names(ways: Sequence[Callable[[Any], nn.Module]]) -> list[str]:
    return [getattr(way, "func", way).__name__ for way in ways]


@pytest.mark.skipif(not fused_winograd.is_fusible_here(), reason="no AVX2 or no g++ here")
@pytest.mark.parametrize(("side", "outputs"), [(6, 3), (12, 4)])
def test_tiles_are_as_large_as_pictures_want_them(
    side: int, outputs: int, mixed: tuple[nn.Module, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_convolutions, "is_fusible_here", lambda: True)
    for ways in (exact_ways, int16_ways):
        assert cast(partial[Any], ways(mixed[0].wide, side, side)[-1]).keywords == {"outputs": outputs}


def test_layers_without_ways_may_be_called_in_any_way() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grouped, self.wide = nn.Conv2d(130, 130, 3, groups=2), nn.Conv2d(130, 130, 3)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.wide(input=self.grouped(input=x))
            return made + self.grouped(x[:0]).sum()

    quick = with_quick_convolutions(Named().eval(), (torch.randn(1, 130, 8, 8),), lambda *_: True)
    assert type(quick.wide) is nn.Conv2d


@pytest.mark.skipif(not fused_winograd.is_fusible_here(), reason="no AVX2 or no g++ here")
def test_compiled_code_is_taken_where_it_is_to_be_had(
    mixed: tuple[nn.Module, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_convolutions, "is_fusible_here", lambda: True)
    quick = with_quick_convolutions(mixed[0], (mixed[1],), Judge(0))
    kinds = {name: type(part) for name, part in quick.named_children() if type(part) is not nn.Conv2d}
    assert kinds == {"wide": FusedWinograd, "twice": FusedWinograd, "narrow": FusedWinograd, "huge": Fourier}
    with torch.inference_mode():
        assert difference(mixed[0](mixed[1]), quick(mixed[1])) <= 1e-4
