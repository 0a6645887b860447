"""The engine `coqui` through the real service, with tiny VITS models that the test builds and saves."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from comps.core.framing import parse_speech, unpack_stream
from comps.core.media.audio import decode_audio
from comps.core.serve import running
from comps.tts.service import create_app
from comps.tts.settings import TtsSettings

pytestmark = [
    pytest.mark.coqui,
    # Importing the library for the first time takes a minute by itself.
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

TEXT = "Hello there, my friend. How are you today!"
SPEAKERS = {"ada": 0, "ben": 1}


def save_vits(folder: Path, *, speakers: bool = False) -> Path:
    """A VITS of random weights that reads letters, its config saved as if it had been trained elsewhere."""
    import torch
    from TTS.tts.configs.vits_config import VitsConfig
    from TTS.tts.models.vits import CharactersConfig, Vits, VitsArgs, VitsAudioConfig

    folder.mkdir(parents=True)
    torch.manual_seed(0)
    args = VitsArgs(
        num_chars=80, out_channels=65, hidden_channels=16, hidden_channels_ffn_text_encoder=16,
        num_heads_text_encoder=2, num_layers_text_encoder=1, num_layers_flow=1, num_layers_posterior_encoder=1,
        upsample_rates_decoder=[8, 4, 2], upsample_kernel_sizes_decoder=[16, 8, 4],
        upsample_initial_channel_decoder=32, resblock_kernel_sizes_decoder=[3],
        resblock_dilation_sizes_decoder=[[1, 3, 5]],
    )  # fmt: skip
    characters = CharactersConfig(
        characters_class="TTS.tts.models.vits.VitsCharacters", pad="<PAD>", blank="<BLNK>",
        characters="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", punctuations="!,.? ",
    )  # fmt: skip
    if speakers:
        torch.save(SPEAKERS, folder / "speakers.pth")
        args.use_speaker_embedding, args.num_speakers = True, len(SPEAKERS)
        args.speakers_file = str(folder / "speakers.pth")
    config = VitsConfig(
        model_args=args, characters=characters, use_phonemes=False, add_blank=True,
        audio=VitsAudioConfig(fft_size=128, win_length=128, hop_length=64, num_mels=20, sample_rate=16000),
    )  # fmt: skip
    model = Vits.init_from_config(config)
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    config.save_json(folder / "config.json")
    settings = json.loads((folder / "config.json").read_text())
    if speakers:
        settings["model_args"]["speakers_file"] = "/trained/elsewhere/speakers.pth"
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    save_vits(made / "one")
    save_vits(made / "two", speakers=True)
    return made


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_HOME", str(tmp_path / "cache"))


@asynccontextmanager
async def service(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(TtsSettings(engine="coqui", device="cpu", **settings))
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        yield client


async def why_not(**settings: Any) -> str:
    async with service(**settings) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        return answer.text


async def pcm(client: httpx.AsyncClient, text: str = TEXT, **options: Any) -> bytes:
    answer = await client.post("/v1/audio/speech", json={"input": text, "response_format": "pcm", **options})
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("model", ["one", "one/model.pth", "two"])
async def test_every_route_speaks(folder: Path, model: str) -> None:
    async with service(model=str(folder / model)) as client:
        whole = (await client.post("/v1/tts", json={"text": TEXT})).json()
        audio = decode_audio(base64.b64decode(whole["tts_result"]), rate=16000, max_seconds=600)
        assert len(audio) / 16000 == pytest.approx(whole["duration"], abs=0.01)
        assert np.abs(audio).max() > 0
        assert [word["word"] for word in whole["words"]][:4] == ["Hello", "there", "my", "friend"]
        assert len(await pcm(client)) > 2 * 24000 * 0.1


async def test_phone_times_come_by_alignment_and_cover_the_sound(folder: Path) -> None:
    async with (
        service(model=str(folder / "one")) as client,
        client.stream("POST", "/v1/tts/stream", json={"text": TEXT}) as response,
    ):
        chunks = [parse_speech(*message) async for message in unpack_stream(response.aiter_bytes())]
    assert chunks[-1].last
    phones = [phone for chunk in chunks for phone in chunk.phones]
    seconds = sum(len(chunk.pcm) for chunk in chunks) / 16000
    assert phones[-1].end == pytest.approx(seconds, abs=0.02)
    assert {"h", "l", "f"} <= {phone.phone for phone in phones}


async def test_speakers_of_a_model_trained_elsewhere_are_voices(folder: Path) -> None:
    async with service(model=str(folder / "two")) as client:
        listed = (await client.get("/v1/voices")).json()["voices"]
        assert [voice["id"] for voice in listed] == ["default", "ada", "ben"]
        assert await pcm(client, voice="ben")
        refused = await client.post("/v1/tts", json={"text": TEXT, "voice": "carl"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "voice")


async def test_speed_is_heard(folder: Path) -> None:
    text = "a long and winding sentence that goes on for quite a while"
    async with service(model=str(folder / "one")) as client:
        slow, fast = len(await pcm(client, text, speed=0.25)), len(await pcm(client, text, speed=4.0))
        assert slow > 2 * fast
        refused = await client.post("/v1/tts", json={"text": text, "pitch": 1.5})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "pitch")


async def test_letters_that_the_model_does_not_know_are_refused(folder: Path) -> None:
    async with service(model=str(folder / "one")) as client:
        answer = await client.post("/v1/tts", json={"text": "\u4f60\u597d."})
    assert answer.status_code == 422
    assert "none of the letters" in answer.json()["error"]["message"]


@pytest.mark.parametrize("model", ["xtts_v2.0.2", "tts_models/multilingual/multi-dataset/xtts_v2"])
async def test_terms_are_not_asked_for_on_the_terminal(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COQUI_TOS_AGREED", raising=False)
    assert "COQUI_TOS_AGREED=1" in await why_not(model=model)
    assert not list(map(str, tmp_path.glob("cache/tts/*")))  # noqa: ASYNC240 - a look at an empty folder


async def test_what_is_no_model_is_refused(folder: Path, tmp_path: Path) -> None:
    assert "cannot be loaded" in await why_not(model="no-such-model")
    assert "config.json" in await why_not(model=str(tmp_path))
    shutil.copytree(folder / "one", tmp_path / "bare", ignore=shutil.ignore_patterns("*.pth"))
    assert "holds no weights" in await why_not(model=str(tmp_path / "bare"))
    (tmp_path / "bare/model.pth").write_bytes(b"garbage")
    assert "cannot be loaded" in await why_not(model=str(tmp_path / "bare"))


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


async def test_weights_cannot_run_code(folder: Path, tmp_path: Path) -> None:
    import torch

    shutil.copytree(folder / "one", tmp_path / "evil")
    file = io.BytesIO()
    torch.save({"model": _Evil(tmp_path / "owned")}, file, pickle_module=pickle)
    (tmp_path / "evil/model.pth").write_bytes(file.getvalue())
    assert "cannot be loaded" in await why_not(model=str(tmp_path / "evil"))
    assert not (tmp_path / "owned").exists()
