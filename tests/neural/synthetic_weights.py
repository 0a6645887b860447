"""Weights that are a function of their state-dict keys, so that a parity fixture need hold only inputs and outputs.

Values are the upper 24 bits of raw PCG64 words, seeded by the first eight bytes of sha256(key), scaled by shape and
name. No random distribution is involved: the same bits on every platform and NumPy version. Only ``weight_v`` of
spectral-norm layers, one matrix-vector product, may differ in the last bit.

Keys are the bare ones of a network, without ``module.`` or a section of a checkpoint before them.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shapes = Mapping[str, tuple[int, ...]]

_SQRT3 = math.sqrt(3.0)
_SQUARE_GAIN = 0.6
"""Of convolutions that keep their width with a kernel above 1: mostly branches of residual blocks."""
_DEFAULT_GAIN = 1.3
# The first match wins; standard deviation = gain / sqrt(product of shape[1:]). They keep the inputs of sigmoid and
# softmax, and the trunks of residual networks, of order one.
_GAINS = [
    (re.compile(pattern), gain)
    for pattern, gain in (
        (r"(^|\.)output_block\.1\.weight$", 1.8),
        (r"(^|\.)fc_(yaw|pitch|roll)\.weight$", 3.0),
        (r"(^|\.)fc_(t|exp)\.weight$", 0.12),
        (r"^kp\.weight$", 1.5),
        (r"^dense_motion_network\.mask\.weight$", 4.0),
        (r"^dense_motion_network\.occlusion\.weight$", 10.0),
        (r"\.mlp_(gamma|beta)\.weight$", 0.7),
        (r"^final_layers\.\d\.weight$", 0.4),
        (r"^conv_body_(down|up)\.\d\.skip\.weight$", 0.8),
        (r"^condition_(scale|shift)\.\d\.2\.weight$", 0.4),
        (r"^toRGB\.\d\.weight$", 0.3),
        (r"\.to_rgb(1|s\.\d)\.modulated_conv\.weight$", 0.3),
        (r"\.modulation\.weight$", 0.3),
        (r"^(body\.conv1|conv1_1)\.weight$", 0.025),
        (r"^(conv\d_\d|fc\d)\.weight$", 1.4),
        (r"^(Class|Bbox|Landmark)Head\.\d\.conv1x1\.weight$", 0.5),
        (r"^(m|top_m_)\d\.", 0.45),
        (r"^(al|bl|l)\d\.weight$", 0.5),
    )
]
_UNIT_BIAS = re.compile(r"modulation\.bias$|^condition_scale\.\d\.2\.bias$")


def synthetic_state_dict(shapes: Shapes) -> dict[str, Any]:
    """Tensors for `shapes`, in its order."""
    import torch

    return {key: torch.from_numpy(np.ascontiguousarray(synthetic_array(key, shapes))) for key in shapes}


def synthetic_array(key: str, shapes: Shapes) -> NDArray[Any]:
    """The tensor of one key."""
    shape, name = tuple(shapes[key]), key.rsplit(".", 1)[-1]
    if name == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if name == "weight_u":
        return _unit(_uniform(key, shape[0])).astype(np.float32)
    if name == "weight_v":
        return _right_vector(key.removesuffix("weight_v"), shapes)
    if key.endswith("down.weight") and len(shape) == 4 and shape[1] == 1:
        return _gaussian_kernel(shape)
    return _numbers(key, name, shape)


def digest(state: Mapping[str, Any]) -> str:
    """sha256 over keys and raw bytes, without the ``weight_v``."""
    total = hashlib.sha256()
    for key, value in state.items():
        if not key.endswith("weight_v"):
            total.update(key.encode())
            total.update(value.numpy().tobytes())
    return total.hexdigest()


def _numbers(key: str, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if name == "running_var":
        return np.float32(1.0) + np.float32(0.5) * _spread(key, shape, 1 / _SQRT3)
    if name == "running_mean":
        return _spread(key, shape, 0.1)
    if name.startswith("noise") or key.endswith(("constant_input.weight", "classbias")):
        return _spread(key, shape, 1.0)
    if name == "bias":
        return np.float32(1.0 if _UNIT_BIAS.search(key) else 0.0) + _spread(key, shape, 0.1)
    if len(shape) <= 1:
        single = math.prod(shape) == 1  # the strength of a noise, else the scale of a norm
        return np.float32(0.1 if single else 1.0) + _spread(key, shape, 0.03 if single else 0.1)
    return _spread(key, shape, _gain(key, shape) / math.sqrt(math.prod(shape[1:])))


def _uniform(key: str, count: int) -> NDArray[np.float32]:
    """`count` numbers in [-1, 1) that float32 holds exactly."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    words = np.random.PCG64(seed).random_raw(count)
    words >>= np.uint64(40)
    out = words.astype(np.float32)
    out *= np.float32(2.0**-23)
    out -= np.float32(1.0)
    return out


def _spread(key: str, shape: tuple[int, ...], std: float) -> NDArray[np.float32]:
    out = _uniform(key, math.prod(shape))
    out *= np.float32(_SQRT3 * std)
    return out.reshape(shape)


def _gain(key: str, shape: tuple[int, ...]) -> float:
    for pattern, gain in _GAINS:
        if pattern.search(key):
            return gain
    residual = len(shape) >= 4 and shape[0] == shape[1] and shape[-1] > 1
    return _SQUARE_GAIN if residual else _DEFAULT_GAIN


def _right_vector(stem: str, shapes: Shapes) -> NDArray[np.float32]:
    """v of a spectral norm whose largest singular value is then uWv = |W^T u| > 0."""
    matrix = synthetic_array(f"{stem}weight_orig", shapes)
    left = synthetic_array(f"{stem}weight_u", shapes).astype(np.float64)
    return _unit(matrix.reshape(len(matrix), -1).astype(np.float64).T @ left).astype(np.float32)


def _gaussian_kernel(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A depthwise blur, sigma (size - 1) / 8, of sum one."""
    size = shape[-1]
    x = np.arange(size, dtype=np.float64) - (size - 1) / 2
    line = np.exp(-x * x / (2 * ((size - 1) / 8) ** 2))
    kernel = np.outer(line, line)
    return np.broadcast_to(kernel / kernel.sum(), shape).astype(np.float32)


def _unit(x: NDArray[Any]) -> NDArray[np.float64]:
    wide = x.astype(np.float64)
    return wide / np.sqrt((wide * wide).sum())
