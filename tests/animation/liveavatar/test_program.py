from __future__ import annotations

import os
from pathlib import Path

import pytest

from comps.animation.engines.liveavatar.launch import program
from comps.animation.engines.liveavatar.launch.program import Program
from comps.core.errors import EngineUnavailableError
from tests.animation.liveavatar.conftest import Machine, MakeSettings


def test_everything_lies_in_the_checkout_unless_set(machine: Machine, make_settings: MakeSettings) -> None:
    found = Program.of(make_settings())
    assert found.python == machine.checkout / ".venv" / "bin" / "python"
    assert found.checkpoint == machine.checkout / "ckpt" / "Wan2.2-S2V-14B"
    assert found.lora == str(machine.checkout / "ckpt" / "LiveAvatar" / "liveavatar.safetensors")
    found.check(streaming=True)


def test_a_lora_may_be_fetched_by_the_program_itself(make_settings: MakeSettings) -> None:
    found = Program.of(make_settings(liveavatar_lora="Quark-Vision/Live-Avatar"))
    assert found.lora == "Quark-Vision/Live-Avatar"
    found.check(streaming=False)


def test_without_a_checkout(make_settings: MakeSettings) -> None:
    with pytest.raises(EngineUnavailableError, match="set AVATAR_ANIMATION_LIVEAVATAR_DIR"):
        Program.of(make_settings(liveavatar_dir=None))


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (program.SCRIPT, "s2v_streaming_interact.py is not in the checkout"),
        (program.TRAINING_CONFIG, "s2v_causal_sft.yaml is not in the checkout"),
        (program.STREAMING_MODULE, "causal_s2v_pipeline_tpp_blockwise.py is not in the checkout"),
        (Path(".venv/bin/python"), "LIVEAVATAR_PYTHON"),
        (Path("ckpt/LiveAvatar/liveavatar.safetensors"), "LIVEAVATAR_LORA"),
    ],
)
def test_what_is_missing_is_named(machine: Machine, make_settings: MakeSettings, gone: Path, message: str) -> None:
    (machine.checkout / gone).unlink()
    with pytest.raises(EngineUnavailableError, match=message):
        Program.of(make_settings()).check(streaming=True)


def test_offline_work_does_without_the_streaming_pipeline(machine: Machine, make_settings: MakeSettings) -> None:
    (machine.checkout / program.STREAMING_MODULE).unlink()
    Program.of(make_settings()).check(streaming=False)


def test_weights_that_were_not_fetched_to_the_end(machine: Machine, make_settings: MakeSettings) -> None:
    (weights,) = (machine.checkout / "ckpt" / "Wan2.2-S2V-14B").iterdir()
    os.truncate(weights, 10**9)
    with pytest.raises(EngineUnavailableError, match="not complete"):
        Program.of(make_settings()).check(streaming=False)
    weights.unlink()
    weights.parent.rmdir()
    with pytest.raises(EngineUnavailableError, match="LIVEAVATAR_CHECKPOINT"):
        Program.of(make_settings()).check(streaming=False)
