"""The engines `whisper` and `faster_whisper` with tiny models of random weights, through the real service."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx_ws
import numpy as np
import pytest
import pytest_asyncio

from comps.asr.engine import SAMPLE_RATE, AsrOptions
from comps.asr.service import create_app
from comps.asr.settings import AsrSettings
from comps.asr.table import TABLE
from comps.core.app import readiness_of
from comps.core.errors import EngineUnavailableError
from comps.core.serve import running
from tests.asr.conftest import cut, pcm16, spoken, wav
from tests.asr.test_service import _float_wav
from tests.asr.whisper_models import save_faster_whisper, save_whisper

pytestmark = [
    pytest.mark.torch,
    pytest.mark.asyncio(loop_scope="module"),
    # openai-whisper leaves its vocabulary's file open
    pytest.mark.filterwarnings(r"ignore:unclosed file .*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings(r"ignore:Exception ignored in. .*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]
ENGINES = ["whisper", "faster_whisper"]
TRANSCRIPTIONS = "/v1/audio/transcriptions"
QUESTION = spoken("How do I install AvatarChatbot?")
DURATION = len(QUESTION) / SAMPLE_RATE
ONE_PASS = {"temperature": "0.5"}
"""Random words fail every check of quality, so that without this each recording is decoded six times."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "whisper": save_whisper(folder / "tiny-random.pt"),
        "whisper_english": save_whisper(folder / "english.pt", multilingual=False),
        "faster_whisper": save_faster_whisper(folder / "faster-whisper-tiny-random"),
    }


def settings_of(engine: str, model: Path | str, **more: Any) -> AsrSettings:
    return AsrSettings(engine=engine, model=str(model), device="cpu", port=0, max_audio_s=70, decoders=1, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ENGINES)
async def client(request: pytest.FixtureRequest, models: dict[str, Path]) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings_of(request.param, models[request.param]))
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=100) as opened:
        await readiness_of(app).settled()
        yield opened


def upload(client: httpx.AsyncClient, data: bytes, **fields: Any) -> Any:
    return client.post(TRANSCRIPTIONS, files={"file": ("speech.wav", data)}, data=ONE_PASS | fields)


def require_words(words: list[dict[str, Any]], text: str, name: str, duration: float = DURATION) -> None:
    """Every word of the text in its order, at times that do not run back and lie in the recording."""
    assert "".join(word[name] for word in words).replace(" ", "") == re.sub(r"\s", "", text)
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= round(duration, 3)


async def test_asr(client: httpx.AsyncClient) -> None:
    audio = base64.b64encode(_float_wav(QUESTION)).decode()
    body = (await client.post("/v1/asr", json={"audio": audio, "language": "german", "temperature": 0.5})).json()
    assert body["asr_result"] == body["text"] != ""
    assert (body["language"], body["duration"]) == ("de", pytest.approx(DURATION, abs=0.01))
    require_words(body["words"], body["text"], "text")


async def test_transcriptions_in_every_format(client: httpx.AsyncClient) -> None:
    data = wav(QUESTION)
    whole = (await upload(client, data, response_format="json")).json()
    assert whole["text"]
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"], "language": "fr"}
    verbose = (await upload(client, data, **fields)).json()
    assert verbose["language"] == "french"
    require_words(verbose["words"], verbose["text"], "word")
    segments = verbose["segments"]
    assert [segment["id"] for segment in segments] == list(range(len(segments)))
    joined = "".join(segment["text"] for segment in segments)
    assert re.sub(r"\s", "", joined) == re.sub(r"\s", "", verbose["text"])
    srt = (await upload(client, data, response_format="srt")).text
    assert re.match(r"1\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n\S", srt)
    assert re.match(r"WEBVTT\n\n00:00:0", (await upload(client, data, response_format="vtt")).text)


async def test_the_language_is_found_when_none_is_given(client: httpx.AsyncClient) -> None:
    body = (await upload(client, wav(QUESTION), response_format="verbose_json")).json()
    assert body["language"]
    assert body["text"]


@pytest.mark.parametrize("language", ["yue", "tlh"])
async def test_a_language_the_model_has_no_token_for_is_refused(client: httpx.AsyncClient, language: str) -> None:
    """Cantonese came with the third generation; these models are of the first."""
    response = await upload(client, wav(QUESTION), language=language)
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "language"
    assert f"does not hear '{language}'" in response.json()["error"]["message"]


@pytest.mark.parametrize("prompt", ["AvatarChatbot", "<|endoftext|> yes <|transcribe|>", "word " * 700])
async def test_any_prompt_is_only_text(client: httpx.AsyncClient, prompt: str) -> None:
    response = await upload(client, wav(QUESTION), prompt=prompt, language="en")
    assert response.status_code == 200
    assert "<|" not in response.json()["text"]


async def test_several_windows_of_thirty_seconds(client: httpx.AsyncClient) -> None:
    audio = np.tile(QUESTION, 1 + int(35 / DURATION))
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": "word", "language": "en"}
    body = (await upload(client, wav(audio), **fields)).json()
    seconds = len(audio) / SAMPLE_RATE
    assert body["duration"] == pytest.approx(seconds, abs=0.01)
    assert "".join(word["word"] for word in body["words"]).replace(" ", "") == re.sub(r"\s", "", body["text"])
    assert body["words"][-1]["end"] > 30
    assert max(word["end"] for word in body["words"]) <= seconds + 0.001


async def test_more_than_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    response = await upload(client, wav(np.zeros(71 * SAMPLE_RATE, np.float32)))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


async def test_events_end_with_the_whole_text(client: httpx.AsyncClient) -> None:
    response = await upload(client, wav(QUESTION), stream="true", language="en")
    lines = [line for line in response.text.splitlines() if line.startswith("data: ")]
    assert '"transcript.text.done"' in lines[-1]


async def test_a_socket(client: httpx.AsyncClient) -> None:
    async with httpx_ws.aconnect_ws("/v1/asr/stream", client) as session:
        await session.send_json({"type": "start", "sample_rate": SAMPLE_RATE, "language": "en", "temperature": 0.5})
        pcm = pcm16(QUESTION)
        for at in range(0, len(pcm), SAMPLE_RATE // 5):
            await session.send_bytes(pcm[at : at + SAMPLE_RATE // 5].tobytes())
        await session.send_json({"type": "end"})
        answers = [await session.receive_json(timeout=100)]
        while answers[-1]["type"] == "partial":
            answers.append(await session.receive_json(timeout=100))
    assert answers[-1]["type"] == "final"
    assert answers[-1]["language"] == "en"
    require_words(answers[-1]["words"], answers[-1]["text"], "text")
    assert all(answers[-1]["text"].startswith(partial["text"]) for partial in answers[:-1])


async def test_two_at_once_get_their_own(client: httpx.AsyncClient) -> None:
    short, long = spoken("Hello."), QUESTION
    fields = {"response_format": "verbose_json", "language": "en"}
    answers = await asyncio.gather(*(upload(client, wav(audio), **fields) for audio in (short, long)))
    durations = [answer.json()["duration"] for answer in answers]
    assert durations == pytest.approx([len(short) / SAMPLE_RATE, DURATION], abs=0.01)


async def test_an_english_model_hears_nothing_else(models: dict[str, Path]) -> None:
    app = create_app(settings_of("whisper", models["whisper_english"]))
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=100) as http:
        await readiness_of(app).settled()
        heard = (await upload(http, wav(QUESTION), response_format="verbose_json")).json()
        assert heard["language"] == "english"
        refused = await upload(http, wav(QUESTION), language="de")
        assert refused.status_code == 422
        assert refused.json()["error"]["message"].endswith("it hears: en")


async def test_whoever_leaves_stops_the_recognition(models: dict[str, Path]) -> None:
    engine: Any = TABLE.create("whisper", settings_of("whisper", models["whisper"]))
    await engine.load()
    begun, left = threading.Event(), threading.Event()
    steps: list[int] = []

    def wait_in_the_first_step(*_: object) -> None:
        steps.append(1)
        begun.set()
        left.wait(60)

    engine._model.decoder.register_forward_pre_hook(wait_in_the_first_step)
    hearing = asyncio.create_task(anext(engine.transcribe(cut(np.tile(QUESTION, 20)), AsrOptions(language="en"))))
    assert await asyncio.to_thread(begun.wait, 60)
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing
    left.set()
    await asyncio.get_running_loop().run_in_executor(engine._worker, lambda: None)  # comes after what was running
    assert len(steps) == 1
    assert not engine._model.encoder._forward_pre_hooks
    [transcript] = [found async for found in engine.transcribe(cut(QUESTION), AsrOptions(temperature=0.5))]
    assert transcript.final
    await engine.close()


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_model_of_the_weights_folder(engine: str, models: dict[str, Path]) -> None:
    made: Any = TABLE.create(engine, settings_of(engine, "tiny-random", model_dir=models[engine].parent))
    await made.load()
    await made.close()


class Malicious:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def damaged_whisper(file: Path, how: str) -> None:
    import torch

    if how == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "text":
        file.write_text("This is no model.")
    elif how == "malicious":
        torch.save({"dims": Malicious(file.with_name("malice")), "model_state_dict": {}}, file)
    elif how == "another model":
        torch.save({"weight": torch.zeros(3)}, file)
    elif how == "other dims":
        checkpoint = torch.load(file, weights_only=True)
        checkpoint["dims"]["n_audio_state"] *= 2
        torch.save(checkpoint, file)


@pytest.mark.parametrize("how", ["cut", "empty", "text", "malicious", "another model", "other dims"])
async def test_a_damaged_checkpoint_is_unavailable(how: str, models: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(models["whisper"].read_bytes())
    damaged_whisper(file, how)
    app = create_app(settings_of("whisper", file))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
        await readiness_of(app).settled()
        response = await upload(http, wav(QUESTION))
    assert response.status_code == 503
    assert f"Whisper's model '{file}' cannot be loaded: " in response.json()["error"]["message"]
    assert not file.with_name("malice").exists()


async def test_a_published_name_must_be_the_published_file(models: dict[str, Path], tmp_path: Path) -> None:
    """Nor is it fetched anew, which is what the library does."""
    (tmp_path / "large-v3.pt").write_bytes(models["whisper"].read_bytes())
    engine: Any = TABLE.create("whisper", settings_of("whisper", "openai/whisper-large", model_dir=tmp_path))
    with pytest.raises(EngineUnavailableError, match=r"large-v3\.pt is not the published model 'large'"):
        await engine.load()
    await engine.close()


@pytest.mark.parametrize("download", [False, True])
async def test_a_model_that_was_pulled_is_found(models: dict[str, Path], tmp_path: Path, download: bool) -> None:
    (tmp_path / "tiny-random.pt").write_bytes(models["whisper"].read_bytes())
    settings = settings_of("whisper", "tiny-random", models_dir=tmp_path, download=download)
    engine: Any = TABLE.create("whisper", settings)
    await engine.load()
    await engine.close()
    elsewhere: Any = TABLE.create("whisper", settings.model_copy(update={"models_dir": tmp_path / "empty"}))
    with pytest.raises(EngineUnavailableError, match="'tiny-random' is not on this machine"):
        await elsewhere.load()
    await elsewhere.close()


async def test_a_model_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whisper: Any = TABLE.create("whisper", settings_of("whisper", "", models_dir=tmp_path))
    with pytest.raises(EngineUnavailableError, match=r"not on this machine.* avatarchatbot models pull whisper-small,"):
        await whisper.load()
    faster: Any = TABLE.create("faster_whisper", settings_of("faster_whisper", "small", model_dir=tmp_path))
    with pytest.raises(EngineUnavailableError, match="the model 'small' of faster_whisper cannot be loaded"):
        await faster.load()
    await whisper.close()


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def half(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-1000])


@pytest.mark.parametrize("change", [without, half])
@pytest.mark.parametrize("name", ["model.bin", "vocabulary.json", "tokenizer.json"])
async def test_a_damaged_folder_is_unavailable(
    name: str, change: Callable[[str], Callable[[Path], None]], models: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in models["faster_whisper"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    change(name)(folder)
    engine: Any = TABLE.create("faster_whisper", settings_of("faster_whisper", folder))
    with pytest.raises(EngineUnavailableError, match=f"the model '{folder}' of faster_whisper cannot be loaded: "):
        await engine.load()


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_device_that_does_not_exist(engine: str, models: dict[str, Path]) -> None:
    chosen = settings_of(engine, models[engine]).model_copy(update={"device": "abacus:7"})
    made: Any = TABLE.create(engine, chosen)
    with pytest.raises(EngineUnavailableError, match=r"cannot be loaded: .*abacus"):
        await made.load()
    await made.close()
