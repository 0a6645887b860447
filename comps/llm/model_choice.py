"""Which model of a server answers where none is set: the first it lists that holds a conversation."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from math import inf

from comps.core.errors import AvatarError, NotFoundError

DEFAULT_MODEL = "tgi"
"""What TGI calls the one model it has; asked for where no model is set and the server does not list any."""
_OTHER_WORK = re.compile(
    r"(?<![a-z0-9])(?:embed\w*|rerank\w*|bge|gte|e5|minilm|whisper|transcribe|tts|realtime|dall-e|image|sora|moderation"
    r"|davinci|babbage)(?![a-z0-9])",
    re.IGNORECASE,
)
"""Words in the names of models that hold no conversation: they embed, rank, hear, speak, draw, judge or only go on."""
_NO_CHAT = re.compile(
    r"does not support (?:chat|generat)|not a chat model|embeddings? model|not in v1/chat/completions", re.IGNORECASE
)
"""What Ollama, vLLM, OpenAI and their like say of a model that answers nobody, whatever it is asked."""
_LOOKS_AGAIN_S, _AFTER_ERROR_S = 60.0, 5.0
"""A server that lists no models, or fails to, is not asked for them before every answer."""
_MOST_ASKED = 4
"""Models that are asked one conversation, each after the one before refused it."""


class ModelChoice:
    """The model of a server that answers, and how it is found.

    One that has answered is asked until the server neither knows it nor lists it any more, whatever else it lists.

    Args:
        configured: the model that is set, for which nothing else is taken; empty where none is.
        listed: gives the names of the server's models, as it orders them; raises AvatarError.

    Attributes:
        name: the model to ask.
        known: whether it is set, or the server said which models it has before one had answered.
    """

    def __init__(self, configured: str, listed: Callable[[], Awaitable[tuple[str, ...]]]) -> None:
        self.name = configured or DEFAULT_MODEL
        self.known = self._configured = bool(configured)
        self._listed = listed
        self._answered = configured
        self._looks_from = inf if configured else 0.0
        self._lock = asyncio.Lock()

    async def find(self) -> str:
        """The model to ask; the server is asked for its list where that is due, once for all who wait for it."""
        if self._is_due():
            async with self._lock:
                if self._is_due():
                    with suppress(AvatarError):
                        await self.look()
        return self.name

    async def look(self) -> tuple[str, ...]:
        """The names of the server's models now, from which one is chosen where none is set; raises AvatarError."""
        try:
            names = await self._listed()
        except NotFoundError:  # it has no list
            self._take(())
            raise
        except AvatarError:
            self._look_later()
            raise
        self._take(names)
        return names

    def keep(self, model: str) -> None:
        """`model` has answered, and will be asked again, without another look at the list."""
        self.name = self._answered = model
        self._looks_from = inf

    def is_sure(self, model: str) -> bool:
        """Whether it holds conversations, so that one it refuses is at fault: it is set, or has answered."""
        return model == self._answered

    def other_than(self, refused: Collection[str], names: Sequence[str]) -> str:
        """The first of `names` to ask after those that `refused`; empty where one is set, or there is none to try."""
        if self._configured or len(refused) >= _MOST_ASKED:
            return ""
        return next((name for name in names if _talks(name) and name not in refused), "")

    def _is_due(self) -> bool:
        return time.monotonic() >= self._looks_from

    def _take(self, names: Sequence[str]) -> None:
        """Choose from a list where no model has answered; the one of before stays while no other is there instead."""
        if self._answered:
            return
        talking = [name for name in names if _talks(name)]
        if talking and self.name not in talking:
            self.name = talking[0]
        self.known = True
        self._looks_from = inf if talking else time.monotonic() + _LOOKS_AGAIN_S

    def _look_later(self) -> None:
        if self._looks_from < inf:
            self.known = False
            self._looks_from = time.monotonic() + _AFTER_ERROR_S


def refuses_chat(message: str) -> bool:
    """Whether a server that refused with `message` says that the model holds no conversation at all."""
    return bool(_NO_CHAT.search(message))


def _talks(name: str) -> bool:
    """Whether a model seems to hold conversations; folders before its name say nothing about it."""
    return not _OTHER_WORK.search(name.rstrip("/").rpartition("/")[2])
