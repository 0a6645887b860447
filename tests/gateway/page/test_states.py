"""The page where it is easily wrong: small screens, long notes, pictures of odd shape, failures, fingers and keys."""

from __future__ import annotations

import io
import json
import re

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect

from tests.gateway.page.driving import DESKTOP, PHONE, ask, holding, until, until_playing
from tests.gateway.test_bad_input import ADA

pytestmark = pytest.mark.browser

STREAM = "**/v1/avatarchatbot/stream"
FINDING = {"severity": "warning", "message": "the face is turned away " * 4, "advice": "Turn it " * 12, "fix": ""}
COVERED = """(element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const places = [[(left + right) / 2, top + 3], [(left + right) / 2, bottom - 3]];
    return places.some(([x, y]) => !element.contains(document.elementFromPoint(x, y)));
}"""


def gone(route: Route) -> None:
    error = {"message": "the model is gone", "service": "llm", "code": "upstream_failed", "retryable": True}
    route.fulfill(status=502, json={"error": error})


def upload(page: Page, picture: bytes, name: str = "mine.png") -> None:
    page.locator("#avatar-file").set_input_files({"name": name, "mimeType": "image/png", "buffer": picture})
    expect(page.get_by_role("radio", checked=True)).to_have_text(name.removesuffix(".png"), timeout=20_000)


def on_canvas(height: float) -> bytes:
    """Ada's picture on a canvas so many times as high; a picture that is known already would keep its first name."""
    face = Image.open(io.BytesIO(ADA)).convert("RGB")
    canvas = Image.new("RGB", (face.width, round(height * face.height)), (40, 60, 80))
    canvas.paste(face, (0, 0))
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def remove_chosen(page: Page) -> None:
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="for good").click()
    expect(page.get_by_role("button", name="Remove")).to_be_hidden()


def bottom_of(page: Page, selector: str) -> float:
    return float(page.locator(selector).evaluate("element => element.getBoundingClientRect().bottom"))


def height_of(page: Page, selector: str) -> float:
    return float(page.locator(selector).evaluate("element => element.clientHeight"))


def test_a_phone_shows_the_first_questions_whole_and_everything_is_large_enough_for_a_finger(page: Page) -> None:
    page.set_viewport_size(PHONE)
    expect(page.locator("#suggestions button")).to_have_count(4)
    assert [button.evaluate(COVERED) for button in page.locator("#suggestions button").all()] == [False] * 4
    page.get_by_label("Preset").select_option("quick")
    expect(page.locator("#preset-size")).to_have_text(re.compile("384"))
    expect(page.locator("#preset-size")).to_be_visible()
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, a:not(.skip)")]
            .map((element) => [element.id || element.className, element.getBoundingClientRect()])
            .filter(([, { width, height }]) => height > 0 && Math.min(width, height) < 44)
            .map(([name]) => name)"""
    )
    assert small == []


def test_what_scrolls_past_the_stage_of_a_phone_is_covered(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.route(STREAM, gone)
    for number in range(1, 6):
        ask(page, "What can you do?")
        expect(page.locator(".failure")).to_have_count(number)
    radio = "document.querySelector('[role=radio]').getBoundingClientRect()"
    page.wait_for_function(  # it passes the stage, and the gap above it; what the page itself scrolls has come to rest
        f"""async () => {{
            scrollTo({{ top: scrollY + {radio}.top + 20, behavior: "instant" }});
            await new Promise((later) => setTimeout(later, 300));
            return Math.abs({radio}.top + 20) <= 1;
        }}"""
    )
    above = Image.open(io.BytesIO(page.screenshot(clip={"x": 0, "y": 0, "width": PHONE["width"], "height": 7})))
    assert max(high - low for low, high in above.convert("RGB").getextrema()) <= 3  # nothing but the page's own colour


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_tall_picture_and_a_long_note_leave_stage_and_composer_as_they_are(page: Page, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    page.route("**/v1/check", lambda route: route.fulfill(json={"image": {"usable": True, "findings": [FINDING] * 4}}))
    before = [height_of(page, "#screen"), bottom_of(page, "#composer")]
    upload(page, on_canvas(4), "tall.png")
    expect(page.get_by_role("status", name="Advice on the picture")).to_be_visible()
    until(page, "document.querySelector('#still').naturalHeight > 2 * document.querySelector('#still').naturalWidth")
    # the place of the face is asked for after the picture, and the picture before this one filled the stage too
    until(page, "parseFloat(document.querySelector('#still').style.objectPosition.split(' ')[1]) < 25")
    expect(page.locator("#still[data-fill]")).to_be_visible()  # not a stripe in the middle
    assert [height_of(page, "#screen"), bottom_of(page, "#composer")] == before
    assert before[1] < size["height"]
    remove_chosen(page)


def test_a_failed_question_is_asked_again(page: Page) -> None:
    page.route(STREAM, gone)
    ask(page, "Hello!")
    expect(page.locator(".failure")).to_have_text("No answer. The model is gone.")
    page.unroute(STREAM)
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("button", name="Replay")).to_be_visible(timeout=30_000)
    expect(page.locator(".asked")).to_have_text(["Hello!"])
    expect(page.locator(".failure")).to_have_count(0)


def test_only_the_newest_failure_is_asked_again(page: Page) -> None:
    page.route(STREAM, gone)
    for number in (1, 2):
        ask(page, f"Question {number}")
        expect(page.locator(".failure")).to_have_count(number)
    expect(page.get_by_role("button", name="Ask again")).to_have_count(1)


def test_a_new_question_silences_the_last_answer(page: Page) -> None:
    ask(page, "What can you do?")
    expect(page.get_by_role("button", name="Replay")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Replay").click()
    until_playing(page)
    held = holding(page, STREAM)
    ask(page, "مرحبا، كيف حالك؟")
    expect(page.locator(".asked")).to_have_count(2)
    assert page.evaluate("document.querySelector('video').paused")
    expect(page.locator(".asked").last).to_have_css("direction", "rtl")
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")  # as when the reader goes to another page
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    assert len(held) == 1


def test_an_ended_answer_does_not_show_beside_the_next_presenter(page: Page) -> None:
    video = page.locator("video")
    ask(page, "What can you do?")
    until_playing(page)
    expect(video).to_have_css("opacity", "1")
    page.get_by_role("button", name="Stop speaking").click()
    page.get_by_role("radio", name="Noor").check()
    expect(video).to_have_css("opacity", "0")


def test_a_video_that_is_kept_no_longer_says_so(page: Page) -> None:
    ask(page, "Hello!")
    expect(page.get_by_role("button", name="Replay")).to_be_visible(timeout=30_000)
    page.route("**/outputs/*", lambda route: route.fulfill(status=404, json={"error": {"message": "gone"}}))
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("alert")).to_contain_text("This video cannot be played")


def test_a_stall_does_not_double_the_work_of_each_frame(page: Page) -> None:
    page.evaluate(
        """() => {
            const request = window.requestAnimationFrame.bind(window);
            window.asked = 0;
            window.requestAnimationFrame = (callback) => { window.asked += 1; return request(callback); };
        }"""
    )
    ask(page, "What can you do?")
    until_playing(page)
    asked = page.evaluate(
        """async () => {
            const video = document.querySelector("video");
            for (let stall = 0; stall < 9; stall += 1) video.dispatchEvent(new Event("playing"));
            const frame = () => new Promise((done) => requestAnimationFrame(done));
            await frame();
            const before = window.asked;
            for (let frames = 0; frames < 10; frames += 1) await frame();
            return window.asked - before;
        }"""
    )
    assert asked <= 21  # this loop's ten, and the player's ten


def test_a_recording_is_given_up_or_asked_with_the_buttons_of_a_phone(page: Page) -> None:
    sent = holding(page, STREAM)
    page.get_by_role("button", name="Record a question").click()
    expect(page.get_by_role("timer")).to_have_text("0:01", timeout=10_000)
    page.get_by_role("button", name="Give up this recording").click()
    expect(page.get_by_role("textbox", name="Your question")).to_be_visible()
    assert sent == []
    page.get_by_role("button", name="Record a question").click()
    expect(page.get_by_role("timer")).to_have_text("0:01", timeout=10_000)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".asked")).to_have_text("Listening to your recording")


@pytest.mark.parametrize(
    ("name", "told"), [("NotAllowedError", "Allow it for this page"), ("NotFoundError", "No microphone was found")]
)
def test_a_microphone_that_is_refused_or_missing_says_what_to_do(page: Page, name: str, told: str) -> None:
    page.evaluate(
        "name => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', name)); }", name
    )
    page.get_by_role("button", name="Record a question").click()
    expect(page.get_by_role("alert")).to_contain_text(told)
    expect(page.get_by_role("textbox", name="Your question")).to_be_visible()


def test_a_double_click_removes_no_presenter_and_another_tab_may(page: Page, up: str) -> None:
    upload(page, on_canvas(1.1))
    page.get_by_role("button", name="Remove").dblclick()
    expect(page.get_by_role("button", name="Remove mine for good?")).to_be_visible()
    chosen = page.get_by_role("radio", checked=True).get_attribute("data-id")
    assert page.request.delete(f"{up}/v1/avatars/{chosen}").status == 204
    ask(page, "Hello!")
    expect(page.get_by_role("alert")).to_contain_text("avatar", timeout=10_000)
    expect(page.get_by_role("radio", checked=True)).to_have_text("Ada")


def test_a_point_is_dragged_from_beside_it(page: Page) -> None:
    upload(page, on_canvas(1.1))
    page.get_by_role("button", name="Adjust face points").click()
    point = page.get_by_role("button", name="Jaw 9", exact=True)
    expect(point).to_be_visible()
    box = point.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y + 16)
    page.mouse.down()
    page.mouse.move(x + 10, y + 26, steps=3)
    page.mouse.up()
    moved = point.bounding_box()
    assert moved is not None
    assert (moved["x"] - box["x"], moved["y"] - box["y"]) == (pytest.approx(10, abs=1), pytest.approx(10, abs=1))
    page.get_by_role("button", name="Cancel").click()
    remove_chosen(page)


def test_nothing_moves_for_those_who_ask_for_less_motion(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    held = holding(page, STREAM)
    ask(page, "What can you do?")
    expect(page.locator(".busy")).to_be_visible()
    expect(page.locator(".spinner")).to_have_css("animation-iteration-count", "1")
    expect(page.locator("#turns")).to_have_css("scroll-behavior", "auto")
    expect(page.locator("#said")).to_have_text("Thinking")  # said once, where the running text would be read in pieces
    expect(page.get_by_role("log")).to_have_attribute("aria-live", "off")
    assert len(held) == 1


def test_the_keyboard_is_never_left_without_a_place(page: Page) -> None:
    held = holding(page, STREAM)
    page.get_by_role("button", name="What can you do?").press("Enter")  # a suggestion, which goes
    expect(page.get_by_role("log")).to_be_focused()
    stop = page.get_by_role("button", name="Stop the answer")
    stop.press("Enter")
    send = page.get_by_role("button", name="Ask", exact=True)
    expect(send).to_be_focused()
    page.get_by_label("Your question").fill("Hello!")
    send.press("Enter")
    expect(stop).to_be_focused()
    stop.press("Enter")
    page.get_by_role("button", name="Record a question").press("Enter")
    page.get_by_role("button", name="Give up this recording").press("Enter")
    expect(page.get_by_role("button", name="Record a question")).to_be_focused()
    assert len(held) == 2


def contrast(page: Page, element: str) -> float:
    """The contrast of the text of an element with what is behind it, as WCAG 2 defines it."""
    return float(
        page.locator(element).first.evaluate(
            """(element) => {
                const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
                const behind = (at) => {
                    const [r, g, b, a = 1] = numbers(getComputedStyle(at).backgroundColor);
                    return a === 0 ? behind(at.parentElement) : [r, g, b];
                };
                const light = (rgb) => rgb.slice(0, 3).reduce((sum, value, i) => {
                    const part = value / 255;
                    const linear = part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
                    return sum + linear * [0.2126, 0.7152, 0.0722][i];
                }, 0);
                const pair = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => a - b);
                return (pair[1] + 0.05) / (pair[0] + 0.05);
            }"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(browser: Browser, up: str, scheme: str) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.route(STREAM, gone)
    page.goto(up)
    expect(page.locator("#suggestions button")).to_have_count(4, timeout=15_000)
    first = [".welcome p", "#suggestions button", ".face span", "#health-text", "#preset-cost", "#voice", "#send"]
    seen = {element: contrast(page, element) for element in first}
    ask(page, "Hello!")
    expect(page.locator(".failure")).to_be_visible()
    then = [".failure", ".failure strong", ".asked", "[data-state=failed] .step-name", ".turn-foot button"]
    seen |= {element: contrast(page, element) for element in then}
    context.close()
    assert {element: ratio for element, ratio in seen.items() if ratio < 4.5} == {}, json.dumps(seen)
