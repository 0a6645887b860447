"""The command line of the program: built in one place, and refused where it is known to crash or to hang."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from comps.animation.engines.liveavatar.launch.frame_size import BUDGETS
from comps.animation.engines.liveavatar.launch.plan import STREAM_FRAMES, STREAM_GPUS, Plan
from comps.animation.engines.liveavatar.launch.preset import CLIP_FRAMES, STEPS
from comps.animation.engines.liveavatar.launch.program import SCRIPT, TRAINING_CONFIG, Program
from comps.animation.engines.liveavatar.live.channel import PATH_VARIABLE
from comps.core.errors import EngineUnavailableError

BRIDGE = Path(__file__).parents[1] / "live" / "bridge.py"
"""Our script that runs inside the program's environment when it streams."""
FORBIDDEN = ("--dit_fsdp", "--t5_fsdp", "--enable_tts", "--use_prompt_extend", "--pose_video")
"""Flags of the program that are never set: they hang, miss modules, send the prompt elsewhere or break streaming."""
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")
"""Variables of this service's Python that would mislead the other one."""


class CommandRefusedError(EngineUnavailableError):
    """The program would crash or hang when run like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """One answer made offline.

    Args:
        image: PNG whose sides are the video's.
        audio: WAV, 16 kHz mono.
        out: the MP4 to be made.
        prompt: what it shows, not empty.
        seed: same seed, same video.
        clips: clips to make.
    """

    image: Path
    audio: Path
    out: Path
    prompt: str
    seed: int
    clips: int


def build_command(program: Program, plan: Plan, port: int, job: Job | None = None) -> list[str]:
    """Program and arguments, never for a shell.

    Args:
        program: where everything is.
        plan: how to run it; offline plans need a `job`, streaming ones take none.
        port: a free TCP port by which its processes find one another.
        job: what to make.

    Raises:
        CommandRefusedError: the first reason for which this would crash or hang.
    """
    for reason in _objections(program, plan, job):
        raise CommandRefusedError(f"LiveAvatar is not started: {reason}")
    launch = [str(program.python), "-m", "torch.distributed.run"]
    launch += ["--nproc_per_node", str(len(plan.gpus)), "--master_port", str(port)]
    script = program.checkout / SCRIPT if plan.mode == "offline" else BRIDGE
    command = [*launch, str(script), *_model_flags(program, plan), *_sampling_flags(plan), *_parallel_flags(plan)]
    return command + (_job_flags(job) if job is not None else [])


def _model_flags(program: Program, plan: Plan) -> list[str]:
    return [
        *("--task", "s2v-14B"),
        *("--ckpt_dir", str(program.checkpoint)),
        *("--training_config", str(program.checkout / TRAINING_CONFIG)),
        *("--load_lora", "--lora_path_dmd", program.lora),
        *("--size", plan.size),
        *("--infer_frames", str(plan.infer_frames)),
        "--convert_model_dtype",
        *("--offload_model", str(plan.offload_model)),
        *(["--fp8"] if plan.fp8 else []),
        *(["--t5_cpu"] if plan.t5_cpu else []),
    ]


def _sampling_flags(plan: Plan) -> list[str]:
    return [
        *("--sample_steps", str(plan.steps)),
        *("--sample_guide_scale", "0"),
        *("--sample_solver", "euler"),
    ]


def _parallel_flags(plan: Plan) -> list[str]:
    if not plan.single:
        own = ["--history", str(plan.history)] if plan.mode == "stream" else []
        return ["--ulysses_size", "1", "--num_gpus_dit", str(STREAM_GPUS - 1), "--enable_vae_parallel", *own]
    return [
        *("--ulysses_size", "1", "--num_gpus_dit", "1", "--single_gpu"),
        *(["--offload_kv_cache"] if plan.offload_kv_cache else []),
        *(["--enable_online_decode"] if plan.online_decode else []),
    ]


def _job_flags(job: Job) -> list[str]:
    return [
        f"--prompt={job.prompt}",  # one word, so that a prompt that begins with a dash is no flag
        *("--image", str(job.image)),
        *("--audio", str(job.audio)),
        *("--num_clip", str(job.clips)),
        *("--base_seed", str(job.seed)),
        *("--save_file", str(job.out)),
    ]


def _objections(program: Program, plan: Plan, job: Job | None) -> Iterator[str]:
    """Every reason not to run this, the gravest first."""
    yield from _plan_objections(plan)
    paths = [str(program.checkout), str(program.python), str(program.checkpoint), program.lora, str(BRIDGE)]
    if plan.mode == "offline" and job is None:
        yield "an offline run needs its picture, sound and prompt; the program would take examples of its own"
    if plan.mode == "stream" and job is not None:
        yield "a live program is given its picture and sound over the channel, not as a job"
    if job is not None:
        paths += [str(job.image), str(job.audio), str(job.out)]
        if not job.prompt.strip():
            yield "the prompt is empty, and the program would take an example of its own"
        if job.clips < 1 or job.seed < 0:
            yield f"{job.clips} clips and seed {job.seed} are no numbers the program takes"
        if job.out.suffix != ".mp4":
            yield "the video's name must end in .mp4"
    if any("+" in path for path in paths):
        yield "a path contains '+', which the program reads as several speakers"


def _plan_objections(plan: Plan) -> Iterator[str]:
    count = len(plan.gpus)
    if count not in (1, STREAM_GPUS):
        yield f"it runs on one GPU or on {STREAM_GPUS}, not on {count}"
    if plan.mode == "stream" and count != STREAM_GPUS:
        yield f"it streams only on {STREAM_GPUS} GPUs"
    if plan.size not in BUDGETS:
        yield f"size {plan.size} overruns the cache of the reference picture; there are {', '.join(BUDGETS)}"
    if plan.infer_frames not in CLIP_FRAMES:
        known = ", ".join(map(str, CLIP_FRAMES))
        yield f"clips of {plan.infer_frames} frames overrun the cache at the second clip; there are {known}"
    if plan.mode == "stream" and plan.infer_frames != STREAM_FRAMES:
        yield f"a live program makes clips of {STREAM_FRAMES} frames, not {plan.infer_frames}"
    if plan.steps != STEPS and not (plan.single and plan.steps == STEPS - 1):
        yield f"{plan.steps} sampling steps crash or hang; it takes {STEPS}, on one GPU also {STEPS - 1}"
    if not plan.single and (plan.offload_model or plan.offload_kv_cache or plan.online_decode):
        yield "offloading and decoding as it goes are for one GPU"


def environment(plan: Plan, channel: Path | None = None) -> dict[str, str]:
    """This process's environment as the program needs it; `channel` is the socket of a live one."""
    base: Mapping[str, str] = {name: value for name, value in os.environ.items() if name not in _OURS}
    own = {
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, plan.gpus)),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the order in which nvidia-smi numbers them
        "ENABLE_COMPILE": str(plan.compile).lower(),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if plan.mode == "stream":
        # An idle program waits for speech; the watchdog must not take that for a hang.
        own |= {"TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC": "86400", "TORCH_NCCL_BLOCKING_WAIT": "1"}
        own["TORCH_NCCL_ASYNC_ERROR_HANDLING"] = "0"
    if not plan.p2p:
        own |= {"NCCL_P2P_DISABLE": "1", "NCCL_DEBUG": "INFO"}
    if channel is not None:
        own[PATH_VARIABLE] = str(channel)
    return {**base, **own}
