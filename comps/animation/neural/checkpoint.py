"""Weights out of a user's file, without running anything that is in it.

| form | read by |
|---|---|
| safetensors | the safetensors library: numbers only |
| torch zip and legacy pickle | ``torch.load(weights_only=True)``: a pickle that names anything but tensors and containers is refused |
| TorchScript archive | `torchscript.read_tensors`: the attributes only; the code in it is neither compiled nor run |

What is not safe: handing such a file to ``torch.jit.load`` or to ``torch.load`` without ``weights_only``; both run code
of whoever made it. A TorchScript archive is a program, so it is opened only with the user's consent or when its sha256
is one the caller knows, although nothing of it runs here. No reader can tell whether weights were made in bad faith.

All functions block; on a service they belong in a thread.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from comps.animation.neural.torchscript import is_torchscript, read_tensors
from comps.core.errors import EngineUnavailableError

ModuleT = TypeVar("ModuleT", bound=nn.Module)

SECTIONS = ("params_ema", "params", "state_dict", "model")
"""Where checkpoints keep a network's weights when the caller names no section; the first that is there counts."""
MAX_BYTES = 8 * 1024**3
"""Largest file, and largest sum of float32 tensors, that is read."""
_SHOWN = 4
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    MemoryError,
    OSError,
    UnicodeDecodeError,
)
"""What the readers raise for bytes that are not what their first ones promise."""


def read_state_dict(
    path: Path,
    *,
    sections: Sequence[str] = (),
    consent: bool = False,
    known_sha256: Collection[str] = (),
    max_bytes: int = MAX_BYTES,
) -> dict[str, Tensor]:
    """Name to tensor on the CPU; floating ones as float32, integer ones as they are.

    Args:
        path: the checkpoint.
        sections: names under which the weights may lie, first match wins: an entry of the file, or, in a flat file,
            all keys that begin with ``NAME.``. A file that has none of them, nor one of `SECTIONS`, is taken as it is.
        consent: the user agreed to open a TorchScript archive.
        known_sha256: lower-case digests of TorchScript archives that need no consent.
        max_bytes: most bytes of the file, and of its tensors as float32.

    A leading ``module.`` (left by data-parallel training) is dropped from every key.

    Raises:
        EngineUnavailableError: the file is missing, too large, damaged, no checkpoint, holds code, or no tensors; the
            message says which and what to do.
    """
    _check_size(path, max_bytes)
    content = _read(path, consent, known_sha256, max_bytes)
    tensors = {key: value for key, value in _section(content, sections).items() if isinstance(value, Tensor)}
    if not tensors:
        names = ", ".join(str(key) for key in list(content)[:_SHOWN]) if isinstance(content, Mapping) else "none"
        raise _unusable(path, f"it holds no weights where they are looked for; its entries: {names or 'none'}")
    return _plain(path, tensors, max_bytes)


def fill(module: ModuleT, state: Mapping[str, Tensor], what: str) -> ModuleT:
    """Put `state` into `module`, strictly, and make it ready for inference (eval, no gradients).

    Keys and shapes must be the module's own; only the ``num_batches_tracked`` counters may be missing, as old files
    lack them and inference does not read them. A module on the meta device takes the tensors themselves, any other
    copies them.

    Args:
        module: the network, with parameters of any value.
        state: as `read_state_dict` returns it.
        what: the checkpoint's name for messages, such as its path.

    Raises:
        EngineUnavailableError: another network's weights (names the keys and shapes that differ), integers where
            real numbers belong, or numbers that are not finite.
    """
    own = module.state_dict()
    # torch before 0.4 wrote scalars as [1]
    state = {
        key: value[0] if value.shape == (1,) and own.get(key, value).dim() == 0 else value
        for key, value in state.items()
    }
    _check_keys(own, state, what)
    _check_values(own, state, what)
    wanted = {key: state[key].to(tensor.dtype) for key, tensor in own.items() if key in state}
    meta = any(tensor.is_meta for tensor in own.values())
    if meta:
        wanted |= {key: torch.zeros_like(own[key], device="cpu") for key in own if key not in state}
    module.load_state_dict(wanted, strict=False, assign=meta)
    return module.eval().requires_grad_(False)


def sha256_of(path: Path) -> str:
    """Lower-case hexadecimal digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_size(path: Path, max_bytes: int) -> None:
    if not path.is_file():
        raise EngineUnavailableError(f"the checkpoint '{path}' does not exist: put it there, or name another file")
    size = path.stat().st_size
    if size > max_bytes:
        raise _unusable(path, f"it has {size} bytes, more than the {max_bytes} that are read")


def _read(path: Path, consent: bool, known_sha256: Collection[str], max_bytes: int) -> Any:
    try:
        with path.open("rb") as file:
            head = file.read(9)
        if head.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
            if sum(member.file_size for member in members) > max_bytes:
                raise _unusable(path, f"it unpacks to more than {max_bytes} bytes")
            if is_torchscript([member.filename for member in members]):
                return _torchscript(path, consent, known_sha256)
            return _torch_file(path)
        if head[8:] == b"{":
            return _safetensors(path)
        if head.startswith(b"\x80"):
            return _torch_file(path)
    except _DAMAGE as error:
        raise _refusal(path, error) from error
    raise _unusable(
        path, "it is neither safetensors nor a file of torch; a saved web page or a Git LFS pointer looks like this"
    )


def _torch_file(path: Path) -> Any:
    with warnings.catch_warnings():
        # Of a pickle of another protocol than torch's: what comes of it is told by the error, if one does.
        warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True)


def _torchscript(path: Path, consent: bool, known_sha256: Collection[str]) -> dict[str, Tensor]:
    if not consent and sha256_of(path) not in known_sha256:
        raise EngineUnavailableError(
            f"the checkpoint '{path}' is a TorchScript archive, which holds a program besides the weights, and its "
            "sha256 is not a known one: allow TorchScript archives in the settings, or convert it to safetensors"
        )
    return read_tensors(path)


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise EngineUnavailableError(
            f"'{path}' needs 'safetensors': install it with  pip install 'avatarchatbot[neural]'"
        ) from error
    try:
        loaded: dict[str, Tensor] = load_file(path, device="cpu")
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return loaded


def _section(content: Any, sections: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        return {}
    for name in sections:
        if isinstance(content.get(name), Mapping):
            return _text_keys(content[name])
        if under := {
            key[len(name) + 1 :]: value for key, value in _text_keys(content).items() if key.startswith(f"{name}.")
        }:
            return under
    for name in SECTIONS:
        if isinstance(content.get(name), Mapping):
            return _text_keys(content[name])
    return _text_keys(content)


def _text_keys(content: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if isinstance(key, str)}


def _plain(path: Path, tensors: Mapping[str, Tensor], max_bytes: int) -> dict[str, Tensor]:
    """Dense float32 or integer tensors without ``module.``; a view may claim far more values than the file has."""
    if 4 * sum(tensor.numel() for tensor in tensors.values()) > max_bytes:
        raise _unusable(path, f"its tensors take more than {max_bytes} bytes")
    plain: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        bare = key.removeprefix("module.")
        if bare in plain:
            raise _unusable(path, f"it has '{bare}' twice, with and without 'module.'")
        if tensor.is_complex() or tensor.is_quantized or tensor.layout != torch.strided:
            raise _unusable(path, f"'{bare}' is {tensor.dtype}, {tensor.layout}; dense real numbers are needed")
        plain[bare] = tensor.detach().to(torch.float32 if tensor.is_floating_point() else tensor.dtype).contiguous()
    return plain


def _check_keys(own: Mapping[str, Tensor], state: Mapping[str, Tensor], what: str) -> None:
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    foreign = [key for key in state if key not in own]
    shapes = [
        f"{key} is {list(state[key].shape)} instead of {list(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    faults = [
        f"{label} {_some(names)}"
        for label, names in (("it lacks", missing), ("it has besides", foreign), ("shapes differ:", shapes))
        if names
    ]
    if faults:
        raise EngineUnavailableError(f"the checkpoint '{what}' belongs to another network: {'; '.join(faults)}")


def _check_values(own: Mapping[str, Tensor], state: Mapping[str, Tensor], what: str) -> None:
    for key, tensor in own.items():
        if key not in state or not tensor.is_floating_point():
            continue
        if not state[key].is_floating_point():
            raise EngineUnavailableError(
                f"the checkpoint '{what}' has {state[key].dtype} numbers in '{key}': quantised weights are not read, "
                "use the file in float32 or float16"
            )
        if not torch.isfinite(state[key]).all():
            raise EngineUnavailableError(f"the checkpoint '{what}' is broken: '{key}' holds NaN or infinity")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _refusal(path: Path, error: BaseException) -> EngineUnavailableError:
    """Tell code from damage: the safe unpickler names the global it refuses."""
    text = str(error)
    if code := re.search(r"(?:GLOBAL|it names|Unsupported class|Trying to load unsupported GLOBAL) ([\w.]+)", text):
        return EngineUnavailableError(
            f"the checkpoint '{path}' is refused: besides weights it holds code or objects ({code.group(1)}), which "
            "would run when opened; get it from its makers, or convert it to safetensors"
        )
    if "Unsupported operand" in text:
        return EngineUnavailableError(
            f"the checkpoint '{path}' is refused: it is no pickle as torch writes them, is damaged or could hold code, and "
            "nothing of it was run; download it again and compare its sha256, or convert it to safetensors"
        )
    reason = text.partition("WeightsUnpickler error:")[2].strip() or text.strip() or type(error).__name__
    first = reason.splitlines()[0][:160]
    return _unusable(path, f"it is damaged or incomplete ({first}); download it again and compare its sha256")


def _unusable(path: Path, why: str) -> EngineUnavailableError:
    return EngineUnavailableError(f"the checkpoint '{path}' cannot be used: {why}")
