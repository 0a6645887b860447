"""A real Chromium, and the page in it before the real stack."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.gateway.page.driving import DESKTOP

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Callable[..., Browser]]:
    """Starts browsers, each with more arguments of its own."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.fail(
            "no Chromium on this machine: `make test` installs it; or leave these tests out with -m 'not browser'"
        )
    expect.set_options(timeout=15_000)  # a busy machine is slow, not wrong
    with sync_playwright() as playwright:
        yield lambda *more: playwright.chromium.launch(executable_path=program, args=[*ARGS, *more])


@pytest.fixture(scope="module")
def browser(chromium: Callable[..., Browser]) -> Iterator[Browser]:
    started = chromium()
    yield started
    started.close()


@pytest.fixture
def page(browser: Browser, up: str) -> Iterator[Page]:
    """The page, loaded; a script error or a file from elsewhere fails the test."""
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("request", lambda request: _own(request.url, up, problems))
    tab.goto(up)
    expect(tab.get_by_role("radio").first).to_be_visible(timeout=15_000)
    yield tab
    context.close()
    assert problems == []


def _own(url: str, up: str, problems: list[str]) -> None:
    if not url.startswith((up, "blob:", "data:")):
        problems.append(f"asked {url}")
