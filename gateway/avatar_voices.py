"""The voice that goes with an avatar's face, for turns that ask for none of their own."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from comps.core.client import Call, request_json
from comps.core.errors import AvatarError
from megaservice.transport.endpoint import Endpoint

NO_VOICE = "default"
FRESH_S = 60.0
"""How long an answer of a service holds; what a service could not say is asked again after `FAILED_S`."""
FAILED_S = 5.0
LOOKUP_S = 1.0
"""Longest wait for a service, which then may as well speak with its own default voice."""
REMEMBERED = 256
_AVATAR = re.compile(r"[a-z0-9_-]{1,100}")
_ANY_LANGUAGE = "mul"


class AvatarVoices:
    """Looks up the voices of avatars and remembers them, so that a turn waits for neither service.

    Args:
        endpoints: the services by name; one that is missing has no avatars, or no voices.
        clock: seconds.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._answers: OrderedDict[tuple[str, str], tuple[float, dict[str, Any]]] = OrderedDict()

    async def voice_of(self, avatar: str, language: str, engine: str) -> str:
        """The avatar's voice if `engine` (``""``: the usual one) has it for `language`, else ``default``.

        A voice of certain languages is not taken for ``""``: the answer may be in another. Never raises: what is
        wrong with the avatar or the engine is said by the stage that needs it.
        """
        if not _AVATAR.fullmatch(avatar or NO_VOICE):
            return NO_VOICE
        about = await self._ask("animation", f"/v1/avatars/{avatar or NO_VOICE}")
        voice = about.get("voice")
        if not isinstance(voice, str) or not voice or voice == NO_VOICE:
            return NO_VOICE
        listed = (await self._ask("tts", "/v1/voices", engine)).get("voices")
        known = listed if isinstance(listed, list) else []
        return voice if any(_offers(entry, voice, language) for entry in known) else NO_VOICE

    async def _ask(self, service: str, path: str, engine: str = "") -> dict[str, Any]:
        """The JSON object at `path`, remembered; empty when there is none."""
        key = (path, engine)
        until, answer = self._answers.get(key, (0.0, {}))
        if self._clock() < until:
            return answer
        answer = await self._fetch(service, path, engine)
        self._answers[key] = (self._clock() + (FRESH_S if answer else FAILED_S), answer)
        self._answers.move_to_end(key)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    async def _fetch(self, service: str, path: str, engine: str) -> dict[str, Any]:
        endpoint = self._endpoints.get(service)
        if endpoint is None:
            return {}
        url = endpoint.url(path) + (f"?{urlencode({'engine': engine})}" if engine else "")
        call = Call(service, url, method="GET", timeout_s=LOOKUP_S)
        try:
            answer = await request_json(endpoint.client, call)
        except AvatarError:
            return {}
        return answer if isinstance(answer, dict) else {}


def _offers(entry: object, voice: str, language: str) -> bool:
    """Whether `entry` of a list of voices is `voice` and speaks `language`."""
    if not isinstance(entry, dict) or entry.get("id") != voice:
        return False
    tags = entry.get("languages") or [_ANY_LANGUAGE]
    return _ANY_LANGUAGE in tags or (bool(language) and _base(language) in {_base(str(tag)) for tag in tags})


def _base(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].lower()
