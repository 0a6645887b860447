"""What people type into the environment means what the original's options mean."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from comps.animation.engines.wav2lip.settings import ORIGINAL
from comps.animation.neural.backend_name import BackendName
from comps.animation.settings import AnimationSettings
from comps.animation.table import ENGINES
from comps.core.errors import SettingsError


@pytest.mark.parametrize("mode", ["wav2lip_only", "wav2lip+gfpgan", "wav2lip"])
def test_inference_mode_of_opea_means_this_engine(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_MODE", mode)
    monkeypatch.setenv("CHECKPOINT_PATH", "/models/wav2lip_gan.pth")
    monkeypatch.setenv("DEVICE", "hpu")
    settings = AnimationSettings()
    assert settings.engine == "wav2lip"
    assert settings.engine in ENGINES.names
    assert (settings.wav2lip_checkpoint, settings.wav2lip_device) == (Path("/models/wav2lip_gan.pth"), "hpu")


@pytest.mark.parametrize(
    ("typed", "meant"), [("0 20 0 0", (0, 20, 0, 0)), ("[1, 2, 3, 4]", (1, 2, 3, 4)), ("", (0, 0, 0, 0))]
)
def test_pads_are_typed_as_for_the_original(
    typed: str, meant: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVATAR_ANIMATION_WAV2LIP_PADS", typed or " ")
    assert AnimationSettings().pads == meant


@pytest.mark.parametrize(("typed", "meant"), [("-1 -1 -1 -1", None), ("10 90 20 80", (10, 90, 20, 80))])
def test_the_originals_empty_box_is_none(
    typed: str, meant: tuple[int, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVATAR_ANIMATION_WAV2LIP_BOX", typed)
    assert AnimationSettings().box == meant


@pytest.mark.parametrize("name", ["BOX", "PADS"])
@pytest.mark.parametrize("typed", ["1 2 3", "a b c d", "abc", "1 2 3 4 5", "1.5 2 3 4"])
def test_other_numbers_of_sides_are_refused(typed: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AVATAR_ANIMATION_WAV2LIP_{name}", typed)
    with pytest.raises(SettingsError, match=f"AVATAR_ANIMATION_WAV2LIP_{name}: four whole numbers are needed"):
        AnimationSettings()


@pytest.mark.parametrize("typed", ["9 2 3 7", "2 9 7 3", "1 1 2 3"])
def test_a_box_without_an_inside_is_refused(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ANIMATION_WAV2LIP_BOX", typed)
    with pytest.raises(
        SettingsError, match="AVATAR_ANIMATION_WAV2LIP_BOX: bottom and right must be beyond top and left"
    ):
        AnimationSettings()


@pytest.mark.parametrize("engine", ["wav2lip", "sadtalker", "gfpgan"])
def test_an_unknown_backend_is_refused_before_anything_is_loaded(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AVATAR_ANIMATION_{engine.upper()}_BACKEND", "int17")
    with pytest.raises(SettingsError, match=f"AVATAR_ANIMATION_{engine.upper()}_BACKEND must be 'auto', .*'int16'"):
        AnimationSettings()


def test_every_backend_can_be_chosen_by_its_name() -> None:
    pytest.importorskip("torch")
    from comps.animation.neural.backend import BACKENDS

    assert set(get_args(BackendName)) == {"auto", *BACKENDS}


def test_one_switch_draws_as_the_original_does(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = AnimationSettings().model_dump()
    assert all(plain[name] != value for name, value in ORIGINAL.items())
    monkeypatch.setenv("AVATAR_ANIMATION_WAV2LIP_ORIGINAL", "true")
    original = AnimationSettings().model_dump()
    assert {name: original[name] for name in ORIGINAL} == ORIGINAL
    changed = {name for name in plain if plain[name] != original[name]}
    assert changed == {*ORIGINAL, "wav2lip_original"}


def test_what_is_set_besides_counts_more_than_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ANIMATION_WAV2LIP_ORIGINAL", "1")
    monkeypatch.setenv("AVATAR_ANIMATION_WAV2LIP_PASTE", "feathered")
    settings = AnimationSettings()
    assert (settings.wav2lip_paste, settings.wav2lip_smooth) == ("feathered", "original")
