"""Avatars at the command line, before the real animation service with a small engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import cv2
import pytest

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.serve import running
from tests.animation.stand_in import ENHANCERS, TABLE
from tests.gateway.conftest import Stack, open_stack
from tests.gateway.test_bad_input import ADA
from tests.gateway.test_cli import invoke


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    settings = AnimationSettings(engine="stand-in", data_dir=tmp_path / "data", size=64)
    async with AsyncExitStack() as exits:
        app = create_app(settings, TABLE, ENHANCERS)
        url = await exits.enter_async_context(running(app))
        await app.state.readiness.settled()
        yield await open_stack(exits, tmp_path, animation_url=url)


async def added(stack: Stack, picture: Path, name: str) -> str:
    result = await invoke("avatars", "add", picture, "--name", name, "--url", stack.url, "--json")
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["id"])


async def test_a_name_for_a_picture_that_is_there_is_said_to_be_of_no_use(stack: Stack, tmp_path: Path) -> None:
    face = tmp_path / "me.png"
    face.write_bytes(ADA)
    identity = await added(stack, face, "Mona")
    again = await invoke("avatars", "add", face, "--name", "Lisa", "--url", stack.url)
    assert f"already there as {identity} (Mona); its name stays" in again.stdout


@pytest.mark.parametrize("job", [(), ("--job",)])
async def test_an_avatar_answers_to_its_name_unless_two_have_it(
    stack: Stack, tmp_path: Path, job: tuple[str, ...]
) -> None:
    one, other, out = tmp_path / "one.png", tmp_path / "other.png", tmp_path / "a.mp4"
    one.write_bytes(ADA)
    picture = cv2.imread(str(one))
    assert picture is not None
    cv2.imwrite(str(other), cv2.flip(picture, 1))
    ids = [await added(stack, one, "Mona")]
    asked = ("say", "One.", *job, "-o", out, "--url", stack.url, "--avatar")
    spoken = await invoke(*asked, "mona")
    assert spoken.exit_code == 0, spoken.output
    ids.append(await added(stack, other, "MONA"))
    refused = await invoke(*asked, "Mona")
    assert refused.exit_code == 2
    assert all(identity in refused.stderr for identity in ids)
    unknown = await invoke(*asked, "Nobody")
    assert "no avatar 'Nobody'" in " ".join(unknown.stderr.split())
