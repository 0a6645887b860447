from __future__ import annotations

from pathlib import Path

import pytest

from comps.animation.engines.liveavatar.launch.gpus import Gpu, chosen, read_gpus
from comps.core.errors import EngineUnavailableError
from tests.animation.liveavatar.conftest import script


def test_cards_are_read_in_gib(tmp_path: Path) -> None:
    smi = tmp_path / "smi"
    script(
        smi,
        'echo "$@" > "$0.asked"\ncat <<END\n1, NVIDIA H100, 80GB, 81559, 80994, 9.0\n0, NVIDIA RTX 4090, 24564, 24080, 8.9\nEND',
    )
    assert read_gpus(str(smi)) == (
        Gpu(0, "NVIDIA RTX 4090", pytest.approx(23.99, abs=0.005), pytest.approx(23.52, abs=0.005), (8, 9)),
        Gpu(1, "NVIDIA H100, 80GB", pytest.approx(79.65, abs=0.005), pytest.approx(79.10, abs=0.005), (9, 0)),
    )
    assert (tmp_path / "smi.asked").read_text().split() == [
        "--query-gpu=index,name,memory.total,memory.free,compute_cap",
        "--format=csv,noheader,nounits",
    ]


def test_a_card_may_not_tell_its_capability(tmp_path: Path) -> None:
    script(tmp_path / "smi", 'echo "0, Old, 24564, 24080, [N/A]"')
    assert read_gpus(str(tmp_path / "smi"))[0].capability is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo 'NVIDIA-SMI has failed: no driver' >&2; exit 9", "found none: NVIDIA-SMI has failed"),
        ("exit 0", "it printed nothing"),
        ("echo 'No devices were found'", "no list of GPUs"),
        ("echo '0, Card, [N/A], [N/A], 9.0'", "no list of GPUs"),
    ],
)
def test_what_is_no_list_of_cards(tmp_path: Path, body: str, message: str) -> None:
    script(tmp_path / "smi", body)
    with pytest.raises(EngineUnavailableError, match=message):
        read_gpus(str(tmp_path / "smi"))


def test_no_such_program() -> None:
    with pytest.raises(EngineUnavailableError, match="needs NVIDIA GPUs"):
        read_gpus("/nowhere/nvidia-smi")


def test_cards_are_chosen_by_number() -> None:
    cards = [Gpu(index, "card", 80, 80) for index in (0, 2, 5)]
    assert [gpu.index for gpu in chosen(cards, (5, 0))] == [5, 0]
    with pytest.raises(EngineUnavailableError, match="GPU 1, 7 is set for LiveAvatar but not here; there are: 0, 2, 5"):
        chosen(cards, (1, 2, 7))
