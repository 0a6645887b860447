from __future__ import annotations

import asyncio
import copy
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from comps.animation.neural import amx, native  # noqa: E402
from comps.animation.neural import backend as backends  # noqa: E402
from comps.animation.neural.backend import BACKENDS, Plan, build, together  # noqa: E402
from comps.animation.neural.backends import compiled, cuda_graphs, pytorch  # noqa: E402
from comps.animation.neural.batching import SharedBatch  # noqa: E402
from comps.animation.neural.measure import difference  # noqa: E402
from comps.core.errors import EngineUnavailableError, UnknownChoiceError  # noqa: E402
from tests.neural.runtime import emulation  # noqa: E402, F401
from tests.neural.runtime.networks import Branching, ManyInputs, TwoInputs, TwoOutputs, inputs, trained  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    # The exporters of torch and ONNX Runtime use what torch has since deprecated.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]

EXACT = ("eager", "folded", "winograd", "bf16x6", "compile", "onnxruntime", "openvino")
LIMITS = {
    **dict.fromkeys(EXACT, 1e-5),
    "int16": 5e-3,
    "bf16x3": 5e-3,
    "bf16": 0.02,
    "openvino-bf16": 0.02,
    "openvino-int8": 0.1,
}
BF16 = any(flag in Path("/proc/cpuinfo").read_text() for flag in ("avx512_bf16", "amx_bf16"))
"""Whether OpenVINO computes in bfloat16 on this processor."""
AMX = native.processor_flags() >= amx.NEEDED
IN_PARTS = ("bf16x6", "bf16x3")
"""Backends that need AMX."""
ON_CPU = [name for name, spec in BACKENDS.items() if "cpu" in spec.devices]


def plan(name: str, **options: Any) -> Plan:
    return Plan(backend=name, device="cpu", threads=2, **options)  # type: ignore[arg-type]


def test_every_backend_of_the_cpu_has_a_limit() -> None:
    assert set(LIMITS) == set(ON_CPU)


def test_sadtalker_has_an_exact_one_beside_each_that_rounds() -> None:
    from comps.animation.engines.sadtalker.loading import _EXACT

    assert set(_EXACT) == set(ON_CPU) - set(EXACT)
    assert set(_EXACT.values()) <= set(EXACT)


@pytest.mark.parametrize("name", ON_CPU)
def test_a_backend_does_what_the_module_does(name: str) -> None:
    module = trained(TwoInputs())
    if name == "openvino-bf16" and not BF16:
        with pytest.raises(EngineUnavailableError, match="choose 'openvino'"):
            build(module, inputs(4), plan(name))
        return
    if name in IN_PARTS and not AMX:
        with pytest.raises(EngineUnavailableError, match="AMX"):
            build(module, inputs(4), plan(name))
        return
    before = copy.deepcopy(module.state_dict())
    program = build(module, inputs(4), plan(name), calibration=[inputs(4, seed) for seed in range(5)])
    if isinstance(program, compiled.CompiledProgram):
        assert program.wait(), program.failure
    assert program.backend == name
    assert program.device == torch.device("cpu")
    for batch in (4, 1, 3, 9):
        call = inputs(batch, seed=batch)
        made, expected = program(*call), module(*call)
        kept = made.clone()
        assert made.dtype == torch.float32
        assert made.shape == expected.shape
        error = difference(expected, made)
        assert error <= LIMITS[name]
        assert name in EXACT or error > 0, "it is not in low precision"
        program(*inputs(batch, seed=99))
        assert torch.equal(made, kept), "a later call overwrote the answer of an earlier one"
    program.close()
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


@pytest.mark.parametrize("name", ["folded", "onnxruntime", "openvino"])
def test_several_outputs(name: str) -> None:
    module = trained(TwoOutputs())
    made = build(module, inputs(2), plan(name))(*inputs(5))
    assert isinstance(made, tuple)
    assert [each.shape for each in made] == [(5, 3, 24, 20), (5, 3)]
    assert difference(module(*inputs(5)), made) <= 1e-5


@pytest.mark.parametrize("name", ["folded", "openvino"])
def test_examples_of_one_item_do_not_fix_the_batch(name: str) -> None:
    module = trained(TwoInputs())
    program = build(module, inputs(1), plan(name))
    assert difference(module(*inputs(6)), program(*inputs(6))) <= 1e-5


@pytest.mark.parametrize("name", ["folded", "onnxruntime", "openvino"])
def test_inputs_of_any_number(name: str) -> None:
    module = trained(ManyInputs())
    call = (*inputs(3), inputs(3, 2)[1])
    program = build(module, (*inputs(2), inputs(2, 2)[1]), plan(name))
    assert difference(module(*call), program(*call)) <= 1e-5


@pytest.mark.parametrize("name", ["folded", "onnxruntime", "openvino"])
def test_inputs_of_inference_mode_and_expanded_ones(name: str) -> None:
    module = trained(TwoInputs())
    with torch.inference_mode():
        examples = inputs(2)
    program = build(module, examples, plan(name))
    picture, speech = inputs(1)
    call = (picture.expand(4, -1, -1, -1), speech.expand(4, -1))
    assert difference(module(*call), program(*call)) <= 1e-5


def test_unknown_backend() -> None:
    with pytest.raises(UnknownChoiceError, match="eager, folded"):
        build(trained(TwoInputs()), inputs(1), plan("tensorrt"))


def test_a_backend_of_another_device() -> None:
    with pytest.raises(EngineUnavailableError, match="runs on cuda, not on cpu"):
        build(trained(TwoInputs()), inputs(1), plan("cuda-graphs"))


@pytest.mark.parametrize(
    ("name", "library", "module", "extra"),
    [
        ("onnxruntime", "onnxruntime", "onnx_runtime", "onnx"),
        ("openvino", "openvino", "openvino_cpu", "openvino"),
        ("openvino-bf16", "openvino", "openvino_cpu", "openvino"),
        ("openvino-int8", "onnxruntime.quantization", "quantising", "openvino,onnx"),
    ],
)
def test_a_missing_library_names_its_extra(
    name: str, library: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"comps.animation.neural.backends.{module}", raising=False)
    with pytest.raises(EngineUnavailableError) as caught:
        build(trained(TwoInputs()), inputs(1), plan(name))
    assert f"pip install 'avatarchatbot[{extra}]'" in caught.value.message


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_network_no_graph_can_be_made_of(name: str) -> None:
    with pytest.raises(EngineUnavailableError, match=f"'{name}' cannot run this network here"):
        build(Branching(), inputs(2), plan(name))


def test_the_exporter_does_not_miss_torchvision(caplog: pytest.LogCaptureFixture) -> None:
    build(trained(TwoInputs()), inputs(2), plan("onnxruntime"))
    assert not [record for record in caplog.records if "torchvision" in record.getMessage()]


def test_a_processor_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    from comps.animation.neural.backends import openvino_cpu

    old = types.SimpleNamespace(get_property=lambda *_: ["FP32", "INT8"])
    monkeypatch.setattr(openvino_cpu.openvino, "Core", lambda: old)
    with pytest.raises(EngineUnavailableError, match="AVX-512 BF16"):
        build(trained(TwoInputs()), inputs(2), plan("openvino-bf16"))


@pytest.mark.parametrize("name", ["eager", "folded", "onnxruntime", "openvino"])
def test_wrong_shapes_are_an_error_not_a_picture(name: str) -> None:
    program = build(trained(TwoInputs()), inputs(2), plan(name))
    picture, speech = inputs(2)
    with pytest.raises((RuntimeError, ValueError)):
        program(picture[:, :2], speech)


def test_compile_answers_before_it_is_ready_and_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(*_: object, **__: object) -> Callable[..., Any]:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", no_compiler)
    module = trained(TwoInputs())
    program = build(module, inputs(2), plan("compile"))
    assert isinstance(program, compiled.CompiledProgram)
    assert not program.wait()
    assert "no C++ compiler" in str(program.failure)
    assert difference(module(*inputs(2)), program(*inputs(2))) <= 1e-5
    program.close()


class FakeCapture:
    """What a CUDA graph does, on the CPU: computes from the same input tensors into the same output tensors."""

    def __init__(self) -> None:
        self.replayed: list[int] = []

    def __call__(self, call: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        outputs = call()

        def replay() -> None:
            made = call()
            pairs = [(outputs, made)] if isinstance(outputs, Tensor) else zip(outputs, made, strict=True)
            for place, each in pairs:
                place.copy_(each)
                self.replayed.append(len(each))

        return outputs, replay


@pytest.fixture(params=[TwoInputs, TwoOutputs])
def graphed(request: pytest.FixtureRequest) -> tuple[nn.Module, cuda_graphs.GraphedProgram, FakeCapture]:
    module, capture = trained(request.param()), FakeCapture()
    program = pytorch.TorchProgram("cuda-graphs", module, torch.device("cpu"), channels_last=True)
    return module, cuda_graphs.GraphedProgram(program, inputs(6), capture), capture


@pytest.mark.parametrize(("batch", "replays"), [(1, [1]), (2, [2]), (3, [4]), (5, [6]), (6, [6]), (15, [6, 6, 4])])
def test_graphs_fill_up_and_split_batches(
    graphed: tuple[nn.Module, cuda_graphs.GraphedProgram, FakeCapture], batch: int, replays: list[int]
) -> None:
    module, program, capture = graphed
    made = program(*inputs(batch, 3))
    outputs = 1 if isinstance(made, Tensor) else len(made)
    assert capture.replayed[::outputs] == replays
    assert difference(module(*inputs(batch, 3)), made) <= 1e-6
    kept = copy.deepcopy(made)
    program(*inputs(batch, 4))
    assert difference(kept, made) == 0.0
    program.close()


def test_graphs_leave_the_examples_alone_and_refuse_other_shapes() -> None:
    examples = inputs(4)
    kept = [each.clone() for each in examples]
    program = pytorch.TorchProgram("cuda-graphs", trained(TwoInputs()), torch.device("cpu"))
    graphs = cuda_graphs.GraphedProgram(program, examples, FakeCapture())
    graphs(*inputs(4, 7))
    assert all(torch.equal(a, b) for a, b in zip(examples, kept, strict=True))
    with pytest.raises(RuntimeError, match="instead of"):
        graphs(examples[0][:, :, :1], examples[1])


@pytest.mark.parametrize("network", [TwoInputs, TwoOutputs])
async def test_sessions_share_a_program(network: type[nn.Module]) -> None:
    module = trained(network())
    pictures, speeches = inputs(12)
    shared = SharedBatch(together(build(module, inputs(4), plan("folded"))), 5, 0.01)
    items = list(zip(pictures, speeches, strict=True))
    answers = await asyncio.gather(*(shared.submit(item, session=i % 3) for i, item in enumerate(items)))
    expected = module(pictures, speeches)
    for index, answer in enumerate(answers):
        wanted = expected[index] if isinstance(expected, Tensor) else tuple(each[index] for each in expected)
        assert difference(wanted, answer) <= 1e-5
    assert shared.counts.calls < len(items)
    await shared.close()


def test_auto_is_accurate_enough(tmp_path: Path) -> None:
    module = trained(TwoInputs())
    program = build(module, inputs(4), plan("auto", max_error=1e-4, cache=tmp_path))
    assert program.backend in EXACT
    assert difference(module(*inputs(4)), program(*inputs(4))) <= 1e-4
    assert len(list(tmp_path.iterdir())) == 1


def test_the_table_of_the_docstring_lists_every_backend() -> None:
    assert all(f"``{name}``" in str(backends.__doc__) for name in (*BACKENDS, "auto"))


class TestFolding:
    @staticmethod
    def norms(module: nn.Module) -> int:
        return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())

    def test_all_norms_of_wav2lip_go_and_nothing_changes(self) -> None:
        from comps.animation.engines.wav2lip.network import Wav2Lip
        from comps.animation.neural.checkpoint import fill
        from comps.animation.neural.folding import fold_batch_norms
        from tests.neural.parity import weights

        module = fill(Wav2Lip(), weights("wav2lip"), "synthetic")
        generator = torch.Generator().manual_seed(0)
        call = (torch.rand(2, 1, 80, 16, generator=generator), torch.rand(2, 6, 96, 96, generator=generator))
        folded = fold_batch_norms(module, call)
        assert self.norms(module) == 50
        assert self.norms(folded) == 0
        with torch.inference_mode():
            assert difference(module(*call), folded(*call)) <= 1e-5

    def test_the_residuals_of_wav2lip_are_added_by_the_convolutions(self) -> None:
        from comps.animation.engines.wav2lip.network import Conv
        from comps.animation.neural.folding import fold_batch_norms, fold_parts

        torch.manual_seed(0)
        layers = [Conv(6, 8), Conv(8, 8, residual=True), Conv(8, 8, residual=True), Conv(8, 8, 1, padding=0)]
        module, x = trained(nn.Sequential(*layers)), torch.randn(2, 6, 9, 7)
        unfolded = fold_parts(copy.deepcopy(module))
        assert difference(module(x), unfolded(x)) == 0.0, "with norms nothing may be folded"
        norms = fold_batch_norms(module, (x,))
        weights = norms[1].conv_block[0].weight.clone()  # type: ignore[index]
        folded = fold_parts(norms)
        added = (folded[1].conv_block[0].weight - weights).sum((2, 3))  # type: ignore[index]
        assert difference(added, torch.eye(8)) <= 1e-6
        kept = x.clone()
        assert difference(module(x), folded(x)) <= 1e-5
        assert torch.equal(x, kept), "an input was overwritten"

    @pytest.mark.parametrize("name", ON_CPU)
    def test_parts_are_folded_for_float32_only(self, name: str) -> None:
        folded: list[nn.Module] = []

        class Part(TwoInputs):
            def fold(self) -> None:
                folded.append(self)

        if (name == "openvino-bf16" and not BF16) or (name in IN_PARTS and not AMX):
            pytest.skip("this processor has no bfloat16")
        module = trained(Part())
        program = build(module, inputs(2), plan(name), calibration=[inputs(2)])
        program.close()
        assert bool(folded) == (name in (*EXACT, "int16", "bf16x3") and name != "eager")
        assert module not in folded

    @pytest.mark.parametrize("case", ["grouped", "transposed", "no affine", "no bias", "1d", "3d"])
    def test_kinds_of_layers(self, case: str) -> None:
        from comps.animation.neural.folding import fold_batch_norms

        layers, shape = {
            "grouped": ((nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8)), (2, 4, 6, 6)),
            "transposed": ((nn.ConvTranspose2d(4, 8, 3, 2), nn.BatchNorm2d(8)), (2, 4, 6, 6)),
            "no affine": ((nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8, affine=False)), (2, 4, 6, 6)),
            "no bias": ((nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8)), (2, 4, 6, 6)),
            "1d": ((nn.Conv1d(4, 8, 3), nn.BatchNorm1d(8)), (2, 4, 6)),
            "3d": ((nn.Conv3d(4, 8, 3), nn.BatchNorm3d(8)), (2, 4, 6, 6, 6)),
        }[case]
        module = trained(nn.Sequential(*layers))
        norm = layers[1]
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        folded = fold_batch_norms(module, (torch.rand(shape),))
        assert isinstance(folded[1], nn.Identity)  # type: ignore[index]
        x = torch.rand(shape)
        assert difference(module(x), folded(x)) <= 5e-6

    def test_an_output_with_two_readers_is_left_alone(self) -> None:
        from comps.animation.neural.folding import fold_batch_norms

        class Both(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.bn = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

            def forward(self, x: Tensor) -> Tensor:
                y = self.conv(x)
                return self.bn(y) + y

        module = trained(Both())
        x = torch.rand(2, 3, 5, 5)
        folded = fold_batch_norms(module, (x,))
        assert self.norms(folded) == 1
        assert difference(module(x), folded(x)) == 0.0

    def test_one_layer_before_two_norms_is_left_alone(self) -> None:
        from comps.animation.neural.folding import fold_batch_norms

        class Shared(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 1)
                self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)])

            def forward(self, x: Tensor) -> Tensor:
                return self.norms[0](self.conv(x)) + self.norms[1](self.conv(2 * x))

        module = trained(Shared())
        x = torch.rand(2, 3, 5, 5)
        folded = fold_batch_norms(module, (x,))
        assert self.norms(folded) == 2
        assert difference(module(x), folded(x)) == 0.0


def test_openvino_is_compiled_anew_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    module = trained(TwoInputs())
    program = build(module, inputs(2), plan("openvino"))
    picture, speech = inputs(2)
    with pytest.raises(RuntimeError):
        program(picture[:, :2], speech)
    assert difference(module(*inputs(3)), program(*inputs(3))) <= 1e-5
    program.close()

    def no_room() -> object:
        raise RuntimeError("bad allocation")

    monkeypatch.setattr(program, "_compiling", no_room)
    with pytest.raises(MemoryError, match="compile the network again"):
        program(*inputs(2))
