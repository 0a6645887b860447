"""The commands that list voices and avatars."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.cli.calls import call_json
from gateway.cli.failure import UsageFailureError, print_json, run
from gateway.cli.session import gateway_client

_ANY_LANGUAGE = "mul"


def list_voices(language: str, url: str, *, as_json: bool) -> None:
    """`avatarchatbot voices`."""
    voices = run(lambda: _voices(language, url))
    if as_json:
        print_json(voices)
        return
    table = Table("Voice", "Name", "Languages", box=None)
    for voice in voices:
        table.add_row(voice["id"], voice["name"], ", ".join(voice["languages"]))
    Console().print(table)


def list_avatars(url: str, *, as_json: bool) -> None:
    """`avatarchatbot avatars list`."""
    avatars = run(lambda: _fetch(url, ("animation",), "/v1/avatars", "avatars"))
    if as_json:
        print_json(avatars)
        return
    table = Table("Avatar", "Name", "Size", "From", box=None)
    for avatar in avatars:
        origin = "the package" if avatar["builtin"] else "you"
        table.add_row(avatar["id"], avatar["name"], f"{avatar['width']}x{avatar['height']}", origin)
    Console().print(table)


async def _voices(language: str, url: str) -> list[dict[str, Any]]:
    voices = await _fetch(url, ("tts",), "/v1/voices", "voices")
    fitting = speaking(voices, language)
    if not fitting:
        from comps.core.language.closest import choices

        close = _closest(voices, language)
        raise UsageFailureError(f"no voice speaks '{language}'; {choices(close, '`avatarchatbot voices`')}")
    return fitting


def speaking(voices: list[dict[str, Any]], language: str) -> list[dict[str, Any]]:
    """The voices of a language, all of them for ``""``; of a service whose voices say that they speak any, all."""
    if all(_ANY_LANGUAGE in voice["languages"] for voice in voices):
        return voices
    return [voice for voice in voices if any(_within(tag, language) for tag in voice["languages"])]


def _closest(voices: list[dict[str, Any]], language: str) -> list[str]:
    """Languages likest to `language` by their tags or by the names of their voices."""
    from comps.core.language.closest import closest

    spoken = [voice for voice in voices if _ANY_LANGUAGE not in voice["languages"]]
    labels = {
        name: f"{voice['languages'][0]} ({voice['name']})"
        for voice in spoken
        for name in (*voice["languages"], voice["name"])
    }
    return list(dict.fromkeys(labels[name] for name in closest(language, labels)))


def _within(tag: str, wanted: str) -> bool:
    """Whether a BCP 47 tag is in the range `wanted`, as ``en-GB`` is in ``en`` (RFC 4647, basic filtering)."""
    return not wanted or f"{tag}-".lower().startswith(f"{wanted}-".lower())


async def _fetch(url: str, stages: tuple[str, ...], path: str, key: str) -> list[dict[str, Any]]:
    async with gateway_client(url, stages) as client:
        answer = await call_json(client, "GET", path)
        found: list[dict[str, Any]] = answer[key]
        return found
