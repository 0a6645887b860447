"""The live program: LiveAvatar's streaming pipeline on five GPUs, fed and read over the channel.

torchrun runs this file in LiveAvatar's own environment, once for each GPU; nothing of this project is installed there,
and of it only channel.py is read. Processes 0 to 3 denoise, one step each; process 4 hears, decodes and speaks the channel.

Written after the pipeline's source; it has not run on GPUs here. What it relies on: `generate` yields once for each block
of 12 frames, on process 4 the frames as a tensor `[1, 3, n, h, w]` in -1..1; it asks `get_audio_callback` for the sound of
block n during yield 8 + n, and that sound is seen in yield 12 + n.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from comps.animation.engines.liveavatar.live import channel
else:  # run by torchrun: a plain file beside this one
    _spec = importlib.util.spec_from_file_location("liveavatar_channel", Path(__file__).with_name("channel.py"))
    channel = sys.modules["liveavatar_channel"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(channel)

DECODER = 4
"""Number of the process that decodes and speaks the channel."""
FIRST_CALL = channel.WARM_UP - channel.PIPE_BLOCKS
"""Number of the yield during which sound is asked for first."""
MOST_WAITING = 64
"""Blocks of speech kept; a service that sends more does not keep to the protocol."""
STATS_S = 1.0
_SAMPLES_PER_FRAME = channel.RATE // channel.FPS
_ENDED = 3
"""Exit code after the other end left: not 0, so that torchrun ends the other processes too."""


@dataclass(frozen=True)
class Spoken:
    """One block of speech: which one it is, and its sound, PCM16 of `CHUNK_SAMPLES` samples."""

    generation: int
    sequence: int
    last: bool
    pcm: bytes


class Feeder:
    """Speech that waits to be heard, and what each block shows. `take` and `shown` are called by one thread.

    Args:
        history: frames of past sound given with each block.
        block_s: seconds after which silence is heard when no speech has come, which keeps the GPUs in step.
    """

    def __init__(self, history: int = 0, block_s: float = channel.BLOCK_S) -> None:
        self.generation = 0
        self._waiting: deque[Spoken] = deque()
        self._changed = threading.Condition()
        self._block_s = block_s
        self._due = time.monotonic()
        self._in_pipe: deque[Spoken | None] = deque()
        self._pushes = 0
        self._history = bytes(2 * history * _SAMPLES_PER_FRAME)

    def put(self, block: Spoken) -> None:
        """Take speech in; of an older generation it is forgotten. Raises ChannelError beyond `MOST_WAITING`."""
        with self._changed:
            if block.generation < self.generation:
                return
            self._forget_before(block.generation)
            if len(self._waiting) >= MOST_WAITING:
                raise channel.ChannelError(f"more than {MOST_WAITING} blocks of speech wait to be heard")
            self._waiting.append(block)
            self._changed.notify()

    def flush(self, generation: int) -> None:
        """Forget the speech of generations before this one, also what is in the pipe."""
        with self._changed:
            self._forget_before(generation)

    def _forget_before(self, generation: int) -> None:
        self.generation = max(self.generation, generation)
        while self._waiting and self._waiting[0].generation < self.generation:
            self._waiting.popleft()

    def take(self) -> bytes:
        """The sound of the next block with its history: speech at once if there is some, else silence.

        Silence comes when a block's time has passed, or at once while it pushes the end of an utterance out.
        """
        block = self._next()
        self._in_pipe.append(block)
        sound = block.pcm if block is not None else bytes(2 * channel.CHUNK_SAMPLES)
        heard, past = self._history + sound, len(self._history)
        self._history = (self._history + sound[: 2 * channel.BLOCK_SAMPLES])[-past:] if past else b""
        return heard

    def _next(self) -> Spoken | None:
        with self._changed:
            if not self._waiting and not self._pushes:
                self._changed.wait_for(lambda: bool(self._waiting), max(0.0, self._due - time.monotonic()))
            self._due = time.monotonic() + self._block_s
            if self._waiting:
                block = self._waiting.popleft()
                self._pushes = channel.PIPE_BLOCKS if block.last else 0
                return block
            self._pushes = max(0, self._pushes - 1)
            return None

    def shown(self, number: int) -> Spoken | None:
        """The speech that yield `number` shows; None for warm-up, silence, and what was interrupted.

        Call it for every yield, in order.
        """
        if number < channel.WARM_UP or not self._in_pipe:
            return None
        block = self._in_pipe.popleft()
        with self._changed:
            return block if block is not None and block.generation >= self.generation else None


class Link:
    """Process 4's end of the channel: takes speech in, tells how far the program is, and hands frames out."""

    def __init__(self, connection: socket.socket, history: int = 0, block_s: float = channel.BLOCK_S) -> None:
        self.feeder = Feeder(history, block_s)
        self.start: channel.Message | None = None
        self._channel = channel.SocketChannel(connection)
        self._started = threading.Event()
        self._state, self._yields, self._since = "loading", 0, time.monotonic()
        for work in (self._listen, self._tell):
            threading.Thread(target=work, daemon=True).start()

    def wait_start(self) -> channel.Message:
        """What to show, as soon as the other end has said so."""
        self._started.wait()
        assert self.start is not None  # set before the event
        return self.start

    def run(self, blocks: Iterable[Any], pixels: Callable[[Any], tuple[int, int, int, bytes]]) -> None:
        """Hand out what `blocks` yields, of which `pixels` makes count, height, width and RGB bytes."""
        self._state = "warming"
        for number, block in enumerate(blocks):
            self._yields, self._since = number + 1, time.monotonic()
            spoken = self.feeder.shown(number)
            if spoken is not None or number + 1 == channel.WARM_UP:
                count, height, width, data = pixels(block)
                sides = {"width": width, "height": height}
            if number + 1 == channel.WARM_UP:
                self._state = "running"
                self._channel.send(
                    channel.Message("ready", {"protocol": channel.PROTOCOL, "fps": channel.FPS, **sides})
                )
            if spoken is not None:
                which = {"generation": spoken.generation, "sequence": spoken.sequence, "count": count}
                self._channel.send(channel.Message("frame", {**which, **sides}, data))

    def fail(self, message: str) -> None:
        """Tell why the program ends."""
        with suppress(OSError):
            self._channel.send(channel.Message("error", {"message": message[:1000]}))

    def _listen(self) -> None:
        try:
            while (message := self._channel.receive()) is not None and message.type != "stop":
                self._heard(message)
        except channel.ChannelError as error:
            self.fail(str(error))
        os._exit(_ENDED)

    def _heard(self, message: channel.Message) -> None:
        if message.type == "hello" and message.number("protocol") != channel.PROTOCOL:
            raise channel.ChannelError(f"the service speaks protocol {message.number('protocol')}")
        if message.type == "start":
            self.start = message
            self._started.set()
        elif message.type == "flush":
            self.feeder.flush(message.number("generation"))
        elif message.type == "audio":
            if len(message.payload) != 2 * channel.CHUNK_SAMPLES:
                raise channel.ChannelError(f"a block of speech has {2 * channel.CHUNK_SAMPLES} bytes")
            numbers = message.number("generation"), message.number("sequence")
            self.feeder.put(Spoken(*numbers, bool(message.fields.get("last")), message.payload))

    def _tell(self) -> None:
        with suppress(OSError):
            while True:
                since = round(time.monotonic() - self._since, 3)
                stats = {"state": self._state, "yields": self._yields, "since_s": since}
                self._channel.send(channel.Message("stats", stats))
                time.sleep(STATS_S)


def connected(path: str) -> socket.socket:
    """The channel's socket; raises OSError when nobody listens at `path`."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def main() -> None:
    """One process of the live program."""
    # The checkout, and not this file's folder, whose modules have common names.
    sys.path[:] = [os.getcwd(), *(path for path in sys.path if path != str(Path(__file__).parent))]
    arguments, rank = _arguments(), int(os.environ["RANK"])
    link = Link(connected(os.environ[channel.PATH_VARIABLE]), arguments.history) if rank == DECODER else None
    try:
        _perform(arguments, rank, link)
    except Exception as error:  # the boundary of this process, which ends by it
        if link is not None:
            link.fail(f"{type(error).__name__}: {error}")
        raise


def _perform(arguments: argparse.Namespace, rank: int, link: Link | None) -> None:
    import torch

    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl")
    pipe = _pipeline(arguments, rank)
    told = [link.wait_start().fields if link is not None else None]
    torch.distributed.broadcast_object_list(told, src=DECODER)
    if link is not None:
        _listen_by(pipe, link.feeder, arguments.history)
    blocks = _blocks(pipe, arguments, told[0] or {})
    if link is None:
        for _ in blocks:
            pass
    else:
        link.run(blocks, _pixels)


def _arguments() -> argparse.Namespace:
    """The flags of the command line, named as the program's own script names them; what is not used here is passed over."""
    parser = argparse.ArgumentParser()
    for name in ("task", "ckpt_dir", "training_config", "lora_path_dmd", "size", "sample_solver"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("infer_frames", "sample_steps", "num_gpus_dit", "history"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("convert_model_dtype", "fp8", "t5_cpu", "load_lora", "enable_vae_parallel"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_known_args()[0]


def _pipeline(arguments: argparse.Namespace, rank: int) -> Any:
    """The model on this process's GPU, with the LoRA merged and the weights made smaller if asked."""
    module = importlib.import_module("liveavatar.models.wan.causal_s2v_pipeline_tpp_blockwise")
    configs = importlib.import_module("liveavatar.models.wan.wan_2_2.configs")
    read_training = importlib.import_module("liveavatar.utils.args_config").parse_args_for_training_config
    pipe = module.WanS2V(
        config=configs.WAN_CONFIGS[arguments.task],
        checkpoint_dir=arguments.ckpt_dir,
        device_id=int(os.environ["LOCAL_RANK"]),
        rank=rank,
        t5_cpu=arguments.t5_cpu,
        convert_model_dtype=arguments.convert_model_dtype,
        single_gpu=False,
    )
    training = read_training(arguments.training_config)
    merged = pipe.add_lora_to_model(
        pipe.noise_model,
        **{name: training[name] for name in ("lora_rank", "lora_alpha", "lora_target_modules", "init_lora_weights")},
        pretrained_lora_path=arguments.lora_path_dmd,
        load_lora_weight_only=False,
    )
    if merged is not None:  # some versions change the model in place
        pipe.noise_model = merged
    if arguments.fp8:
        kept = ["text_embedding", "time_embedding", "time_projection", "head.head"]
        kept.append("casual_audio_encoder.encoder.final_linear")
        shrink = importlib.import_module("liveavatar.utils.fp8_linear").replace_linear_with_scaled_fp8
        shrink(pipe.noise_model, ignore_keys=kept)
    return pipe


def _blocks(pipe: Any, arguments: argparse.Namespace, start: dict[str, Any]) -> Iterable[Any]:
    width, height = (int(side) for side in arguments.size.split("*"))
    blocks: Iterable[Any] = pipe.generate(
        input_prompt=start["prompt"],
        ref_image_path=start["image"],
        audio_path=start["silence"],  # needed once, for the shape of what is heard
        num_repeat=1,
        max_area=width * height,
        infer_frames=arguments.infer_frames,
        sampling_steps=arguments.sample_steps,
        sample_solver=arguments.sample_solver,
        guide_scale=0,
        seed=start["seed"],
        offload_model=False,
        num_gpus_dit=arguments.num_gpus_dit,
        enable_vae_parallel=arguments.enable_vae_parallel,
    )
    return blocks


def _listen_by(pipe: Any, feeder: Feeder, history: int) -> None:
    """Have the pipeline hear `feeder`, and of what it hears take the frames after the history."""
    import numpy as np

    def sound() -> Any:
        return np.frombuffer(feeder.take(), "<i2").astype(np.float32) / 32768.0

    def features(block_frames: int) -> Any:
        heard, _ = pipe.encode_audio_from_array(sound(), infer_frames=block_frames)
        return heard[..., history : history + block_frames].contiguous()

    pipe.get_audio_callback = sound
    if history:
        pipe._streaming_encode_next_audio_block_or_random = features


def _pixels(block: Any) -> tuple[int, int, int, bytes]:
    """Count, height, width and RGB bytes of a tensor `[1, 3, n, h, w]` in -1..1."""
    frames = block[0].permute(1, 2, 3, 0).float().clamp(-1, 1).add(1).mul(127.5).round().byte().contiguous().numpy()
    count, height, width, _ = frames.shape
    return count, height, width, frames.tobytes()


if __name__ == "__main__":
    main()
