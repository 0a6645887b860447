"""Failure: what went wrong with the program, recognised in the last lines it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["memory", "host_memory", "nccl", "port", "missing", "module", "driver", "flag", "unknown"]

_LONGEST_LINE = 300
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("memory", r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|CUDA error: out of memory"),
    ("port", r"EADDRINUSE|[Aa]ddress already in use"),
    ("missing", r"FileNotFoundError|No such file or directory|does not appear to have a file named|HFValidationError"),
    ("missing", r"LocalEntryNotFoundError|RepositoryNotFoundError|SafetensorError|Error\(s\) in loading state_dict"),
    ("module", r"ModuleNotFoundError|ImportError"),
    ("nccl", r"NCCL (?:error|WARN)|ncclSystemError|ncclUnhandledCudaError|ncclInternalError|ncclRemoteError"),
    ("nccl", r"DistBackendError|ProcessGroupNCCL.*(?:[Tt]imed? ?out|[Ww]atchdog)|peer access|[Ww]atchdog caught"),
    ("flag", r"AssertionError|unrecognized arguments|invalid choice|NotImplementedError: Unsupported"),
    ("flag", r"[Tt]he expanded size of the tensor .* must match"),
    ("driver", r"CUDA driver version is insufficient|no CUDA-capable device|CUDA error: (?!out of memory)"),
)
"""In order of weight: the first pattern found anywhere names the failure, as one cause has many symptoms."""
_SENTENCES: dict[Kind, str] = {
    "memory": "the GPU ran out of memory",
    "host_memory": "it was killed, most likely because the machine ran out of memory: offloading needs 64 GiB or more",
    "nccl": "the GPUs could not talk to one another (NCCL): check that all are visible, or set "
    "AVATAR_ANIMATION_LIVEAVATAR_P2P=false",
    "port": "the port by which its processes meet was taken",
    "missing": "a file of its models is missing or damaged: check AVATAR_ANIMATION_LIVEAVATAR_CHECKPOINT and _LORA",
    "module": "a package is missing from its own Python: install the program's requirements there",
    "driver": "the GPU or its driver refused to work",
    "flag": "it does not take these settings; is the checkout another version?",
    "unknown": "it failed",
}
PERMANENT: frozenset[Kind] = frozenset({"missing", "module", "flag", "driver"})
"""Kinds that starting again does not mend."""
_KILLED = (-9, 137)


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong.

    `line` is where the program said so, empty when it did not; it stays in the log, as it may hold paths. `seen` is what
    this service saw, in its own words.
    """

    kind: Kind
    line: str = ""
    seen: str = ""

    @property
    def permanent(self) -> bool:
        """Whether starting it again in the same way is of no use."""
        return self.kind in PERMANENT

    def __str__(self) -> str:
        """The failure in words for clients."""
        return self.seen if self.seen and self.kind == "unknown" else _SENTENCES[self.kind]


class FailedError(Exception):
    """A run of the program failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def recognise(lines: Sequence[str], code: int | None = None) -> Failure:
    """The failure behind the last `lines` of output and the exit code of a program that ended, None if it did not."""
    for kind, pattern in _PATTERNS:
        found = next((line for line in lines if re.search(pattern, line)), None)
        if found is not None:
            return Failure(kind, found.strip()[:_LONGEST_LINE])
    if code in _KILLED:
        return Failure("host_memory")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return Failure("unknown", last[:_LONGEST_LINE] or (f"exit code {code}" if code is not None else ""))
