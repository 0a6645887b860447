"""What the tests of the page do with it."""

from __future__ import annotations

import time

from playwright.sync_api import Page, Route, ViewportSize

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def current_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def holding(page: Page, pattern: str) -> list[Route]:
    """Requests of this pattern wait from now on; they come into the list, to be let go."""
    held: list[Route] = []
    page.route(pattern, lambda route: held.append(route))
    return held


def until(page: Page, expression: str) -> None:
    """Wait until a JavaScript expression is true; the page's own policy forbids the usual way, which evaluates text."""
    deadline = time.monotonic() + 30
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)


def until_playing(page: Page, seconds: float = 0.3) -> None:
    until(page, f"document.querySelector('video').currentTime > {seconds}")
