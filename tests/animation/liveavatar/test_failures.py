from __future__ import annotations

import pytest

from comps.animation.engines.liveavatar.failures import Failure, recognise


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "memory"),
        ("RuntimeError: CUDA error: out of memory", "memory"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "memory"),
        ("torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:77, unhandled cuda error", "nccl"),
        ("ncclSystemError: System call (e.g. socket, malloc) or external library call failed", "nccl"),
        ("[rank1]:[E1129] [PG 0 Rank 1] Watchdog caught collective operation timeout: WorkNCCL(...)", "nccl"),
        ("RuntimeError: peer access is not supported between these two devices", "nccl"),
        ("torch.distributed.DistNetworkError: ... errno: 98 - Address already in use", "port"),
        ("AssertionError: At least 5 GPUs are supported for distributed inference.", "flag"),
        ("s2v_streaming_interact.py: error: unrecognized arguments: --history 24", "flag"),
        ("NotImplementedError: Unsupported solver.", "flag"),
        ("RuntimeError: The expanded size of the tensor (3000) must match the existing size (8800)", "flag"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ckpt/Wan2.2-S2V-14B/config.json'", "missing"),
        ("OSError: ckpt does not appear to have a file named config.json.", "missing"),
        ("RuntimeError: Error(s) in loading state_dict for CausalWanModel_S2V:", "missing"),
        ("ModuleNotFoundError: No module named 'flash_attn'", "module"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "driver"),
        ("RuntimeError: The NVIDIA driver ... CUDA driver version is insufficient for CUDA runtime version", "driver"),
        ("RuntimeError: something else", "unknown"),
    ],
)
def test_lines_of_the_log(line: str, kind: str) -> None:
    failure = recognise(["loading", "Traceback (most recent call last):", line, "ChildFailedError"], 1)
    assert failure.kind == kind
    if kind != "unknown":
        assert failure.line == line[:300]


def test_memory_outweighs_what_follows_from_it() -> None:
    """One process runs out of memory, the others then complain of their peers."""
    lines = [
        "torch.distributed.DistBackendError: NCCL error: remote process exited",
        "torch.OutOfMemoryError: CUDA out of memory.",
        "AssertionError: worker failed",
    ]
    assert recognise(lines, 1).kind == "memory"


@pytest.mark.parametrize("code", [-9, 137])
def test_a_killed_program_had_no_memory(code: int) -> None:
    assert recognise(["loading"], code).kind == "host_memory"
    assert recognise(["CUDA out of memory"], code).kind == "memory"


def test_nothing_printed() -> None:
    assert recognise([], 3) == Failure("unknown", "exit code 3")
    assert recognise([], None) == Failure("unknown", "")


def test_clients_are_told_no_paths() -> None:
    failure = recognise(["FileNotFoundError: [Errno 2] No such file or directory: '/home/someone/ckpt'"], 1)
    assert "/home" not in str(failure)
    assert "AVATAR_ANIMATION_LIVEAVATAR_CHECKPOINT" in str(failure)


@pytest.mark.parametrize(("kind", "permanent"), [("memory", False), ("nccl", False), ("missing", True), ("flag", True)])
def test_what_starting_again_does_not_mend(kind: str, permanent: bool) -> None:
    assert Failure(kind).permanent is permanent  # type: ignore[arg-type]
