"""The page in a real browser, before the real stack."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from comps.core.language.sentences import join_sentences
from tests.gateway.page.driving import DESKTOP, PHONE, ask, current_time, holding, until, until_playing
from tests.gateway.test_bad_input import ADA, NO_FACE
from tests.language.gaps import GAPS

pytestmark = pytest.mark.browser

QUESTION = Path(__file__).parents[3] / "examples" / "question.wav"


def test_a_typed_question_is_answered_live(page: Page) -> None:
    ask(page, "What can you do?")
    until_playing(page)
    assert page.evaluate("document.querySelector('video').videoWidth") == 512
    assert page.evaluate("document.querySelector('video').src").startswith("blob:")
    first = current_time(page)
    until_playing(page, first + 0.5)
    expect(page.locator(".asked")).to_have_text("What can you do?")
    expect(page.get_by_role("button", name="Replay")).to_be_visible(timeout=30_000)
    expect(page.locator("#steps li[data-state=done]").first).to_be_visible()
    expect(page.locator("[data-stage=animation] .step-time")).to_have_text(re.compile(r"\d m?s$"))


def test_the_picture_is_not_blank(page: Page) -> None:
    ask(page, "What can you do?")
    until_playing(page)
    spread = page.evaluate(
        """() => {
          const video = document.querySelector('video');
          const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 64});
          const context = canvas.getContext('2d');
          context.drawImage(video, 0, 0, 64, 64);
          const pixels = context.getImageData(0, 0, 64, 64).data;
          return Math.max(...pixels.filter((_, i) => i % 4 < 3)) - Math.min(...pixels.filter((_, i) => i % 4 < 3));
        }"""
    )
    assert spread > 60


def test_a_second_question_remembers_the_first(page: Page) -> None:
    ask(page, "Hello!")
    expect(page.get_by_role("button", name="Replay")).to_have_count(1, timeout=30_000)
    with page.expect_request("**/v1/avatarchatbot/stream") as sent:
        ask(page, "Can I use my own photo?")
    body = sent.value.post_data_json
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
    assert body["messages"][0]["content"] == "Hello!"
    expect(page.get_by_role("button", name="Replay")).to_have_count(2, timeout=30_000)


def test_stop_ends_the_answer(page: Page) -> None:
    ask(page, "What can you do?")
    page.get_by_role("button", name="Stop the answer").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    ask(page, "Can I use my own photo?")
    until_playing(page)


def test_a_finished_answer_can_be_replayed_and_saved(page: Page) -> None:
    ask(page, "Hello!")
    replay = page.get_by_role("button", name="Replay")
    expect(replay).to_be_visible(timeout=30_000)
    until(page, "document.querySelector('video').ended")
    replay.click()
    until_playing(page)
    page.get_by_role("button", name="Stop speaking").click()
    until(page, "document.querySelector('video').paused")
    expect(page.get_by_role("button", name="Stop speaking")).to_be_hidden()
    save = page.get_by_role("link", name="Save video")
    # relative: behind a proxy that speaks HTTPS the gateway does not know its own address
    assert (save.get_attribute("href") or "").startswith("outputs/")
    with page.expect_download() as download:
        save.click()
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"


def test_a_recorded_question_is_sent(page: Page) -> None:
    record = page.get_by_role("button", name="Record a question")
    record.click()
    expect(page.get_by_role("timer")).to_have_text("0:01", timeout=10_000)
    with page.expect_request("**/v1/avatarchatbot/stream") as sent:
        page.get_by_role("button", name="Stop recording and ask").click()
    assert len(sent.value.post_data_json["audio"]) > 1000
    # the browser's own test tone is no speech: whatever is made of it, the page stays usable
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible(timeout=30_000)


WATCH_MICROPHONE = """() => {
    const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
    window.streams = [];
    window.allowed = Promise.resolve();
    media.getUserMedia = async (wanted) => {
        await window.allowed;
        window.streams.push(await open(wanted));
        return window.streams.at(-1);
    };
}"""
TRACKS = "window.streams.flatMap((stream) => stream.getTracks().map((track) => track.readyState))"


def test_a_second_click_while_the_browser_asks_gives_up(page: Page) -> None:
    page.evaluate(WATCH_MICROPHONE)
    page.evaluate("() => { window.allowed = new Promise((allow) => (window.allow = allow)); }")
    page.get_by_role("button", name="Record a question").click()
    page.get_by_role("button", name="Stop recording and ask").click()
    page.evaluate("() => window.allow()")
    expect(page.get_by_role("button", name="Record a question")).to_be_visible()
    assert page.evaluate(TRACKS) == ["ended"]


def test_a_recorder_that_fails_lets_go_of_the_microphone(page: Page) -> None:
    page.evaluate(WATCH_MICROPHONE)
    page.evaluate("() => { window.MediaRecorder = class { constructor() { throw new Error('no codec'); } }; }")
    for tries in (1, 2):
        page.get_by_role("button", name="Record a question").click()
        expect(page.get_by_role("button", name="Record a question")).to_be_visible()
        expect(page.get_by_text("no codec")).to_be_visible()
        assert page.evaluate(TRACKS) == ["ended"] * tries


def test_a_browser_without_room_is_asked_again(page: Page) -> None:
    page.evaluate(
        """() => {
            const append = SourceBuffer.prototype.appendBuffer;
            window.refused = 0;
            SourceBuffer.prototype.appendBuffer = function (piece) {
                if (window.refused++ % 3 === 1) throw new DOMException("full", "QuotaExceededError");
                return append.call(this, piece);
            };
        }"""
    )
    ask(page, "Hello!")
    until(page, "document.querySelector('video').ended")
    assert page.evaluate("window.refused") > 2


def test_a_bad_upload_says_why_and_a_good_one_is_chosen(page: Page) -> None:
    chooser = page.locator("#avatar-file")
    chooser.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    expect(page.get_by_role("alert")).to_contain_text("no picture", timeout=10_000)
    chooser.set_input_files({"name": "meadow.jpg", "mimeType": "image/jpeg", "buffer": NO_FACE})
    advice = page.get_by_role("status", name="Advice on the picture")
    expect(advice).to_contain_text("No face was found", timeout=10_000)
    expect(page.get_by_role("alert")).to_have_count(0)
    faces = page.get_by_role("radio")
    before = faces.count()
    chooser.set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": ADA})
    expect(faces).to_have_count(before + 1, timeout=15_000)
    expect(page.get_by_role("radio", checked=True)).to_have_text("me")
    expect(page.get_by_role("alert").first).to_be_hidden()


def test_points_are_moved_and_saved(page: Page) -> None:
    page.locator("#avatar-file").set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": ADA})
    page.get_by_role("button", name="Adjust face points").click()
    point = page.get_by_role("button", name="Lips, outside 1", exact=True)
    expect(point).to_be_visible()
    before = float(point.get_attribute("cx") or 0)
    point.focus()
    page.keyboard.press("Shift+ArrowLeft")
    moved = float(point.get_attribute("cx") or 0)
    assert moved < before
    with page.expect_response("**/rig") as saved:
        page.get_by_role("button", name="Save points").click()
    assert saved.value.status == 200
    page.get_by_role("button", name="Adjust face points").click()
    expect(point).to_have_attribute("cx", str(moved))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Remove").click()
    page.locator("#question").click()
    expect(page.get_by_role("button", name="Remove", exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="for good").click()
    expect(page.get_by_role("button", name="Remove")).to_be_hidden()


def test_avatars_are_chosen_with_the_keyboard(page: Page) -> None:
    page.get_by_role("radio", name="Ada").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Noor")).to_have_attribute("aria-checked", "true")
    with page.expect_request("**/v1/avatarchatbot/stream") as sent:
        ask(page, "What can you do?")
    assert sent.value.post_data_json["avatar"] == "noor"


def test_presenters_come_when_their_service_does(browser: Browser, up: str) -> None:
    """The services behind the gateway start at their own pace, and may be down when the page is opened."""
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    down = {"error": {"message": "animation cannot be reached; is it running?", "service": "animation"}}
    tab.route("**/v1/avatars", lambda route: route.fulfill(status=502, json=down))
    tab.goto(up)
    expect(tab.get_by_role("alert").first).to_contain_text("Animation cannot be reached", timeout=15_000)
    expect(tab.get_by_role("radio")).to_have_count(0)
    tab.unroute("**/v1/avatars")
    expect(tab.get_by_role("radio").first).to_be_visible(timeout=15_000)
    expect(tab.get_by_role("alert").first).to_be_hidden()
    context.close()


def test_every_language_has_a_name(page: Page) -> None:
    options = page.get_by_label("Language").locator("option")
    expect(options.nth(50)).to_be_attached()
    named = {o.get_attribute("value"): o.text_content() for o in options.all()}
    assert [code for code, name in named.items() if code == name] == []
    assert (named["de"], named["piqd"], named["py"]) == ("German", "Klingon", "Pyash")
    assert (named["zh"], named["grc"], named["hyw"]) == ("Chinese", "Greek (Ancient)", "Armenian (West Armenia)")
    assert {"cmn", "hbs", "xex"}.isdisjoint(named)
    names = list(named.values())[1:]
    assert len(names) == len(set(names))
    assert names == sorted(names, key=lambda name: name.replace("ā", "a").lower())


def test_a_language_with_two_codes_has_its_voices(page: Page) -> None:
    page.get_by_label("Language").select_option("zh")
    values = page.get_by_label("Voice").locator("option").evaluate_all("options => options.map((o) => o.value)")
    assert "sit/cmn" in values
    assert "gmw/en-US" not in values


def test_suggestions_come_from_the_base_in_the_chosen_language(page: Page) -> None:
    suggestions = page.locator("#suggestions button")
    expect(suggestions).to_have_count(4)
    expect(suggestions.first).to_have_text("What can you do?")
    page.get_by_label("Language").select_option("zh")
    expect(suggestions.first).to_have_text("你能做什么？")
    expect(suggestions.first).to_have_attribute("lang", "zh")
    with page.expect_request("**/v1/avatarchatbot/stream") as sent:
        suggestions.nth(1).click()
    assert (sent.value.post_data_json["text"], sent.value.post_data_json["language"]) == (
        "可以用我自己的照片吗？",
        "zh",
    )


def test_a_model_without_topics_suggests_nothing(page: Page, up: str) -> None:
    page.route("**/v1/suggestions*", lambda route: route.fulfill(json={"suggestions": []}))
    page.goto(up)
    expect(page.get_by_role("radio").first).to_be_visible(timeout=15_000)
    expect(page.get_by_role("heading", name="Ask me something")).to_be_visible()
    expect(page.locator("#suggestions")).to_be_hidden()


def test_voice_and_language_are_sent(page: Page) -> None:
    page.get_by_label("Language").select_option("de")
    voice = page.get_by_label("Voice").locator("option").nth(1).get_attribute("value")
    assert voice
    page.get_by_label("Voice").select_option(voice)
    with page.expect_request("**/v1/avatarchatbot/stream") as sent:
        ask(page, "What can you do?")
    assert (sent.value.post_data_json["language"], sent.value.post_data_json["voice"]) == ("de", voice)


def test_a_file_that_is_no_sound_says_so_where_the_answer_would_be(page: Page) -> None:
    page.locator("#sound-file").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no sound"})
    reason = page.locator(".turn").get_by_role("alert")
    expect(reason).to_contain_text("notes.txt holds no audio in a known format. Choose a sound file", timeout=10_000)
    expect(page.locator(".asked")).to_have_text("notes.txt")
    expect(page.get_by_role("button", name="Ask again")).to_have_count(0)
    expect(page.locator("[data-stage=asr][data-state=failed]")).to_be_visible()


def test_the_api_can_be_tried_without_another_host(page: Page, up: str) -> None:
    page.goto(f"{up}/docs")
    expect(page.get_by_text("/v1/avatarchatbot", exact=True)).to_be_visible(timeout=15_000)
    page.locator("#operations-tts-pass_tts_v1_voices_v1_voices_get").get_by_role("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")


def test_the_theme_is_kept(page: Page) -> None:
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_phone_shows_everything_without_sideways_scrolling(page: Page) -> None:
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ask(page, "why " * 5000)
    expect(page.get_by_role("alert")).to_be_in_viewport(ratio=1)
    ask(page, "What can you do?")
    until_playing(page)
    expect(page.locator("video")).to_be_in_viewport()
    expect(page.get_by_role("textbox", name="Your question")).to_be_in_viewport()


def test_advice_on_a_picture_and_its_mended_version(page: Page, tmp_path: Path) -> None:
    dark = Image.open(io.BytesIO(ADA)).convert("RGB").point(lambda value: int(value * 0.25))
    dark.save(tmp_path / "dim.png")
    presenters = page.get_by_role("radio").count()
    page.set_input_files("#avatar-file", tmp_path / "dim.png")
    advice = page.get_by_role("status", name="Advice on the picture")
    expect(advice.get_by_text("The face is dark")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("radio")).to_have_count(presenters + 1)
    chosen = page.locator("#avatars [aria-checked=true]")
    dim = chosen.get_attribute("data-id")
    assert dim
    advice.get_by_role("button", name="Mend it and use that").click()
    expect(chosen).not_to_have_attribute("data-id", dim, timeout=20_000)
    expect(page.locator(f"[data-id='{dim}']")).to_have_count(0, timeout=20_000)
    expect(advice).to_be_hidden()
    expect(page.get_by_role("radio")).to_have_count(presenters + 1)
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="for good").click()
    expect(page.get_by_role("radio")).to_have_count(presenters)


@pytest.mark.parametrize("edited_after", [False, True])
def test_mending_a_picture_removes_no_presenter_that_was_known_or_edited(
    page: Page, up: str, edited_after: bool
) -> None:
    dark, file = io.BytesIO(), "#avatar-file"
    Image.open(io.BytesIO(ADA)).convert("RGB").point(lambda value: int(value * 0.24)).save(dark, "png")
    picture = {"name": "dim.png", "mimeType": "image/png", "buffer": dark.getvalue()}
    chosen = page.locator("#avatars [aria-checked=true]")
    if edited_after:
        page.set_input_files(file, picture)
    else:  # in another tab, of which this one has not heard
        added = page.request.post(f"{up}/v1/avatars", multipart={"file": picture})
        page.set_input_files(file, picture)
        expect(chosen).to_have_attribute("data-id", added.json()["id"], timeout=15_000)
    mend = page.get_by_role("status", name="Advice on the picture").get_by_role("button", name="Mend it and use that")
    expect(mend).to_be_visible(timeout=15_000)
    expect(chosen.get_by_text("dim")).to_be_visible()
    dim = chosen.get_attribute("data-id")
    points = f"{up}/v1/avatars/{dim}/rig"
    if edited_after:
        page.get_by_role("button", name="Adjust face points").click()
        page.get_by_role("button", name="Save points").click()
        expect(page.locator("#editor")).to_be_hidden()
        assert page.request.get(points).json()["source"] == "edited"
    button = mend.element_handle()
    button.click()
    while button.evaluate("button => button.disabled"):  # until all is done; it has left the page by then
        page.wait_for_timeout(50)
    expect(chosen).not_to_have_attribute("data-id", dim or "")
    assert page.request.get(points).status == 200
    expect(page.locator(f"[data-id='{dim}']")).to_have_count(1)
    for used in (dim, chosen.get_attribute("data-id")):
        assert page.request.delete(f"{up}/v1/avatars/{used}").status == 204


def test_the_page_closes_sentences_up_as_the_server_does(page: Page) -> None:
    shown = page.evaluate(
        """async (ends) => {
          const { gapAfter, lastSign } = await import('/page/gap.js');
          const gapOf = (text) => gapAfter(lastSign(text));
          const { Turn } = await import('/page/turn.js');
          const turn = new Turn('q');
          for (const text of ['他说：“很好！', '”', '我想想……', 'Well…', 'Yes.']) turn.spoke({ text, words: [], start: 0 });
          const signs = [];
          for (let code = 1; code < 0x10000; code += 1) {
            const sign = String.fromCharCode(code);
            if (!gapOf(sign)) signs.push(code);
            if (!gapOf(`好${sign}`)) signs.push(-code);
          }
          return { gaps: ends.map(gapOf), text: turn.answered.textContent, signs };
        }""",
        [end for end, _ in GAPS],
    )
    assert shown["gaps"] == [gap for _, gap in GAPS]
    assert shown["text"] == "他说：“很好！”我想想……Well… Yes."
    server = [
        sign * code
        for code in range(1, 0x10000)
        for sign, text in ((1, chr(code)), (-1, f"好{chr(code)}"))
        if join_sentences([text, "X"]) == f"{text}X"
    ]
    assert shown["signs"] == server


def test_many_sentences_are_written_in_no_time(page: Page) -> None:
    took_ms = page.evaluate(
        """async () => {
          const { Turn } = await import('/page/turn.js');
          const turn = new Turn('q');
          const began = performance.now();
          for (let at = 0; at < 30_000; at += 1) {
            turn.wrote('好。');
            turn.spoke({ text: '好。', words: [], start: at });
          }
          return performance.now() - began;
        }"""
    )
    assert took_ms < 2000


def test_the_mark_of_a_failed_stage_goes_when_the_reader_goes_on(page: Page) -> None:
    failed = page.locator("#steps [data-state=failed]")
    for forget in (
        lambda: page.get_by_role("button", name="New conversation").click(),
        lambda: page.get_by_label("Your question").fill("W"),
    ):
        page.locator("#sound-file").set_input_files({"name": "q.wav", "mimeType": "audio/wav", "buffer": b"no sound"})
        expect(failed).to_be_visible(timeout=10_000)
        forget()
        expect(failed).to_have_count(0)


def test_a_question_sent_before_the_page_is_ready_is_asked_when_it_is(browser: Browser, up: str) -> None:
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    script, avatars = holding(tab, "**/page/app.js"), holding(tab, "**/v1/avatars")
    tab.goto(up, wait_until="commit")
    tab.get_by_label("Your question").click()
    tab.keyboard.type("What can you do?")
    tab.keyboard.press("Enter")
    while not script:
        tab.wait_for_timeout(50)
    script.pop().continue_()
    expect(tab.locator("#question-note")).to_have_text("Asked as soon as the services are ready.")
    while not avatars:
        tab.wait_for_timeout(50)
    avatars.pop().continue_()
    expect(tab.locator(".asked")).to_have_text("What can you do?")
    expect(tab.locator("#question-note")).to_be_hidden()
    expect(tab.get_by_role("button", name="Replay")).to_be_visible(timeout=30_000)
    context.close()


def test_a_question_sent_during_an_answer_waits_and_says_so(page: Page) -> None:
    held = holding(page, "**/v1/avatarchatbot/stream")
    ask(page, "What can you do?")
    expect(page.locator(".asked")).to_have_count(1)
    ask(page, "Can I use my own photo?")
    note = page.locator("#question-note")
    expect(note).to_contain_text("Asked when this answer is ready")
    page.get_by_label("Your question").press_sequentially("?")  # changed: it waits no longer
    expect(note).to_be_hidden()
    page.keyboard.press("Enter")
    held.pop().continue_()
    expect(page.locator(".asked").last).to_have_text("Can I use my own photo??", timeout=30_000)
    expect(note).to_be_hidden()
    while not held:
        page.wait_for_timeout(50)
    held.pop().continue_()
    expect(page.get_by_role("button", name="Replay")).to_have_count(2, timeout=30_000)


@pytest.mark.parametrize("end", ["Enter", "Escape"])
def test_a_question_that_waits_lets_a_recording_end(browser: Browser, up: str, end: str) -> None:
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    avatars = holding(tab, "**/v1/avatars")
    tab.goto(up)
    while not avatars:
        tab.wait_for_timeout(50)
    ask(tab, "What can you do?")
    record = tab.get_by_role("button", name="Record a question")
    record.click()
    expect(tab.get_by_role("timer")).to_have_text("0:01", timeout=10_000)
    avatars.pop().continue_()
    note = tab.locator("#question-note")
    expect(note).to_have_text("Asked after the question that is being recorded.")
    tab.get_by_role("button", name="What").first.click()  # a suggestion
    expect(tab.get_by_role("alert")).to_contain_text("A question is being recorded.")
    expect(tab.locator(".asked")).to_have_count(0)
    held = holding(tab, "**/v1/avatarchatbot/stream")
    if end == "Escape":
        tab.keyboard.press("Escape")
        while not held:
            tab.wait_for_timeout(50)
        expect(tab.get_by_role("alert")).to_have_count(0)  # nothing is being recorded any more
        held[0].continue_()
    else:
        tab.get_by_role("button", name="Stop recording and ask").click()
        while not held:
            tab.wait_for_timeout(50)
        assert len(held[0].request.post_data_json["audio"]) > 1000
        tab.get_by_role("button", name="Stop").click()  # the browser's test tone is no speech
        while len(held) < 2:
            tab.wait_for_timeout(50)
        held[1].continue_()
    expect(tab.locator(".asked").last).to_have_text("What can you do?")
    expect(note).to_be_hidden()
    context.close()


def test_what_waits_is_not_asked_after_a_failure(page: Page) -> None:
    held = holding(page, "**/v1/avatarchatbot/stream")
    ask(page, "What can you do?")
    expect(page.locator(".asked")).to_have_count(1)
    ask(page, "Can I use my own photo?")
    held[0].fulfill(status=502, json={"error": {"message": "the model is gone", "service": "llm"}})
    expect(page.get_by_role("alert")).to_contain_text("The model is gone.")
    expect(page.get_by_label("Your question")).to_have_value("Can I use my own photo?")
    expect(page.locator(".asked")).to_have_count(1)
    expect(page.locator("#question-note")).to_be_hidden()


def test_a_question_that_is_too_long_is_refused_and_kept(page: Page) -> None:
    ask(page, "why " * 5000)
    expect(page.get_by_role("alert")).to_contain_text("This question has 19,999 characters; at most 4,000 can be asked")
    assert len(page.get_by_label("Your question").input_value()) == 20_000
    expect(page.locator(".asked")).to_have_count(0)


def test_a_long_question_does_not_fill_the_conversation(page: Page) -> None:
    ask(page, "why " * 999)
    bubble = page.locator(".asked")
    expect(bubble).to_be_visible()
    box = bubble.bounding_box()
    assert box is not None
    assert box["height"] < 260
    assert bubble.evaluate("element => element.scrollHeight > element.clientHeight")


def test_the_picture_can_be_worth_more_or_less_work(page: Page, up: str) -> None:
    picker, cost = page.get_by_label("Preset"), page.locator(".preset-cost")
    expect(cost).to_contain_text("512 px, 25 frames/s")
    picker.select_option("quick")
    expect(cost).to_contain_text("384 px, 20 frames/s")
    with page.expect_request("**/v1/avatarchatbot/stream") as sent:
        ask(page, "What can you do?")
    assert sent.value.post_data_json["preset"] == "quick"
    until_playing(page)
    assert page.evaluate("document.querySelector('video').videoWidth") == 384
    page.goto(up)
    expect(picker).to_have_value("quick", timeout=15_000)


@pytest.mark.parametrize(("work_s", "said"), [(0.04, "less than 1 s"), (0.31, "about 3 s"), (40, "about 7 min")])
def test_what_a_preset_costs_is_told_and_measured_where_it_is_not_known(
    page: Page, up: str, work_s: float, said: str
) -> None:
    row = {"name": "standard", "size": 512, "fps": 25, "video_preset": "superfast", "enhancer": ""}

    def answer(route: Route) -> None:
        known = work_s if route.request.method == "POST" else None
        route.fulfill(json={"engine": "portrait", "machine": "", "presets": [{**row, "work_s": known}]})

    page.route("**/v1/presets", answer)
    page.goto(up)
    cost = page.locator(".preset-cost")
    expect(cost).to_have_text("512 px, 25 frames/s; time not known yet", timeout=15_000)
    page.get_by_role("button", name="Measure").click()
    expect(cost).to_have_text(f"512 px, 25 frames/s; 10 s of speech in {said}")
    expect(page.get_by_role("button", name="Measure")).to_be_hidden()


def test_a_service_without_presets_is_asked_without_one(page: Page, up: str) -> None:
    page.route("**/v1/presets", lambda route: route.fulfill(status=404, json={"error": {"message": "no"}}))
    page.goto(up)
    expect(page.get_by_role("radio").first).to_be_visible(timeout=15_000)
    expect(page.locator("#preset-row")).to_be_hidden()
    with page.expect_request("**/v1/avatarchatbot/stream") as sent:
        ask(page, "What can you do?")
    assert "preset" not in sent.value.post_data_json


def test_the_newest_answer_stays_in_sight(page: Page) -> None:
    for number in range(5):
        ask(page, "What can you do?")
        expect(page.get_by_role("button", name="Replay")).to_have_count(number + 1, timeout=30_000)
    # What has grown is followed when the next frame is drawn.
    page.wait_for_function("turns.scrollHeight - turns.scrollTop - turns.clientHeight < 2", timeout=5_000)
    newest = page.get_by_role("button", name="Replay").last.bounding_box()
    composer = page.locator("#composer").bounding_box()
    assert newest is not None
    assert composer is not None
    assert newest["y"] + newest["height"] <= composer["y"]


def test_what_is_said_into_the_microphone_is_heard(chromium: Callable[..., Browser], up: str, tmp_path: Path) -> None:
    with wave.open(str(QUESTION)) as question, wave.open(str(tmp_path / "said.wav"), "wb") as said:
        said.setparams(question.getparams())
        silence = bytes(question.getframerate() * question.getsampwidth())
        said.writeframes(silence + question.readframes(question.getnframes()) + 3 * silence)
    browser = chromium(f"--use-file-for-fake-audio-capture={tmp_path / 'said.wav'}%noloop")
    page = browser.new_page()
    page.goto(up)
    expect(page.get_by_role("radio").first).to_be_visible(timeout=15_000)
    page.locator("#record").click()
    page.wait_for_timeout(4_000)
    page.locator("#record").click()
    expect(page.locator("[data-heard]")).to_have_text("what is AvatarChatbot", timeout=15_000)
    browser.close()
