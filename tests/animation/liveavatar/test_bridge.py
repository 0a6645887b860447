"""The script that runs in the program's environment: its feeder alone, and the whole of it in five processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from comps.animation.engine import AnimationOptions, Avatar
from comps.animation.engines.liveavatar.live.bridge import FIRST_CALL, MOST_WAITING, Feeder, Spoken
from comps.animation.engines.liveavatar.live.channel import (
    BLOCK_SAMPLES,
    CHUNK_SAMPLES,
    PIPE_BLOCKS,
    WARM_UP,
    ChannelError,
)
from tests.animation.liveavatar.conftest import ROOT, Machine, MakeSettings, alive, script
from tests.animation.liveavatar.test_engine_live import expected, greys, loaded, stairs, told

SILENCE = bytes(2 * CHUNK_SAMPLES)


def spoken(sequence: int, generation: int = 1, last: bool = False) -> Spoken:
    sound = np.full(CHUNK_SAMPLES, 100 * generation + sequence, "<i2").tobytes()
    return Spoken(generation, sequence, last, sound)


def run(feeder: Feeder, yields: int, start: int = 0) -> list[tuple[int, int] | None]:
    """What each yield from number `start` on shows, as generation and sequence."""
    shown: list[tuple[int, int] | None] = []
    for number in range(start, start + yields):
        if number >= FIRST_CALL:
            feeder.take()
        block = feeder.shown(number)
        shown.append((block.generation, block.sequence) if block is not None else None)
    return shown


def test_sound_n_is_shown_in_yield_12_plus_n() -> None:
    feeder = Feeder(block_s=0)
    for sequence in range(3):
        feeder.put(spoken(sequence))
    assert run(feeder, 17) == [*[None] * WARM_UP, (1, 0), (1, 1), (1, 2), None, None]


def test_speech_that_comes_later_is_paired_from_then_on() -> None:
    feeder = Feeder(block_s=0)
    assert run(feeder, 20) == [None] * 20
    feeder.put(spoken(0))
    assert run(feeder, 6, 20) == [*[None] * PIPE_BLOCKS, (1, 0), None]


def test_speech_comes_at_once_and_silence_when_its_time_has_passed() -> None:
    feeder = Feeder(block_s=0.2)
    assert feeder.take() == SILENCE
    began = time.monotonic()
    assert feeder.take() == SILENCE
    assert time.monotonic() - began > 0.15
    threading.Timer(0.02, feeder.put, [spoken(0)]).start()
    assert feeder.take() == spoken(0).pcm


def test_the_end_of_an_utterance_is_pushed_out_at_once() -> None:
    feeder = Feeder(block_s=60)
    feeder.put(spoken(0, last=True))
    assert [feeder.take() for _ in range(1 + PIPE_BLOCKS)] == [spoken(0).pcm, *[SILENCE] * PIPE_BLOCKS]


def test_an_interruption_forgets_what_waits_and_what_is_under_way() -> None:
    feeder = Feeder(block_s=0)
    for sequence in range(6):
        feeder.put(spoken(sequence))
    assert run(feeder, WARM_UP + 1)[-1] == (1, 0)
    feeder.flush(2)
    feeder.put(spoken(6))  # sent before the other end knew
    feeder.put(spoken(0, generation=2))
    assert run(feeder, 6, WARM_UP + 1) == [*[None] * PIPE_BLOCKS, (2, 0), None]


def test_newer_speech_interrupts_too() -> None:
    feeder = Feeder(block_s=0)
    feeder.put(spoken(0))
    feeder.put(spoken(0, generation=3))
    assert feeder.take() == spoken(0, generation=3).pcm
    assert feeder.take() == SILENCE


def test_what_may_wait_is_bounded() -> None:
    feeder = Feeder()
    for sequence in range(MOST_WAITING):
        feeder.put(spoken(sequence))
    with pytest.raises(ChannelError, match=f"more than {MOST_WAITING}"):
        feeder.put(spoken(MOST_WAITING))


def test_history_comes_before_each_block() -> None:
    history = 24 * 640
    feeder = Feeder(history=24, block_s=0)
    for sequence in range(4):
        feeder.put(spoken(sequence))
    past = np.zeros(history, np.int16)
    for sequence in range(4):
        heard = np.frombuffer(feeder.take(), "<i2")
        assert len(heard) == history + CHUNK_SAMPLES
        assert (heard[:history] == past).all()
        assert (heard[history:] == 100 + sequence).all()
        past = np.concatenate([past, heard[history:][:BLOCK_SAMPLES]])[-history:]


TORCH = '''
"""As much of torch as the bridge uses: a device that is set, and one broadcast, over a file."""
import json, os, time


class cuda:
    set_device = staticmethod(lambda index: None)


class distributed:
    @staticmethod
    def init_process_group(backend):
        assert backend == "nccl"

    @staticmethod
    def broadcast_object_list(objects, src):
        path = f"told-{os.environ['MASTER_PORT']}.json"
        if int(os.environ["RANK"]) == src:
            with open(path + ".part", "w") as file:
                json.dump(objects, file)
            os.rename(path + ".part", path)
        while not os.path.exists(path):
            time.sleep(0.01)
        objects[:] = json.load(open(path))
'''
PIPELINE = '''
"""As much of the streaming pipeline as the bridge uses; grey frames as loud as their sound."""
import os, time
import numpy as np


class Tensor:
    def __init__(self, array):
        self.array = array

    def __getitem__(self, key):
        return Tensor(self.array[key])

    def permute(self, *axes):
        return Tensor(self.array.transpose(axes))

    float = contiguous = lambda self: self
    clamp = lambda self, low, high: Tensor(self.array.clip(low, high))
    add = lambda self, number: Tensor(self.array + number)
    mul = lambda self, number: Tensor(self.array * number)
    round = lambda self: Tensor(self.array.round())
    byte = lambda self: Tensor(self.array.astype(np.uint8))
    numpy = lambda self: np.ascontiguousarray(self.array)


class WanS2V:
    def __init__(self, config, checkpoint_dir, device_id, rank, t5_cpu, convert_model_dtype, single_gpu):
        assert config == "the configuration" and not single_gpu and convert_model_dtype
        self.rank, self.noise_model = rank, "model"

    def add_lora_to_model(self, model, *, lora_rank, lora_alpha, lora_target_modules, init_lora_weights,
                          pretrained_lora_path, load_lora_weight_only):
        assert (lora_rank, lora_alpha) == (128, 64) and os.path.exists(pretrained_lora_path)

    def encode_audio_from_array(self, audio, infer_frames):
        assert audio.dtype == np.float32
        whole = np.abs(audio[: len(audio) // 640 * 640]).reshape(-1, 640).mean(1)
        return Tensor(whole[None]), 1

    def _streaming_encode_next_audio_block_or_random(self, block_frames):
        return self.encode_audio_from_array(self.get_audio_callback(), block_frames)[0][..., :block_frames]

    def generate(self, *, input_prompt, ref_image_path, audio_path, num_repeat, max_area, infer_frames, sampling_steps,
                 sample_solver, guide_scale, seed, offload_model, num_gpus_dit, enable_vae_parallel):
        assert input_prompt and os.path.exists(ref_image_path) and os.path.exists(audio_path)
        assert (max_area, infer_frames, sampling_steps, sample_solver) == (384 * 256, 48, 4, "euler")
        assert (num_gpus_dit, enable_vae_parallel, offload_model) == (4, True, False)
        heard = {}
        for number in range(10**8):
            if self.rank < 4:
                time.sleep(0.05)
                yield None
                continue
            if number >= 8:
                heard[number + 4] = self._streaming_encode_next_audio_block_or_random(12).array[0]
            levels = heard.pop(number, np.ones(12))
            frames = levels[9 if number < 1 else 0 :] * 200 / 127.5 - 1
            yield Tensor(np.broadcast_to(frames[None, None, :, None, None], (1, 3, len(frames), 256, 384)))
'''
TORCHRUN = """
import os, subprocess, sys
count, port = int(sys.argv[sys.argv.index("--nproc_per_node") + 1]), sys.argv[sys.argv.index("--master_port") + 1]
script = next(index for index, argument in enumerate(sys.argv) if argument.endswith("bridge.py"))
ranks = [
    subprocess.Popen(
        [sys.executable, "-I", "-c", "import sys, runpy; sys.path.insert(0, 'x'); sys.argv = sys.argv[1:]; "
         "runpy.run_path(sys.argv[0], run_name='__main__')", *sys.argv[script:]],
        env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_PORT": port},
        start_new_session=True,
    )
    for rank in range(count)
]
with open(os.environ["STAND_IN_PIDS"], "a") as file:
    file.write("".join(f"{rank.pid}\\n" for rank in ranks))
sys.exit(max(rank.wait() for rank in ranks))
"""


@pytest.fixture
def checkout(machine: Machine) -> Path:
    """A checkout whose pipeline and torch are small stand-ins, which the bridge itself loads and runs."""
    files = {
        "torch/__init__.py": TORCH,
        "liveavatar/models/wan/causal_s2v_pipeline_tpp_blockwise.py": PIPELINE,
        "liveavatar/models/wan/wan_2_2/configs.py": "WAN_CONFIGS = {'s2v-14B': 'the configuration'}",
        "liveavatar/utils/args_config.py": "def parse_args_for_training_config(path):\n    assert path.endswith('.yaml')\n"
        "    return dict(lora_rank=128, lora_alpha=64, lora_target_modules='q', init_lora_weights=True)",
        "liveavatar/utils/fp8_linear.py": "def replace_linear_with_scaled_fp8(model, ignore_keys):\n"
        "    assert len(ignore_keys) == 5\n    open('fp8', 'a').write(model)",
        "torchrun.py": TORCHRUN,
    }
    for name, text in files.items():
        path = machine.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    python = machine.checkout / ".venv" / "bin" / "python"
    script(python, f"exec '{sys.executable}' '{machine.checkout / 'torchrun.py'}' \"$@\"")
    return machine.checkout


@pytest.mark.parametrize("history", [0, 24])
async def test_the_whole_script_in_five_processes(
    checkout: Path, machine: Machine, make_settings: MakeSettings, avatar: Avatar, history: int
) -> None:
    settings = make_settings(liveavatar_history=history, liveavatar_fp8="on")
    async with loaded(settings) as engine:
        performance = await engine.open(avatar, AnimationOptions(size=96))
        values = greys([batch async for batch in performance.animate(told(stairs(2.0)))])
        assert len(machine.processes()) == 5
    assert np.abs(np.array(values) - expected(50)).max() <= 1
    assert (checkout / "fp8").read_text() == "model" * 5
    assert machine.processes() == []


def children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.torch
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the launcher must not find the stand-in for torch")
async def test_the_whole_script_under_the_real_torchrun(
    checkout: Path, machine: Machine, make_settings: MakeSettings, avatar: Avatar
) -> None:
    python = checkout / ".venv" / "bin" / "python"
    script(python, f"echo $$ >> '{machine.pids}'; PYTHONSAFEPATH=1 exec '{sys.executable}' \"$@\"")
    async with loaded(make_settings(liveavatar_stop_s=10)) as engine:
        performance = await engine.open(avatar, AnimationOptions(size=96))
        values = greys([batch async for batch in performance.animate(told(stairs(2.0)))])
        (launcher,) = machine.processes()
        ranks = children(launcher)
        assert len(ranks) == 5
    assert np.abs(np.array(values) - expected(50)).max() <= 1
    assert not any(map(alive, [launcher, *ranks]))


async def test_a_process_that_fails_is_a_failure_of_the_program(
    checkout: Path, machine: Machine, make_settings: MakeSettings, avatar: Avatar
) -> None:
    """Process 4 tells why over the channel, and the others go with it."""
    path = checkout / "liveavatar" / "utils" / "args_config.py"
    path.write_text("raise ImportError('flash_attn')")
    async with loaded(make_settings()) as engine:
        performance = await engine.open(avatar, AnimationOptions(size=96))
        with pytest.raises(Exception, match="a package is missing from its own Python"):
            await anext(performance.animate(told(stairs(1.0))))
    assert machine.processes() == []


def test_the_script_needs_the_channel() -> None:
    script_path = ROOT / "comps" / "animation" / "engines" / "liveavatar" / "live" / "bridge.py"
    done = subprocess.run([sys.executable, str(script_path), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--history" in done.stdout
