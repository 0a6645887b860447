"""Any server with OpenAI's chat interface: vLLM, TGI, Ollama, llama.cpp and the like."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from comps.core.client import Call, ClientOptions, create_client, request_json, stream_bytes
from comps.core.engine import UPSTREAM
from comps.core.errors import AvatarError, EngineUnavailableError, UnprocessableError
from comps.llm.chat_stream import read_chat
from comps.llm.engine import LlmCapabilities, LlmEngine, LlmOptions, Message, TextPiece
from comps.llm.prompt import with_system_prompt
from comps.llm.reply import SERVICE
from comps.llm.settings import LlmSettings

DEFAULT_MODEL = "tgi"
"""What TGI calls the one model it has; vLLM and Ollama want a real name in `AVATAR_LLM_MODEL`."""

_CHECK_TIMEOUT_S = 1.5
_STANDARD = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")
_EXTRA: dict[str, tuple[float, ...]] = {"top_k": (10,), "repetition_penalty": (1, 1.03)}


class OpenAiEngine(LlmEngine):
    """Hands the conversation on and streams what comes back. Without a key no Authorization header is sent."""

    def __init__(self, settings: object) -> None:
        self._settings = cast("LlmSettings", settings)
        self.model = self._settings.model or DEFAULT_MODEL
        self.capabilities = LlmCapabilities(sampling=True)
        self._client: httpx.AsyncClient | None = None

    async def load(self) -> None:
        """Make the client; the server may come up later. Raises EngineUnavailableError for a bad address."""
        settings = self._settings
        key = settings.openai_api_key
        options = ClientOptions(
            api_key=key.get_secret_value() if key else None, read_timeout_s=settings.openai_timeout_s
        )
        self._client = create_client(chat_base(settings.openai_base_url), options)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def check(self) -> dict[str, str]:
        """Whether the server lists its models."""
        call = Call(SERVICE, "models", method="GET", timeout_s=_CHECK_TIMEOUT_S)
        try:
            await request_json(self._loaded, call)
        except AvatarError as error:
            return {UPSTREAM: error.message}
        return {UPSTREAM: "ok"}

    async def generate(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncGenerator[TextPiece, None]:
        """Yield pieces as they arrive; closing the generator closes the connection, which stops the server.

        Raises:
            UpstreamError: the server cannot be reached, fails, or sends no chat answer.
            UpstreamTimeoutError: it is silent for too long.
            UnprocessableError: it is said not to know a sampling field that asks for something.
        """
        call = Call(SERVICE, "chat/completions", json=self._body(messages, options))
        async with aclosing(read_chat(_parts(self._loaded, call))) as pieces:
            async for piece in pieces:
                yield piece

    @property
    def _loaded(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("load() comes before generate()")
        return self._client

    def _body(self, messages: tuple[Message, ...], options: LlmOptions) -> dict[str, Any]:
        conversation = with_system_prompt(messages, self._settings.system_prompt, options)
        body: dict[str, Any] = {
            "model": options.model or self.model,
            "messages": [{"role": message.role, "content": message.content} for message in conversation],
            "max_tokens": options.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body |= {name: value for name in _STANDARD if (value := getattr(options, name)) is not None}
        body |= self._extra(options)
        return (
            body
            | ({"stop": list(options.stop)} if options.stop else {})
            | ({"user": options.user} if options.user else {})
        )

    def _extra(self, options: LlmOptions) -> dict[str, Any]:
        """Sampling fields beyond OpenAI's own; a server without them gets none, and a client that wants them 422."""
        given = {name: value for name in _EXTRA if (value := getattr(options, name)) is not None}
        if self._settings.openai_extra_sampling:
            return given
        for name, value in given.items():
            if value not in _EXTRA[name]:
                raise UnprocessableError(f"the language model's server does not know '{name}'", param=name)
        return {}


def chat_base(url: str) -> str:
    """The base URL with its path, ``/v1`` when none is given; raises EngineUnavailableError for no URL at all."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EngineUnavailableError(
            "engine 'openai' needs AVATAR_LLM_OPENAI_BASE_URL, such as http://127.0.0.1:8000/v1"
        )
    return f"{url.rstrip('/')}/" if parts.path.strip("/") else f"{url.rstrip('/')}/v1/"


async def _parts(client: httpx.AsyncClient, call: Call) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream_bytes(client, call)) as parts:
        async for part in parts:
            yield part
