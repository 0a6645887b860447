"""The embedded engine: answers from a folder of Markdown, or says that it does not know."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import cast

import anyio

from comps.core.errors import UnknownChoiceError
from comps.llm.engine import (
    FinishReason,
    LlmCapabilities,
    LlmEngine,
    LlmOptions,
    Message,
    Suggestion,
    TextPiece,
    Usage,
)
from comps.llm.knowledge.base import SHIPPED, KnowledgeBase
from comps.llm.knowledge.conversation import Conversation, Reply
from comps.llm.knowledge.text import count_tokens, first_tokens, has_cjk
from comps.llm.settings import LlmSettings


class KnowledgeEngine(LlmEngine):
    """Retrieves; it has no sampling, and system messages do not change what it says.

    A token is a word or a Chinese character. Needs no model: it loads in a quarter of a second.
    """

    model = "knowledge"

    def __init__(self, settings: object) -> None:
        self._settings = cast("LlmSettings", settings)
        self._conversation: Conversation | None = None
        self.capabilities = LlmCapabilities(sampling=False)

    async def load(self) -> None:
        """Read the folder and index it; raises EngineUnavailableError when it cannot be used."""
        self._conversation = await anyio.to_thread.run_sync(self._read)
        self.capabilities = LlmCapabilities(sampling=False, languages=self._conversation.base.languages)

    def _read(self) -> Conversation:
        base = KnowledgeBase.load(self._settings.knowledge_dir or SHIPPED)
        return Conversation(base, self._settings.knowledge_sentences)

    async def generate(self, messages: tuple[Message, ...], options: LlmOptions) -> AsyncGenerator[TextPiece, None]:
        """Yield one whole sentence per piece, tagged with its language and mood.

        Raises:
            UnknownChoiceError: the knowledge base does not speak `options.language`.
        """
        language = self._language(options.language)
        reply = await anyio.to_thread.run_sync(self._loaded.reply, messages, language)
        prompt_tokens = sum(count_tokens(message.content) for message in messages)
        for piece in _pieces(reply, options.max_tokens, prompt_tokens):
            yield piece

    async def suggestions(self, language: str, count: int) -> tuple[Suggestion, ...]:
        """Questions of the folder, in `language` or else in the one that it says most in."""
        spoken = _primary(language) if _primary(language) in self.capabilities.languages else ""
        return await anyio.to_thread.run_sync(self._loaded.suggestions, spoken, count)

    @property
    def _loaded(self) -> Conversation:
        if self._conversation is None:
            raise RuntimeError("load() comes before generate()")
        return self._conversation

    def _language(self, tag: str) -> str:
        primary = _primary(tag)
        known = self.capabilities.languages
        if primary and primary not in known:
            raise UnknownChoiceError(
                f"the knowledge base does not speak '{tag[:40]}'; it speaks: {', '.join(known)}", param="language"
            )
        return primary


def _primary(tag: str) -> str:
    """The language of a tag such as ``en-GB``."""
    return tag.lower().replace("_", "-").partition("-")[0]


def _pieces(reply: Reply, max_tokens: int, prompt_tokens: int) -> Iterator[TextPiece]:
    sentences, finish = _within(reply.sentences, max_tokens)
    written = 0
    for index, sentence in enumerate(sentences):
        last = index == len(sentences) - 1
        written += count_tokens(sentence)
        yield TextPiece(
            text=sentence if last or has_cjk(sentence[-2:]) else f"{sentence} ",
            sentence=index,
            language=reply.language,
            emotion=reply.emotion,
            finish=finish if last else None,
            usage=Usage(prompt_tokens, written),
        )


def _within(sentences: tuple[str, ...], max_tokens: int) -> tuple[tuple[str, ...], FinishReason]:
    """As many whole sentences as `max_tokens` allows; of a first one that is too long, its beginning."""
    left = max_tokens
    for index, sentence in enumerate(sentences):
        left -= count_tokens(sentence)
        if left < 0:
            return sentences[:index] or (first_tokens(sentence, max_tokens),), "length"
    return sentences, "stop"
