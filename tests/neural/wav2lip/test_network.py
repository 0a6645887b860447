"""The generator computes what the original computes, whole and in its parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.neural.parity import assert_close, fixture, shapes, weights

pytestmark = pytest.mark.torch

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def network() -> Any:
    from comps.animation.engines.wav2lip.network import Wav2Lip

    network = Wav2Lip()
    network.load_state_dict(weights("wav2lip"), strict=True)
    return network.eval()


@pytest.fixture(scope="module")
def inputs() -> tuple[Any, Any]:
    import torch

    arrays = fixture("wav2lip")
    faces = arrays["face_u8"].astype(np.float32) / 255
    masked = faces.copy()
    masked[:, 48:] = 0
    six = np.concatenate((masked, faces), axis=3).transpose(0, 3, 1, 2)
    return torch.from_numpy(arrays["mel"]), torch.from_numpy(np.ascontiguousarray(six))


def test_its_keys_and_shapes_are_the_originals_in_order(network: Any) -> None:
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert list(found.items()) == list(shapes("wav2lip").items())
    assert sum(p.numel() for p in network.parameters()) == 36_298_035


def test_it_returns_the_originals_picture(network: Any, inputs: tuple[Any, Any]) -> None:
    import torch

    with torch.inference_mode():
        picture = network(*inputs)
    assert_close(picture, fixture("wav2lip")["out"], TOLERANCE)


@pytest.mark.parametrize(("backend", "tolerance"), [("folded", TOLERANCE), ("winograd", TOLERANCE), ("int16", 5e-3)])
def test_it_returns_the_originals_picture_by_quicker_ways(
    backend: Any, tolerance: float, network: Any, inputs: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from comps.animation.neural import quick_convolutions
    from comps.animation.neural.backend import Plan, build

    # Every layer that can be, also those that would not gain here.
    monkeypatch.setattr(quick_convolutions, "is_quicker", lambda *_: True)
    program = build(network, inputs, Plan(backend, "cpu"))
    assert_close(program(*inputs), fixture("wav2lip")["out"], tolerance)
    if backend == "int16":
        layers = [part.halved for part in program.module.modules() if hasattr(part, "halved")]  # type: ignore[attr-defined]
        assert layers == [True] * 50 + [False], "pictures between layers are float16"


def test_its_parts_are_the_whole(network: Any, inputs: tuple[Any, Any]) -> None:
    import torch

    expected = fixture("wav2lip")
    mel, faces = inputs
    with torch.inference_mode():
        audio, skips = network.encode_audio(mel), network.encode_face(faces)
        picture = network.decode(audio, skips)
    assert_close(audio[:, :, 0, 0], expected["audio_embedding"], 5e-5)
    assert_close(skips[-1][:, :, 0, 0], expected["face_embedding"], TOLERANCE)
    assert_close(picture, expected["out"], TOLERANCE)


def test_windows_of_time_give_the_same_as_a_batch(network: Any, inputs: tuple[Any, Any]) -> None:
    """Two speakers, each with three windows: sorted by time inside, and returned by speaker."""
    import torch

    mel, faces = inputs
    order = torch.tensor([[0, 1, 1], [1, 0, 1]])
    with torch.inference_mode():
        timed = network(mel[order], faces[order].transpose(1, 2))
    assert timed.shape == (2, 3, 3, 96, 96)
    expected = fixture("wav2lip")["out"][order.numpy()].transpose(0, 2, 1, 3, 4)
    assert_close(timed, expected, TOLERANCE)


def test_every_trace_of_the_original_is_met(network: Any, inputs: tuple[Any, Any]) -> None:
    """Mean, deviation, maximum and sum of squares behind each block, so that a wrong one is named."""
    import torch

    arrays = fixture("wav2lip")
    wanted = dict(zip(arrays["trace_names"].tolist(), arrays["trace_stats"], strict=True))
    found: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            x = output.double().numpy()
            found[name] = np.array([x.mean(), x.std(ddof=1), np.abs(x).max(), (x * x).sum()])

        return hook

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in wanted]
    with torch.inference_mode():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    for name, stats in wanted.items():
        np.testing.assert_allclose(found[name], stats, rtol=1e-4, atol=1e-4, err_msg=name)


def test_its_parts_fold_once(network: Any) -> None:
    import torch
    from torch import nn

    from comps.animation.engines.wav2lip.network import Conv

    block = Conv(3, 3, residual=True).eval()
    block.conv_block[1] = nn.Identity()  # as where its norm is folded already
    x = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        expected = block(x)
        block.fold()
        block.fold()
        assert torch.allclose(block(x), expected, atol=1e-6)
