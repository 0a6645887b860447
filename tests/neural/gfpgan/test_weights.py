"""Which files are taken for GFPGAN, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from comps.animation.engines.gfpgan import weights  # noqa: E402
from comps.core.errors import EngineUnavailableError  # noqa: E402
from tests.neural import parity  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("version", "name"),
    [("1.4", "GFPGANv1.4.pth"), ("v1.3", "GFPGANv1.3.pth"), ("1.2", "GFPGANCleanv1-NoCE-C2.pth")],
)
def test_versions_by_file_name(version: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=name) as missing:
        weights.find(version, tmp_path)
    assert "avatarchatbot models pull gfpgan" in missing.value.message
    (tmp_path / name).touch()
    assert weights.find(version, tmp_path) == tmp_path / name


@pytest.mark.parametrize(("version", "words"), [("1", "original architecture"), ("2.0", "1.2, 1.3, 1.4")])
def test_versions_that_are_not_offered(version: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=words):
        weights.find(version, tmp_path)


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("GFPGANv1.pth", "conv_body_first.0.weight", "original architecture.*1.3 or 1.4"),
        ("RestoreFormer.pth", "quantize.embedding.weight", "RestoreFormer, another network"),
        ("GFPGANv1.4.pth", "something.weight", "belongs to another network"),
    ],
)
def test_other_networks_are_named(name: str, key: str, words: str, tmp_path: Path) -> None:
    torch.save({"params_ema": {key: torch.zeros(3)}}, tmp_path / name)
    with pytest.raises(EngineUnavailableError, match=words):
        weights.load_gfpgan(tmp_path / name)


@pytest.mark.parametrize("section", ["params_ema", "params"])
def test_published_sections_are_read(section: str, tmp_path: Path) -> None:
    state = parity.weights("gfpgan_v1_clean")
    other = {"params": {"conv_body_first.weight": torch.zeros(1)}} if section == "params_ema" else {}
    torch.save({**other, section: state}, tmp_path / "GFPGANv1.4.pth")
    network = weights.load_gfpgan(tmp_path / "GFPGANv1.4.pth")
    assert torch.equal(network.final_linear.weight, state["final_linear.weight"])
    assert not network.training


def test_parsenet_is_named_when_missing(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"parsing_parsenet\.pth.*models pull parsenet"):
        weights.load_parsenet(tmp_path)
