"""The engine `transformers` through the real service, with tiny models that the test builds and saves."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from comps.core.framing import parse_speech, unpack_stream
from comps.core.media.audio import decode_audio
from comps.core.serve import running
from comps.core.speech import SpeechChunk
from comps.tts.service import create_app
from comps.tts.settings import TtsSettings
from tests.tts.checkpoints import save_hifigan, save_speakers, save_speecht5, save_vits

pytestmark = pytest.mark.torch

TEXT = "Hello there, my friend. It is 3.14 today!"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("checkpoints")
    save_speecht5(made / "speecht5")
    save_hifigan(made / "hifigan")
    save_vits(made / "vits")
    save_vits(made / "vits3", speakers=3)
    save_vits(made / "uroman", is_uroman=True, language="rus")
    save_speakers(made / "speakers", "ada", "ben")
    return made


@asynccontextmanager
async def service(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The service on a socket of its own, loaded as far as it gets."""
    app = create_app(TtsSettings(engine="transformers", device="cpu", **settings))
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        yield client


def speecht5(folder: Path, **settings: Any) -> dict[str, Any]:
    return {
        "model": str(folder / "speecht5"),
        "vocoder": str(folder / "hifigan"),
        "speakers": str(folder / "speakers"),
        **settings,
    }


async def why_not(**settings: Any) -> str:
    """What the service says at `/readyz` when it cannot load; a request gets the same status."""
    async with service(**settings) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert (await client.post("/v1/tts", json={"text": TEXT})).status_code == 503
        return answer.text


async def pcm(client: httpx.AsyncClient, text: str = TEXT, **options: Any) -> bytes:
    answer = await client.post("/v1/audio/speech", json={"input": text, "response_format": "pcm", **options})
    assert answer.status_code == 200, answer.text
    return answer.content


async def streamed(client: httpx.AsyncClient, text: str = TEXT) -> list[SpeechChunk]:
    async with client.stream("POST", "/v1/tts/stream", json={"text": text}) as response:
        assert response.status_code == 200
        return [parse_speech(*message) async for message in unpack_stream(response.aiter_bytes())]


@pytest.mark.parametrize("model", ["speecht5", "vits", "vits3"])
async def test_every_route_speaks(folder: Path, model: str) -> None:
    settings = speecht5(folder) if model == "speecht5" else {"model": str(folder / model)}
    async with service(**settings) as client:
        whole = (await client.post("/v1/tts", json={"text": TEXT})).json()
        audio = decode_audio(base64.b64decode(whole["tts_result"]), rate=16000, max_seconds=600)
        assert len(audio) / 16000 == pytest.approx(whole["duration"], abs=0.01)
        assert np.abs(audio).max() > 0
        assert [word["word"] for word in whole["words"]][:4] == ["Hello", "there", "my", "friend"]
        assert len(await pcm(client)) > 2 * 24000 * 0.1


async def test_phone_times_come_by_alignment(folder: Path) -> None:
    async with service(model=str(folder / "vits")) as client:
        chunks = await streamed(client)
    assert chunks[-1].last
    assert {chunk.sample_rate for chunk in chunks} == {16000}
    seconds = sum(len(chunk.pcm) for chunk in chunks) / 16000
    phones = [phone for chunk in chunks for phone in chunk.phones]
    assert phones[0].start == 0
    assert phones[-1].end == pytest.approx(seconds, abs=0.02)
    assert all(a.end == pytest.approx(b.start, abs=0.002) for a, b in pairwise(phones))
    assert {"h", "l", "f"} <= {phone.phone for phone in phones}
    words = [word for chunk in chunks for word in chunk.words]
    assert TEXT[words[-1].char_start : words[-1].char_end] == "today"


async def test_each_speaker_has_a_voice_of_its_own(folder: Path) -> None:
    async with service(**speecht5(folder)) as client:
        listed = (await client.get("/v1/voices")).json()["voices"]
        assert [voice["id"] for voice in listed] == ["default", "ada", "ben"]
        ada, ben = await pcm(client, voice="ada"), await pcm(client, voice="ben")
        assert ada == await pcm(client, voice="default")
        assert ada != ben
        refused = await client.post("/v1/tts", json={"text": TEXT, "voice": "carl"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "voice")


async def test_vits_takes_a_speaker_and_a_speed(folder: Path) -> None:
    text = "a long and winding sentence that goes on for quite a while"
    async with service(model=str(folder / "vits3")) as client:
        listed = (await client.get("/v1/voices")).json()["voices"]
        assert [voice["id"] for voice in listed] == ["default", "0", "1", "2"]
        assert await pcm(client, text, voice="2")
        slow, fast = len(await pcm(client, text, speed=0.25)), len(await pcm(client, text, speed=4.0))
        assert slow > 2 * fast


@pytest.mark.parametrize("option", [{"speed": 1.5}, {"pitch": 1.5}, {"language": "fr"}])
async def test_what_speecht5_cannot_do_is_refused(folder: Path, option: dict[str, Any]) -> None:
    async with service(**speecht5(folder)) as client:
        answer = await client.post("/v1/tts", json={"text": TEXT, **option})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, next(iter(option)))


async def test_a_sentence_beyond_the_positions_of_speecht5_is_spoken_whole(folder: Path) -> None:
    from comps.tts.engines.speecht5 import fitting

    long = "one and two and three and four and five, " * 9 + "and 1234567."
    async with service(**speecht5(folder)) as client:
        short, whole = len(await pcm(client, "one and two.")), len(await pcm(client, long))
    assert whole > 5 * short
    pieces = list(fitting(long, len, 47))
    assert "".join(pieces) == long
    assert max(map(len, pieces)) <= 47


@pytest.mark.parametrize("model", ["speecht5", "vits"])
async def test_a_text_of_unknown_letters_is_refused_and_not_spoken(folder: Path, model: str) -> None:
    settings = speecht5(folder) if model == "speecht5" else {"model": str(folder / model)}
    async with service(**settings) as client:
        answer = await client.post("/v1/tts", json={"text": "\u4f60\u597d\u3002"})
        assert answer.status_code == 422
        assert "none of the letters" in answer.json()["error"]["message"]
        assert await pcm(client, "42.")


async def test_mms_of_other_scripts_reads_them_in_latin_letters(folder: Path) -> None:
    async with service(model=str(folder / "uroman"), language="ru") as client:
        chunks = await streamed(client, "Привет, мир.")
    assert [word.text for chunk in chunks for word in chunk.words] == ["Привет", "мир"]


async def test_a_checkpoint_of_another_language_than_the_setting_is_not_loaded(folder: Path) -> None:
    assert "AVATAR_TTS_LANGUAGE=ru" in await why_not(model=str(folder / "uroman"), language="en-GB")
    async with service(model=str(folder / "vits"), language="en_GB") as client:
        assert await pcm(client)


async def test_mms_of_other_scripts_is_not_loaded_without_uroman(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uroman", None)
    assert "pip install uroman" in await why_not(model=str(folder / "uroman"), language="ru")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"speakers": ""}, "AVATAR_TTS_SPEAKERS"),
        ({"speakers": "/no/such/folder"}, "no file or folder"),
        ({"vocoder": "/no/such/vocoder"}, "no/such/vocoder"),
        ({"model": "/no/such/model"}, "no/such/model"),
    ],
)
async def test_speecht5_without_its_parts_says_what_is_missing(
    folder: Path, settings: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert reason in await why_not(**{**speecht5(folder), **settings})


async def test_weights_that_are_missing_are_not_made_up(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(folder / "vits", tmp_path / "half")
    weights = load_file(tmp_path / "half/model.safetensors")
    save_file({key: weights[key] for key in list(weights)[::2]}, tmp_path / "half/model.safetensors")
    assert "lacks" in await why_not(model=str(tmp_path / "half"))
    (tmp_path / "half/model.safetensors").write_bytes(b"garbage" * 100)
    assert "cannot be loaded" in await why_not(model=str(tmp_path / "half"))


async def test_weights_that_are_no_numbers_make_no_sound(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(folder / "vits", tmp_path / "nan")
    weights = load_file(tmp_path / "nan/model.safetensors")
    broken = {key: tensor * float("nan") if key.startswith("decoder") else tensor for key, tensor in weights.items()}
    save_file(broken, tmp_path / "nan/model.safetensors")
    async with service(model=str(tmp_path / "nan")) as client:
        answer = await client.post("/v1/tts", json={"text": TEXT})
    assert (answer.status_code, "broken" in answer.json()["error"]["message"]) == (502, True)


async def test_another_architecture_is_named(tmp_path: Path) -> None:
    import transformers

    transformers.LlamaConfig().save_pretrained(tmp_path)
    assert "is a llama" in await why_not(model=str(tmp_path))
