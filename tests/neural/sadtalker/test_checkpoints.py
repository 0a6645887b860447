"""Which files are read, and what is said when they cannot be."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from comps.core.errors import EngineUnavailableError
from tests.neural.sadtalker.models import state

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

NEW = ("SadTalker_V0.0.2_256.safetensors", "mapping_00229-model.pth.tar", "mapping_00109-model.pth.tar")
OLD = ("epoch_20.pth", "auido2exp_00300-model.pth", "auido2pose_00140-model.pth", "facevid2vid_00189-model.pth.tar")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def found(folder: Path, size: int = 256, mode: Any = "crop") -> Any:
    from comps.animation.engines.sadtalker.checkpoints import find_set

    return find_set(folder, size, mode)


def test_the_new_set_is_preferred_and_the_old_one_found(tmp_path: Path) -> None:
    touch(tmp_path, *OLD, *NEW[1:])
    assert found(tmp_path).model == "sadtalker-old"
    touch(tmp_path, NEW[0])
    assert found(tmp_path).model == "sadtalker"


def test_the_mode_chooses_the_mapping(tmp_path: Path) -> None:
    touch(tmp_path, *NEW)
    assert found(tmp_path, mode="extcrop").files[-1] == "mapping_00229-model.pth.tar"
    assert found(tmp_path, mode="extfull").files[-1] == "mapping_00109-model.pth.tar"


def test_each_size_has_its_own_file(tmp_path: Path) -> None:
    touch(tmp_path, *NEW, *OLD)
    with pytest.raises(
        EngineUnavailableError, match=r"SadTalker_V0\.0\.2_512\.safetensors is not .*pull sadtalker-512"
    ):
        found(tmp_path, size=512)
    touch(tmp_path, "SadTalker_V0.0.2_512.safetensors")
    assert found(tmp_path, size=512).model == "sadtalker-512"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ((), r"SadTalker_V0.*256\.safetensors, mapping_00229.* are not in .*pull sadtalker$"),
        (NEW[1:], r"^SadTalker_V0.*256\.safetensors is not in .*pull sadtalker$"),
        (NEW[:1], r"^mapping_00229-model\.pth\.tar is not in .*pull sadtalker$"),
        (OLD, r"^mapping_00229-model\.pth\.tar is not in .*pull sadtalker-old$"),
        ((OLD[3], NEW[1]), r"^epoch_20\.pth, auido2exp.*, auido2pose.* are not in .*pull sadtalker-old$"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, there: tuple[str, ...], said: str) -> None:
    touch(tmp_path, *there)
    with pytest.raises(EngineUnavailableError, match=said):
        found(tmp_path)


def filled(folder: Path, mode: Any = "crop") -> Any:
    from comps.animation.engines.sadtalker.checkpoints import load_networks

    return load_networks(folder, found(folder, mode=mode), torch.device("cpu"))


def same(network: Any, name: str) -> bool:
    own, expected = network.state_dict(), state(name)
    return set(own) == set(expected) and all(
        # counters are scalars in a network and of one element in the synthetic weights
        torch.equal(own[key].flatten(), value.flatten())
        for key, value in expected.items()
    )


def test_both_sets_give_the_same_networks(models: Path, old_models: Path) -> None:
    for networks in (filled(models), filled(old_models)):
        assert same(networks.reconstruction, "recon")
        assert same(networks.keypoints, "kp_extractor")
        assert same(networks.generator, "generator")
        assert same(networks.motion.expression, "audio2exp")
        assert same(networks.motion.pose, "audio2pose")
        assert same(networks.motion.mapping, "mapping70")
        assert not networks.generator.training


def test_the_mapping_of_whole_pictures(models: Path) -> None:
    assert same(filled(models, "full").motion.mapping, "mapping73")


def links(models: Path, folder: Path, without: str) -> Path:
    """The files of `models` in another folder, but one."""
    for name in NEW:
        if name != without:
            (folder / name).symlink_to(models / name)
    return folder / without


def test_a_truncated_file(models: Path, tmp_path: Path) -> None:
    path = links(models, tmp_path, NEW[0])
    with (models / NEW[0]).open("rb") as source:
        path.write_bytes(source.read(5_000_000))
    with pytest.raises(EngineUnavailableError, match=r"SadTalker_V0.*damaged or incomplete"):
        filled(tmp_path)


def test_another_network_under_the_right_name(models: Path, tmp_path: Path) -> None:
    path = links(models, tmp_path, NEW[1])
    torch.save({"mapping": state("mapping73")}, path)
    with pytest.raises(EngineUnavailableError, match=r"mapping_00229.*another network.*first\.0\.weight"):
        filled(tmp_path)


def test_code_in_a_checkpoint_is_not_run(models: Path, tmp_path: Path) -> None:
    path, trace = links(models, tmp_path, NEW[1]), tmp_path / "run"

    class Malice:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(trace),)

    path.write_bytes(pickle.dumps({"mapping": Malice()}, protocol=2))
    with pytest.raises(EngineUnavailableError, match=r"mapping_00229.*(code or objects|damaged)"):
        filled(tmp_path)
    assert not trace.exists()
