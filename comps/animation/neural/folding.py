"""Batch norms folded into the convolutions before them, rectifiers and concatenations into those that can do so: fewer
passes over memory.

Which module follows which convolution is seen by running the network once, so that it does not matter how the modules are
nested. Whether anything else uses the convolution's output is not seen; so the result is compared, and a network that
came out different is left as it was.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from comps.animation.neural.concatenation import Concatenation, Joining

logger = logging.getLogger(__name__)

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_TOLERANCE = 1e-4
"""Of the output's largest magnitude; a right folding differs by rounding only, some 1e-6."""


@runtime_checkable
class Foldable(Protocol):
    """A part of a network that can do the same with fewer passes over memory than its modules one after the other."""

    def fold(self) -> None:
        """Do so from now on; called on a copy for inference in float32, after `fold_batch_norms`."""


@runtime_checkable
class Rectifying(Protocol):
    """A layer that can leave out negative numbers while it writes its output.

    Attributes:
        rectified: whether it does.
    """

    rectified: bool


def fold_parts(module: nn.Module) -> nn.Module:
    """`module` itself, of which every part that is `Foldable` is folded.

    The same to rounding in float32 only: what is folded into weights may cost them the digits of lower precisions.
    """
    for part in module.modules():
        if isinstance(part, Foldable):
            part.fold()
    return module


def fold_batch_norms(module: nn.Module, examples: Sequence[Tensor]) -> nn.Module:
    """A copy of `module` (in eval mode) without the batch norms that directly follow a convolution.

    Args:
        module: in float32, on any device.
        examples: inputs of one call on the same device, by which the layers are paired and the result is checked.
    """
    folded = copy.deepcopy(module).eval()
    if not any(_constant(part) for part in folded.modules()):
        return folded
    one = tuple(example[:1] for example in examples)
    with torch.inference_mode(False), torch.no_grad():
        pairs = _pairs(folded, one, _foldable, _constant)
        for layer, norm in pairs:
            _fold(layer, norm)
        _leave_out(folded, [norm for _, norm in pairs])
        if not _agree(module(*one), folded(*one)):
            logger.warning("%s is not folded: a batch norm of it has more than one reader", type(module).__name__)
            return copy.deepcopy(module).eval()
    return folded


def fold_rectifiers(module: nn.Module, examples: Sequence[Tensor]) -> nn.Module:
    """`module` itself, without the ReLUs that directly follow a layer that is `Rectifying`.

    Args:
        module: ready for inference.
        examples: inputs of one call, of the type and on the device of the module.
    """
    one = tuple(example[:1] for example in examples)
    with torch.inference_mode(False), torch.no_grad():
        pairs = _pairs(module, one, lambda part: isinstance(part, Rectifying), lambda part: type(part) is nn.ReLU)
        if not pairs:
            return module
        expected = module(*one)
        for layer, _ in pairs:
            cast("Rectifying", layer).rectified = True
        # With the ReLUs still there the output is the same, unless someone else reads a layer's output.
        if not _agree(expected, module(*one)):
            logger.warning("the rectifiers of %s stay: a layer before one has more readers", type(module).__name__)
            for layer, _ in pairs:
                cast("Rectifying", layer).rectified = False
            return module
    _leave_out(module, [rectifier for _, rectifier in pairs])
    return module


def fold_concatenations(module: nn.Module, examples: Sequence[Tensor]) -> nn.Module:
    """`module` itself, in which each `Concatenation` that a `Joining` layer reads leaves its parts apart.

    Args:
        module: ready for inference.
        examples: inputs of one call, of the type and on the device of the module.
    """
    one = tuple(example[:1] for example in examples)
    with torch.inference_mode(False), torch.no_grad():
        pairs = _pairs(
            module, one, lambda part: isinstance(part, Concatenation), lambda part: isinstance(part, Joining)
        )
        concatenations = [cast("Concatenation", concatenation) for concatenation, _ in pairs]
        if not concatenations:
            return module
        expected = module(*one)
        for concatenation in concatenations:
            concatenation.apart = True
        if not still_agrees(expected, module, one):
            logger.warning("the concatenations of %s stay: one of them has more readers", type(module).__name__)
            for concatenation in concatenations:
                concatenation.apart = False
    return module


def still_agrees(expected: Any, module: nn.Module, examples: Sequence[Tensor], tolerance: float = _TOLERANCE) -> bool:
    """Whether `module` returns what is expected; whatever reads what a layer now gives otherwise may raise anything.

    Args:
        expected: a tensor, or several in a sequence.
        module: with layers that give something in another form than before.
        examples: inputs of one call.
        tolerance: of each output's largest magnitude, and 1.
    """
    try:
        return _agree(expected, module(*examples), tolerance)
    except Exception:  # noqa: BLE001
        return False


def _leave_out(module: nn.Module, parts: Sequence[nn.Module]) -> None:
    gone = {id(part) for part in parts}
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in gone:
                setattr(parent, name, nn.Identity())


def _pairs(
    module: nn.Module,
    examples: Sequence[Tensor],
    is_layer: Callable[[nn.Module], bool],
    is_follower: Callable[[nn.Module], bool],
) -> list[tuple[nn.Module, nn.Module]]:
    """Layers with the follower that is given their output, each the other's only partner."""
    kept: list[Tensor] = []  # alive, so that no other tensor gets their identity
    maker: dict[int, nn.Module] = {}
    makers: dict[int, set[int]] = {}
    readers: dict[int, set[int]] = {}
    calls: dict[int, int] = {}
    found: dict[int, tuple[nn.Module, nn.Module]] = {}

    def made(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept.append(output)
        maker[id(output)] = layer
        calls[id(layer)] = calls.get(id(layer), 0) + 1

    def read(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls[id(norm)] = calls.get(id(norm), 0) + 1
        layer = maker.get(id(inputs[0]))
        makers.setdefault(id(norm), set()).add(id(layer))
        if layer is not None:
            readers.setdefault(id(layer), set()).add(id(norm))
            found[id(norm)] = (layer, norm)

    hooks = [part.register_forward_hook(made) for part in module.modules() if is_layer(part)]
    hooks += [part.register_forward_pre_hook(read) for part in module.modules() if is_follower(part)]
    try:
        module(*examples)
    finally:
        for hook in hooks:
            hook.remove()
    return [
        (layer, norm)
        for layer, norm in found.values()
        if len(makers[id(norm)]) == len(readers[id(layer)]) == 1 and calls[id(layer)] == calls[id(norm)]
    ]


def _foldable(part: nn.Module) -> bool:
    """A layer whose weight is a plain parameter (not one computed on each call, as by spectral norm)."""
    grouped = isinstance(part, _TRANSPOSED) and part.groups > 1
    plain = type(part) in _LAYERS and isinstance(part._parameters.get("weight"), nn.Parameter)
    return plain and not grouped and not part._forward_pre_hooks


def _constant(part: nn.Module) -> bool:
    return isinstance(part, _NORMS) and part.running_mean is not None and part.running_var is not None


def _fold(layer: Any, norm: Any) -> None:
    """Put the norm's scale and shift into the layer, computed in float64."""
    weight, bias, mean, variance, scale, shift = (
        None if tensor is None else tensor.double()
        for tensor in (layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    transposed = isinstance(layer, _TRANSPOSED)
    fused = fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, scale, shift, transposed)
    layer.weight, layer.bias = (nn.Parameter(tensor.float(), requires_grad=False) for tensor in fused)


def _agree(expected: Any, found: Any, tolerance: float = _TOLERANCE) -> bool:
    pairs = [(expected, found)] if isinstance(expected, Tensor) else list(zip(expected, found, strict=True))
    return all(_alike(a, b, tolerance) for a, b in pairs)


def _alike(a: Tensor, b: Tensor, tolerance: float) -> bool:
    if not a.is_floating_point() or not a.numel():
        return torch.equal(a, b)
    return bool((a - b).abs().max() <= tolerance * (1 + a.abs().max()))
