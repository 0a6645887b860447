"""Weights in every official form draw the same face; whatever else a file may be is said by /readyz."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import started
from tests.neural.parity import fixture, weights
from tests.neural.wav2lip.checkpoints import FORMS, save

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")]


def settings(folder: Path, **fields: Any) -> AnimationSettings:
    return AnimationSettings(
        engine="wav2lip",
        data_dir=folder / "data",
        output_dir=folder / "out",
        models_dir=folder,
        size=64,
        wav2lip_device="cpu",
        wav2lip_backend="eager",
        wav2lip_batch=2,
        shutdown_grace_s=1,
        **fields,
    )


async def ready(given: AnimationSettings) -> httpx.Response:
    """What /readyz says of a service with these settings once it has loaded, or given up."""
    app = create_app(given)
    async with started(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get("/readyz")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_draws_what_the_original_draws(form: str, tmp_path: Path) -> None:
    from comps.animation.engines.wav2lip.drawer import Spoken
    from comps.animation.engines.wav2lip.loading import load_drawer
    from comps.animation.engines.wav2lip.picture import Face

    save(form, tmp_path)
    drawer = load_drawer(settings(tmp_path, wav2lip_allow_torchscript=form == "torchscript"))
    expected = fixture("wav2lip")
    faces = [Face(np.ascontiguousarray(face[..., ::-1])) for face in expected["face_u8"]]
    drawn = drawer.draw([Spoken(mel[0], face) for mel, face in zip(expected["mel"], faces, strict=True)])
    difference = np.stack(drawn)[..., ::-1].astype(int) - expected["out_u8"]
    # levels are cut off: rounded ones would differ in half of all places
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 1e-3


async def test_the_licence_is_shown_before_the_weights_are_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save("bare", tmp_path)
    with caplog.at_level(logging.WARNING):
        assert (await ready(settings(tmp_path))).status_code == 200
    assert any("non-commercial use only" in record.getMessage() for record in caplog.records)


async def test_missing_weights_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    response = await ready(settings(tmp_path))
    assert response.status_code == 503
    assert "wav2lip_gan.pth" in response.text
    assert "avatarchatbot models pull wav2lip" in response.text


async def test_a_named_file_that_is_missing_is_said(tmp_path: Path) -> None:
    response = await ready(settings(tmp_path, wav2lip_checkpoint=tmp_path / "mine.pth"))
    assert response.status_code == 503
    assert "mine.pth" in response.text


async def test_a_truncated_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = save("zip", tmp_path)
    path.write_bytes(path.read_bytes()[: 40 << 20])
    response = await ready(settings(tmp_path))
    assert response.status_code == 503
    assert "damaged or incomplete" in response.text


async def test_another_networks_weights_are_told_by_their_keys(tmp_path: Path) -> None:
    import torch

    state = dict(weights("wav2lip"))
    state["face_decoder_blocks.1.0.conv_block.0.weight"] = torch.zeros(1024, 512, 4, 4)
    state["face_encoder_blocks.7.0.conv_block.0.weight"] = torch.zeros(512, 512, 4, 4)
    torch.save({"state_dict": state}, tmp_path / "wav2lip.pth")
    response = await ready(settings(tmp_path))
    assert response.status_code == 503
    assert "another network" in response.text
    assert "face_encoder_blocks.7.0" in response.text


@pytest.mark.parametrize(("dtype", "said"), [("int8", "quantised"), ("complex64", "dense real"), ("float32", "NaN")])
async def test_numbers_of_another_kind_are_said(dtype: str, said: str, tmp_path: Path) -> None:
    import torch

    state = dict(weights("wav2lip"))
    key = "output_block.1.weight"
    state[key] = (state[key] * float("nan") if said == "NaN" else state[key]).to(getattr(torch, dtype))
    torch.save(state, tmp_path / "wav2lip.pth")
    response = await ready(settings(tmp_path))
    assert response.status_code == 503
    assert said in response.text
    assert "output_block.1.weight" in response.text


async def test_weights_in_half_precision_are_read(tmp_path: Path) -> None:
    import torch

    halved = {key: value.half() if value.is_floating_point() else value for key, value in weights("wav2lip").items()}
    torch.save(halved, tmp_path / "wav2lip.pth")
    assert (await ready(settings(tmp_path))).status_code == 200


class Malice:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


async def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "wav2lip.pth").write_bytes(pickle.dumps({"state_dict": Malice(tmp_path / "ran")}, protocol=2))
    response = await ready(settings(tmp_path))
    assert response.status_code == 503
    assert "holds code" in response.text
    assert not (tmp_path / "ran").exists()


async def test_an_unknown_torchscript_archive_needs_consent(tmp_path: Path) -> None:
    save("torchscript", tmp_path)
    response = await ready(settings(tmp_path))
    assert response.status_code == 503
    assert "TorchScript" in response.text


async def test_a_damaged_s3fd_is_said(tmp_path: Path) -> None:
    save("bare", tmp_path)
    (tmp_path / "s3fd.pth").write_bytes(b"<html>not found</html>")
    response = await ready(settings(tmp_path, wav2lip_s3fd=tmp_path / "s3fd.pth"))
    assert response.status_code == 503
    assert "s3fd.pth" in response.text


async def test_a_backend_of_another_device_is_said(tmp_path: Path) -> None:
    save("bare", tmp_path)
    fields = settings(tmp_path).model_dump() | {"wav2lip_backend": "cuda-graphs", "wav2lip_device": "cpu"}
    response = await ready(AnimationSettings(**fields))
    assert response.status_code == 503
    assert "backend 'cuda-graphs' runs on cuda, not on cpu" in response.text
