"""X-vectors from every kind of file, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from comps.core.errors import EngineUnavailableError
from comps.tts.engines.speakers import load_speakers

A = np.arange(1, 9, dtype=np.float32)
B = A[::-1].copy()


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def test_a_file_of_one_vector_is_called_after_it(tmp_path: Path) -> None:
    np.save(tmp_path / "ada.npy", A)
    (found,) = load_speakers(str(tmp_path / "ada.npy"), 8).items()
    assert found[0] == "ada"
    assert found[1].dtype == np.float32
    np.testing.assert_allclose(found[1], unit(A), rtol=1e-6)


def test_rows_and_keys_have_names(tmp_path: Path) -> None:
    np.save(tmp_path / "both.npy", np.stack([A, B]))
    np.savez(tmp_path / "named.npz", ada=A, ben=B[None])
    assert list(load_speakers(str(tmp_path), 8)) == ["ada", "ben", "both-0", "both-1"]


def test_recordings_of_one_arctic_speaker_are_one_voice(tmp_path: Path) -> None:
    np.save(tmp_path / "cmu_us_slt_arctic-wav-arctic_a0001.npy", A)
    np.save(tmp_path / "cmu_us_slt_arctic-wav-arctic_a0002.npy", 5 * B)
    np.save(tmp_path / "cmu_us_bdl_arctic-wav-arctic_a0001.npy", B)
    found = load_speakers(str(tmp_path), 8)
    assert list(found) == ["bdl", "slt"]
    np.testing.assert_allclose(found["slt"], unit(unit(A) + unit(B)), rtol=1e-6)


def test_a_zip_is_read_as_its_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "ada.npy", A)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "ada.npy", "spkrec-xvect/ada.npy")
        archive.writestr("spkrec-xvect/README", "not a vector")
    assert list(load_speakers(str(tmp_path / "all.zip"), 8)) == ["ada"]


@pytest.mark.torch
def test_tensors_are_read_without_running_code(tmp_path: Path) -> None:
    import torch
    from safetensors.numpy import save_file

    save_file({"ada": A}, tmp_path / "a.safetensors")
    torch.save(torch.from_numpy(B)[None], tmp_path / "spk_embed_default.pt")
    assert list(load_speakers(str(tmp_path), 8)) == ["ada", "spk_embed_default"]
    torch.save(Path("x"), tmp_path / "evil.pt")
    with pytest.raises(EngineUnavailableError, match=r"evil\.pt' cannot be read"):
        load_speakers(str(tmp_path), 8)


@pytest.mark.torch
def test_the_hubs_dataset_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    from comps.tts.engines.speakers import HUB_DATASET

    repository = tmp_path / f"datasets--{HUB_DATASET.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    np.save(tmp_path / "cmu_us_slt_arctic-wav-arctic_a0001.npy", A)
    with zipfile.ZipFile(snapshot / "spkrec-xvect.zip", "w") as archive:
        archive.write(tmp_path / "cmu_us_slt_arctic-wav-arctic_a0001.npy", "spkrec-xvect/cmu_us_slt_arctic-wav-a.npy")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert list(load_speakers(HUB_DATASET, 8)) == ["slt"]
    with pytest.raises(EngineUnavailableError, match="cannot be fetched"):
        load_speakers("somebody/else", 8)


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (np.ones(7, np.float32), "has 8 numbers"),
        (np.ones((2, 2, 8), np.float32), "has 8 numbers"),
        (np.array(["x"] * 8), "has 8 numbers"),
        (np.zeros(8, np.float32), "zero"),
        (np.full(8, np.nan, np.float32), "finite"),
        (np.full(8, np.inf, np.float32), "finite"),
        (np.array([None] * 8), "cannot be read"),
    ],
)
def test_what_is_no_vector_is_refused(tmp_path: Path, vector: np.ndarray, reason: str) -> None:
    np.save(tmp_path / "ada.npy", vector, allow_pickle=True)
    with pytest.raises(EngineUnavailableError, match=reason) as refused:
        load_speakers(str(tmp_path), 8)
    assert "ada" in refused.value.message


def test_files_that_are_none(tmp_path: Path) -> None:
    for source, reason in (
        ("", "AVATAR_TTS_SPEAKERS"),
        (str(tmp_path / "absent"), "no file or folder"),
        (str(tmp_path), "holds no x-vector"),
    ):
        with pytest.raises(EngineUnavailableError, match=reason):
            load_speakers(source, 8)
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(EngineUnavailableError, match="cannot be read"):
        load_speakers(str(tmp_path), 8)
    (tmp_path / "voice.wav").write_bytes(b"RIFF")
    with pytest.raises(EngineUnavailableError, match="must end in"):
        load_speakers(str(tmp_path / "voice.wav"), 8)
