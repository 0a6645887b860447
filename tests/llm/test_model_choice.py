"""Which model of a server the engine `openai` asks, before servers that have it, lack it, or do not say."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from comps.core.errors import BadRequestError, UpstreamError
from comps.core.serve import running
from comps.core.settings import ServiceSettings
from comps.llm.engine import LlmOptions
from comps.llm.engines.openai import OpenAiEngine
from comps.llm.model_choice import refuses_chat
from comps.llm.settings import LlmSettings

from .conftest import serving
from .test_openai_engine import GOOD, HELLO, engine_at


class ModelServer:
    """A server that answers for the models it has, and 404 for others, as Ollama and vLLM do.

    Without a list of models it has no such route; those that are `silent` answer 400 in Ollama's words, and those
    in `refusals` with that status and message.
    """

    def __init__(self, models: list[str] | None, silent: frozenset[str] = frozenset()) -> None:
        self.models = models
        self.silent = silent
        self.refusals: dict[str, tuple[int, str]] = {}
        self.asked: list[str] = []
        self.listed = 0
        self.down = False
        self.list_asked, self.may_list = asyncio.Event(), asyncio.Event()
        self.may_list.set()

    def app(self) -> FastAPI:
        app = FastAPI()
        app.state.settings = ServiceSettings()

        @app.get("/v1/models")
        async def models() -> Response:
            self.listed += 1
            self.list_asked.set()
            await self.may_list.wait()
            if self.down:
                return Response("starting", 503)
            if self.models is None:
                return JSONResponse({"detail": "Not Found"}, 404)
            return JSONResponse({"object": "list", "data": [{"id": name} for name in self.models]})

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            self.asked.append((await request.json())["model"])
            if self.models and self.asked[-1] not in self.models:
                return JSONResponse({"error": {"message": "model not found, try pulling it first"}}, 404)
            if self.asked[-1] in self.silent:
                return JSONResponse({"error": {"message": f'"{self.asked[-1]}" does not support chat'}}, 400)
            if self.asked[-1] in self.refusals:
                status, message = self.refusals[self.asked[-1]]
                return JSONResponse({"error": {"message": message}}, status)
            return Response(GOOD, media_type="text/event-stream")

        return app


async def said(engine: OpenAiEngine) -> str:
    return "".join([piece.text async for piece in engine.generate(HELLO, LlmOptions())])


@pytest.mark.parametrize(
    ("models", "expected"),
    [(["nomic-embed-text", "bge-reranker", "llama3:latest", "qwen3"], "llama3:latest"), ([], "tgi"), (None, "tgi")],
)
async def test_without_a_configured_model_the_first_that_talks_answers(models: list[str] | None, expected: str) -> None:
    server = ModelServer(models)
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await said(engine) == "Hello there."
        assert server.asked == [expected]
        assert engine.model == expected
        assert await engine.models() == (expected,)


async def test_a_server_that_lists_no_models_is_not_asked_before_every_answer() -> None:
    server = ModelServer([])
    app = server.app()
    async with running(app) as url, engine_at(f"{url}/v1", model="") as engine:
        for _ in range(3):
            assert await said(engine)
    assert (server.listed, len(server.asked)) == (1, 3)


async def test_a_wrong_address_is_not_called_a_missing_model() -> None:
    app = FastAPI()
    app.state.settings = ServiceSettings()
    async with running(app) as url, engine_at(f"{url}/v2", model="") as engine:
        with pytest.raises(UpstreamError, match="answers 404: wrong address, or no model 'tgi'"):
            await said(engine)


async def test_a_model_that_was_taken_away_is_looked_for_anew() -> None:
    server = ModelServer(["one"])
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await said(engine)
        server.models = ["two"]
        assert await said(engine)
        assert await said(engine)
        assert await engine.models() == ("two",)
    assert server.asked == ["one", "one", "two", "two"]


async def test_a_model_that_was_found_is_kept_while_it_is_there() -> None:
    server = ModelServer(["one"])
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await said(engine)
        server.models = ["newest", "one"]
        assert await engine.check() == {"server": "ok"}
        assert await engine.models() == ("one",)


async def test_one_that_has_answered_is_kept_whatever_else_is_listed() -> None:
    server = ModelServer([])
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await said(engine)
        server.models = ["newest"]
        assert await engine.check() == {"server": "ok"}
        server.models = []
        assert await said(engine)
    assert server.asked == ["tgi", "tgi"]


@pytest.mark.parametrize("gone", [[], None])
@pytest.mark.parametrize("is_asked_meanwhile", [True, False])
async def test_a_list_that_is_gone_for_a_moment_forgets_no_model(
    gone: list[str] | None, is_asked_meanwhile: bool
) -> None:
    server = ModelServer(["llama3"])
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await said(engine)
        server.models, server.refusals = gone, {"llama3": (404, "Not Found")}
        await engine.check()
        if is_asked_meanwhile:
            with pytest.raises(UpstreamError, match="wrong address, or no model 'llama3': Not Found"):
                await said(engine)
        assert await engine.models() == ("llama3",)
        server.models, server.refusals = ["llama3"], {}
        assert await said(engine) == "Hello there."
    assert set(server.asked) == {"llama3"}


async def test_a_list_that_hangs_holds_up_no_answer_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comps.llm.engines.openai._CHECK_TIMEOUT_S", 0.05)
    monkeypatch.setattr("comps.llm.model_choice._AFTER_ERROR_S", 0.0)
    server = ModelServer(["tgi"])
    server.may_list.clear()
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        for _ in range(3):
            assert await said(engine) == "Hello there."
            await engine.models()
        assert server.listed == 1
        assert "in time" in (await engine.check())["server"]
        assert await said(engine) == "Hello there."
        assert server.listed == 2
        server.may_list.set()
    assert server.asked == ["tgi"] * 4


async def test_first_questions_that_come_together_share_one_look() -> None:
    server = ModelServer(["llama3"])
    server.may_list.clear()
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        questions = [asyncio.create_task(said(engine)) for _ in range(5)]
        await asyncio.wait_for(server.list_asked.wait(), 5)
        server.may_list.set()
        assert await asyncio.gather(*questions) == ["Hello there."] * 5
    assert (server.listed, set(server.asked)) == (1, {"llama3"})


async def test_a_first_question_that_is_given_up_keeps_no_other_from_looking() -> None:
    server = ModelServer(["llama3"])
    server.may_list.clear()
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        first, second = (asyncio.create_task(said(engine)) for _ in range(2))
        await asyncio.wait_for(server.list_asked.wait(), 5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.may_list.set()
        assert await second == "Hello there."
    assert server.asked == ["llama3"]


async def test_no_answer_is_lost_to_a_server_that_has_come_up() -> None:
    server = ModelServer(["llama3"])
    server.down = True
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await engine.models() == ()
        server.down = False
        assert await said(engine) == "Hello there."
        assert await engine.models() == ("llama3",)
    assert server.asked == ["tgi", "llama3"]


async def test_a_server_that_failed_to_list_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comps.llm.model_choice._AFTER_ERROR_S", 0.0)
    server = ModelServer(["llama3"])
    server.down = True
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await engine.models() == ()
        server.down = False
        assert await engine.models() == ("llama3",)


async def test_the_check_finds_the_model_too() -> None:
    server = ModelServer(["llama3"])
    server.down = True
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await engine.models() == ()
        server.down = False
        assert await engine.check() == {"server": "ok"}
        assert await engine.models() == ("llama3",)
        server.down = True
        assert "503" in (await engine.check())["server"]
        assert await engine.models() == ("llama3",)


@pytest.mark.parametrize(
    "name",
    [
        "nomic-embed-text", "qwen3-embedding:4b", "embeddinggemma", "bge-m3:latest", "BAAI/bge-reranker-v2-m3",
        "all-minilm", "sentence-transformers/all-MiniLM-L6-v2", "gte-large", "intfloat/e5-mistral-7b-instruct",
        "multilingual_e5_large", "dall-e-3", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-tts", "/models/bge-m3/",
        "davinci-002", "babbage-002", "gpt-image-1", "sora-2", "omni-moderation-latest", "gpt-4o-realtime-preview",
    ],
)  # fmt: skip
async def test_models_of_other_work_are_passed_over(name: str) -> None:
    server = ModelServer([name, "llama3"])
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await engine.models() == ("llama3",)


@pytest.mark.parametrize(
    "name", ["/home/scotts/llama-3", "/srv/tts/llama-3", "wattson", "olmoe5", "gemma-3n-e4b", "imagenius"]
)
async def test_models_are_not_passed_over_for_letters_in_their_names(name: str) -> None:
    server = ModelServer([name, "llama3"])
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await engine.models() == (name,)


@pytest.mark.parametrize("models", [["clip", "llama3"], ["clip", "siglip", "llama3", "qwen3"]])
async def test_the_next_model_answers_where_the_first_refuses_to(models: list[str]) -> None:
    server = ModelServer(models, frozenset({"clip", "siglip"}))
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await said(engine) == "Hello there."
        assert await said(engine) == "Hello there."
        assert await engine.models() == ("llama3",)
    before = models.index("llama3")
    assert server.asked == [*models[:before], "llama3", "llama3"]


TOO_LONG = "This model's maximum context length is 8192 tokens (max_position_embeddings); your messages have 9000"
FILTERED = "The response was filtered due to the prompt triggering the content management policy"
BAD_VALUE = "top_p must be in (0, 1], got 0.0"


@pytest.mark.parametrize("message", [TOO_LONG, FILTERED, BAD_VALUE], ids=["too long", "filtered", "bad value"])
@pytest.mark.parametrize("models", [["llama3", "mixtral"], ["llama3"]])
async def test_one_bad_question_asks_no_other_model_and_is_the_clients_mistake(message: str, models: list[str]) -> None:
    server = ModelServer(models)
    server.refusals = {"llama3": (400, message)}
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        with pytest.raises(BadRequestError) as caught:
            await said(engine)
        assert caught.value.message == message
        server.refusals = {}
        assert await said(engine) == "Hello there."
        assert await engine.models() == ("llama3",)
    assert server.asked == ["llama3", "llama3"]


async def test_nor_does_it_where_the_first_model_does_not_chat() -> None:
    server = ModelServer(["clip", "llama3", "mixtral"], frozenset({"clip"}))
    server.refusals = {"llama3": (400, TOO_LONG)}
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        with pytest.raises(BadRequestError):
            await said(engine)
        server.refusals = {}
        assert await said(engine) == "Hello there."
    assert server.asked == ["clip", "llama3", "clip", "llama3"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('"all-minilm" does not support chat', True),
        ('"all-minilm" does not support generate', True),
        ("The model does not support Chat Completions API", True),
        ("This is not a chat model and thus not supported in the v1/chat/completions endpoint.", True),
        ("This model is only supported in v1/responses and not in v1/chat/completions.", True),
        ("Model 'x' is an embedding model", True),
        ("Invalid URL (POST /v1/v1/chat/completions)", False),
        ("model 'x' not found, try pulling it first", False),
        ("x does not support tools", False),
        (TOO_LONG, False),
        (FILTERED, False),
        (BAD_VALUE, False),
    ],
)
def test_what_says_that_a_model_does_not_chat(message: str, expected: bool) -> None:
    assert refuses_chat(message) is expected


NOT_CHAT = "This is not a chat model. Did you mean to use v1/completions?"


async def test_a_404_that_says_that_the_model_does_not_chat_asks_the_next() -> None:
    server = ModelServer(["gpt-3.5-turbo-instruct", "gpt-5"])
    server.refusals = {"gpt-3.5-turbo-instruct": (404, NOT_CHAT)}
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        assert await said(engine) == "Hello there."
        assert engine.model == "gpt-5"


@pytest.mark.parametrize(
    ("model", "message"), [("", NOT_CHAT), ("gpt-3.5-turbo-instruct", NOT_CHAT), ("", "You have no access to it")]
)
@pytest.mark.parametrize("is_listing", [True, False])
async def test_a_404_that_says_why_is_told(model: str, message: str, is_listing: bool) -> None:
    server = ModelServer(["gpt-3.5-turbo-instruct"])
    server.refusals = dict.fromkeys(("gpt-3.5-turbo-instruct", "tgi"), (404, message))
    server.down = not is_listing
    if not is_listing:
        server.models = ["gpt-3.5-turbo-instruct", "tgi"]
    async with running(server.app()) as url, engine_at(f"{url}/v1", model=model) as engine:
        with pytest.raises(UpstreamError) as caught:
            await said(engine)
    assert message in caught.value.message
    assert ("wrong address" in caught.value.message) is (not is_listing and message != NOT_CHAT)


async def test_where_no_model_answers_it_is_a_fault_of_the_deployment() -> None:
    names = [f"clip-{index}" for index in range(9)]
    server = ModelServer(names, frozenset(names))
    async with running(server.app()) as url, engine_at(f"{url}/v1", model="") as engine:
        with pytest.raises(UpstreamError, match='set AVATAR_LLM_MODEL to one that can: "clip-3" does not') as caught:
            await said(engine)
    assert caught.value.status == 502
    assert server.asked == names[:4]


@pytest.mark.parametrize("model", ["", "llama3"])
async def test_what_a_model_that_talks_refuses_is_the_clients_mistake(model: str) -> None:
    server = ModelServer(["llama3", "qwen3"])
    async with running(server.app()) as url, engine_at(f"{url}/v1", model=model) as engine:
        if not model:
            assert await said(engine)
        server.silent = frozenset({"llama3"})
        with pytest.raises(BadRequestError, match="does not support chat"):
            await said(engine)
    assert set(server.asked) == {"llama3"}


async def test_a_model_that_the_server_lacks_is_a_fault_of_the_configuration() -> None:
    async with running(ModelServer(["llama3"]).app()) as url:
        settings = LlmSettings(engine="openai", openai_base_url=f"{url}/v1", model="gone")
        async with serving(settings) as http:
            response = await http.post("/v1/chat/completions", json={"messages": "hi"})
    assert response.status_code == 502
    error = response.json()["error"]
    assert "no model 'gone'; it has llama3" in error["message"]
    assert error["service"] == "llm"


async def test_a_model_that_a_client_chose_is_the_clients_mistake() -> None:
    async with running(ModelServer(["llama3", "qwen3"]).app()) as url:
        settings = LlmSettings(engine="openai", openai_base_url=f"{url}/v1", forward_model=True)
        async with serving(settings) as http:
            response = await http.post("/v1/chat/completions", json={"messages": "hi", "model": "gone"})
            listed = [row["id"] for row in (await http.get("/v1/models")).json()["data"]]
    assert response.status_code == 404
    assert listed == ["llama3", "qwen3"]
