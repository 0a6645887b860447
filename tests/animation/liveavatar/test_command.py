"""Every preset as the exact command line, and everything that is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comps.animation.engines.liveavatar.launch.command import (
    BRIDGE,
    FORBIDDEN,
    CommandRefusedError,
    Job,
    build_command,
    environment,
)
from comps.animation.engines.liveavatar.launch.plan import Plan, make_plan
from comps.animation.engines.liveavatar.launch.preset import PRESETS, clips
from comps.animation.engines.liveavatar.launch.program import Program
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings

FIVE = (0, 1, 2, 3, 4)
PROGRAM = Program(Path("/la"), Path("/la/bin/python"), Path("/la/ckpt/wan"), "/la/ckpt/lora.safetensors")
JOB = Job(Path("/job/a.png"), Path("/job/a.wav"), Path("/job/a.mp4"), "A man speaks.", 7, 150)
MODEL = (
    "--task s2v-14B --ckpt_dir /la/ckpt/wan --training_config /la/liveavatar/configs/s2v_causal_sft.yaml "
    "--load_lora --lora_path_dmd /la/ckpt/lora.safetensors"
)
SAMPLING = "--sample_steps 4 --sample_guide_scale 0 --sample_solver euler"


def words(command: list[str]) -> str:
    return " ".join(command).replace(JOB.prompt, "PROMPT")


@pytest.mark.parametrize(
    ("preset", "size", "count", "online"),
    [
        ("quick", "384*256", 7, ""),
        ("standard", "688*368", 150, ""),
        ("quality", "704*384", 1500, " --enable_online_decode"),
    ],
)
def test_presets_on_one_gpu(preset: Any, size: str, count: int, online: str) -> None:
    plan = make_plan(LiveAvatarSettings(liveavatar_preset=preset), (0,))
    job = replace(JOB, clips=clips(PRESETS[preset].seconds, plan.infer_frames))
    assert words(build_command(PROGRAM, plan, 29_500, job)) == (
        "/la/bin/python -m torch.distributed.run --nproc_per_node 1 --master_port 29500 "
        f"/la/minimal_inference/s2v_streaming_interact.py {MODEL} --size {size} --infer_frames 48 "
        f"--convert_model_dtype --offload_model True {SAMPLING} --ulysses_size 1 --num_gpus_dit 1 --single_gpu{online} "
        f"--prompt=PROMPT --image /job/a.png --audio /job/a.wav --num_clip {count} --base_seed 7 --save_file /job/a.mp4"
    )


@pytest.mark.parametrize(("preset", "size"), [("quick", "384*256"), ("standard", "720*400"), ("quality", "704*384")])
def test_presets_live_on_five_gpus(preset: Any, size: str) -> None:
    plan = make_plan(LiveAvatarSettings(liveavatar_preset=preset), FIVE)
    assert words(build_command(PROGRAM, plan, 29_500)) == (
        "/la/bin/python -m torch.distributed.run --nproc_per_node 5 --master_port 29500 "
        f"{BRIDGE} {MODEL} --size {size} --infer_frames 48 --convert_model_dtype --offload_model False {SAMPLING} "
        "--ulysses_size 1 --num_gpus_dit 4 --enable_vae_parallel --history 24"
    )


def test_five_gpus_offline_run_the_programs_own_script() -> None:
    plan = make_plan(LiveAvatarSettings(liveavatar_mode="offline"), FIVE)
    command = build_command(PROGRAM, plan, 29_500, JOB)
    assert "/la/minimal_inference/s2v_streaming_interact.py" in command
    assert "--history" not in command


def test_remedies_are_flags() -> None:
    plan = Plan("offline", (0,), "384*256", fp8=True, t5_cpu=True, offload_model=True, offload_kv_cache=True)
    command = build_command(PROGRAM, plan, 29_500, JOB)
    assert {"--fp8", "--t5_cpu", "--offload_kv_cache"} < set(command)


def test_the_prompt_is_one_argument_whatever_is_in_it() -> None:
    prompt = "-A woman; $(reboot) `x` \"y\" 'z' | > & \n --fp8"
    command = build_command(PROGRAM, make_plan(LiveAvatarSettings(), (0,)), 1, replace(JOB, prompt=prompt))
    assert f"--prompt={prompt}" in command
    assert "--fp8" not in command


def test_flags_that_hang_or_leak_are_never_set() -> None:
    for gpus, job in (((0,), JOB), (FIVE, None)):
        assert not set(FORBIDDEN) & set(build_command(PROGRAM, make_plan(LiveAvatarSettings(), gpus), 1, job))


OFFLINE = Plan("offline", (0,), "704*384")
STREAM = Plan("stream", FIVE, "720*400")


@pytest.mark.parametrize(
    ("plan", "job", "reason"),
    [
        (replace(OFFLINE, steps=5), JOB, "5 sampling steps crash"),
        (replace(OFFLINE, steps=2), JOB, "2 sampling steps"),
        (replace(STREAM, steps=3), None, "3 sampling steps"),
        (replace(OFFLINE, size="1280*720"), JOB, "overruns the cache of the reference"),
        (replace(OFFLINE, size="480*832"), JOB, "overruns the cache of the reference"),
        *((replace(OFFLINE, infer_frames=n), JOB, "overrun the cache") for n in (12, 32, 40, 44, 64, 80)),
        (replace(STREAM, infer_frames=72), None, "clips of 48 frames"),
        *((replace(OFFLINE, gpus=tuple(range(n))), JOB, f"not on {n}") for n in (2, 3, 4, 6)),
        (replace(STREAM, gpus=(0,)), None, "streams only on 5"),
        (replace(STREAM, offload_model=True), None, "are for one GPU"),
        (replace(STREAM, offload_kv_cache=True), None, "are for one GPU"),
        (replace(STREAM, online_decode=True), None, "are for one GPU"),
        (OFFLINE, None, "examples of its own"),
        (STREAM, JOB, "over the channel"),
        (OFFLINE, replace(JOB, prompt=" "), "prompt is empty"),
        (OFFLINE, replace(JOB, clips=0), "0 clips"),
        (OFFLINE, replace(JOB, seed=-1), "seed -1"),
        (OFFLINE, replace(JOB, out=Path("/job/a")), "must end in .mp4"),
        (OFFLINE, replace(JOB, audio=Path("/a+b/a.wav")), "several speakers"),
        (OFFLINE, replace(JOB, image=Path("/a+b/a.png")), "several speakers"),
    ],
)
def test_what_crashes_or_hangs_is_refused(plan: Plan, job: Job | None, reason: str) -> None:
    with pytest.raises(CommandRefusedError, match=reason):
        build_command(PROGRAM, plan, 29_500, job)


@pytest.mark.parametrize("field", ["checkout", "python", "checkpoint"])
def test_no_path_has_a_plus(field: str) -> None:
    with pytest.raises(CommandRefusedError, match="several speakers"):
        build_command(replace(PROGRAM, **{field: Path("/c++/x")}), OFFLINE, 1, JOB)  # type: ignore[arg-type]


def test_three_steps_are_allowed_on_one_gpu() -> None:
    assert "3" in build_command(PROGRAM, replace(OFFLINE, steps=3), 1, JOB)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("KEPT", "yes")
    live = environment(replace(STREAM, compile=True), Path("/tmp/channel"))
    assert live["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4"
    assert live["ENABLE_COMPILE"] == "true"
    assert live["TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC"] == "86400"
    assert live["AVATAR_LIVEAVATAR_CHANNEL"] == "/tmp/channel"
    assert live["KEPT"] == "yes"
    assert "PYTHONPATH" not in live
    assert "NCCL_P2P_DISABLE" not in live
    offline = environment(replace(OFFLINE, gpus=(3,), p2p=False))
    assert (offline["CUDA_VISIBLE_DEVICES"], offline["ENABLE_COMPILE"]) == ("3", "false")
    assert (offline["NCCL_P2P_DISABLE"], offline["NCCL_DEBUG"]) == ("1", "INFO")
    assert "TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC" not in offline
