"""The demo's page in a real browser: every mode by mouse and keys, boxes on the screen beside the truth in pixels."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from grounding.boxes import iou
from tests.app_server import HOSTILE, ROOT, SCENE, running
from tests.browser import ARGUMENTS, DESK, PHONE, visit

RED_STAR = (271, 69, 355, 149)
BLACK_STAR = (137, 72, 177, 112)
GREEN_STAR = (210, 37, 250, 77)
RED_FISH = (226, 235, 293, 271)
PURPLE_PENTAGON = (94, 123, 162, 191)
"""Where the things of docs/examples/scene.png lie, px."""
PATIENCE_MS = 40_000


@pytest.fixture
def at(chromium):
    """Opens the demo in a window of its own and waits until its first picture is there."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def opened(size=DESK, fragment="", **context):
            seen = stack.enter_context(visit(chromium, running() + "/" + fragment, size, **context))
            seen.page.set_default_timeout(PATIENCE_MS)
            seen.page.wait_for_selector("body[data-ready]")
            until(seen.page, "document.querySelector('.frame img').complete")
            return seen

        yield opened


def ask(page, mode, phrase=None):
    page.click(f"[data-mode={mode}]")
    if phrase is not None:
        page.fill("#phrase", phrase)
        page.press("#phrase", "Enter")
    done(page)


def until(page, truth):
    """Waits until the expression is true in the page, whose policy forbids what Playwright's own waiting does."""
    for _ in range(PATIENCE_MS // 20):
        if page.evaluate(truth):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never came: {truth}")


def done(page):
    """Waits for the answer to the newest question."""
    page.wait_for_selector(".turn.open .facts, .turn.open .trouble")
    until(page, "!document.querySelector('.waiting')")


def boxes_on_screen(page, stage=0):
    """What is drawn, in pixels of the picture: measured on the screen, not taken from the page's own values."""
    drawn = page.evaluate(
        """number => { const stage = document.querySelectorAll('.stage')[number];
        const image = stage.querySelector('img').getBoundingClientRect();
        const width = stage.querySelector('img').naturalWidth;
        return [...stage.querySelectorAll('.region .box')].map(box => { const b = box.getBBox();
          const svg = stage.querySelector('svg.overlay').getBoundingClientRect(); const s = width / image.width;
          return [b.x + svg.left - image.left, b.y + svg.top - image.top,
            b.x + b.width + svg.left - image.left, b.y + b.height + svg.top - image.top].map(v => v * s); }); }""",
        stage,
    )
    return np.array(drawn).reshape(-1, 4)


def lie_on(boxes, *truths):
    assert len(boxes) == len(truths), boxes
    overlaps = iou(boxes, np.array(truths, float))
    assert (overlaps.max(0) > 0.85).all(), (boxes, truths)


def click_in_picture(page, x, y):
    frame = page.locator(".frame").first.bounding_box()
    scale = frame["width"] / 377
    page.mouse.click(frame["x"] + x * scale, frame["y"] + y * scale)


def test_find_puts_the_box_where_the_thing_is(at):
    page = at().page
    ask(page, "find", "the red star")
    lie_on(boxes_on_screen(page), RED_STAR)
    assert "tokens" in page.inner_text(".turn.open .facts")


def test_find_boxes_come_one_by_one(at):
    page = at().page
    page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => { const n = document.querySelectorAll('.region').length;
        const busy = Boolean(document.querySelector('.waiting')); window.seen.push([n, busy]); })
        .observe(document.querySelector('.overlay'), {childList: true}); }"""
    )
    ask(page, "find", "all stars")
    lie_on(boxes_on_screen(page), RED_STAR, BLACK_STAR, GREEN_STAR)
    while_writing = {count for count, busy in page.evaluate("window.seen") if busy}
    assert {1, 2} <= while_writing


def test_not_there_is_said_in_words(at):
    page = at().page
    ask(page, "find", "a blue whale")
    assert page.inner_text(".turn.open .words").startswith("Not there")
    assert "a blue whale" in page.inner_text(".notice")
    assert not len(boxes_on_screen(page))


def test_detect_labels_each_box_with_its_name(at):
    page = at().page
    ask(page, "detect", "star, heart")
    names = [row.split("\n")[0] for row in page.locator(".turn.open .row").all_inner_texts()]
    assert sorted(names) == ["heart", "star", "star", "star"]


def test_click_says_what_is_there_and_draws_its_box(at):
    page = at().page
    page.click("[data-mode=click]")
    click_in_picture(page, 313, 115)
    done(page)
    assert "red star" in page.inner_text(".turn.open .words")
    lie_on(boxes_on_screen(page), RED_STAR)


def test_click_by_keyboard(at):
    page = at().page
    page.click("[data-mode=click]")
    page.focus(".frame")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")  # a tenth of the longer side each: from 188 to 301
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    done(page)
    lie_on(boxes_on_screen(page), RED_STAR)


@pytest.mark.parametrize("how", ["mouse", "keys"])
def test_drag_describes_what_is_inside(at, how):
    page = at().page
    page.click("[data-mode=drag]")
    frame = page.locator(".frame").first.bounding_box()
    scale = frame["width"] / 377
    if how == "mouse":
        page.mouse.move(frame["x"] + 92 * scale, frame["y"] + 121 * scale)
        page.mouse.down()
        page.mouse.move(frame["x"] + 130 * scale, frame["y"] + 160 * scale, steps=3)
        page.mouse.move(frame["x"] + 164 * scale, frame["y"] + 192 * scale, steps=3)
        page.mouse.up()
    else:
        page.focus(".frame")  # the cross starts in the middle, at 188, 150
        for key, times in (("Shift+ArrowLeft", 2), ("ArrowLeft", 5), ("ArrowUp", 7), ("Enter", 1)):
            for _ in range(times):
                page.keyboard.press(key)
        for key, times in (("Shift+ArrowRight", 2), ("Shift+ArrowDown", 2), ("ArrowUp", 1), ("Enter", 1)):
            for _ in range(times):
                page.keyboard.press(key)
    done(page)
    assert "purple pentagon" in page.inner_text(".turn.open .words")


def test_caption_words_and_boxes_light_each_other(at):
    page = at().page
    page.click("[data-name=cars]")
    until(page, "document.querySelector('.frame img').alt.includes('cars')")
    page.click("[data-mode=caption]")
    page.click("#go")
    done(page)
    page.hover(".caption .span >> nth=0")
    assert page.locator(".region.on").get_attribute("data-number") == "0"
    page.hover(".label >> nth=1")
    assert page.locator(".caption .span.on").get_attribute("data-number") == "1"


def test_count_says_how_many(at):
    page = at().page
    ask(page, "count", "red things")
    assert page.inner_text(".turn.open .words") == "2"


def test_segment_draws_outlines(at):
    page = at().page
    ask(page, "segment", "the purple pentagon")
    assert page.locator("polygon.mask").count() == 1
    lie_on(boxes_on_screen(page), PURPLE_PENTAGON)


def test_chosen_box_leads_on(at):
    page = at().page
    ask(page, "find", "the star left of the mushroom")
    click_in_picture(page, 157, 92)
    page.click("text=Describe >> visible=true")
    page.wait_for_selector(".turn:nth-child(2).open .facts")
    assert "black star" in page.inner_text(".turn.open .words")
    page.click(".label")
    page.click("text=Find others like it")
    page.wait_for_selector(".turn:nth-child(3).open .facts")
    lie_on(boxes_on_screen(page), RED_STAR, BLACK_STAR, GREEN_STAR)
    page.click(".turn:nth-child(1) .head")
    lie_on(boxes_on_screen(page), BLACK_STAR)


def test_ask_about_this_writes_the_start_of_a_question(at):
    page = at().page
    ask(page, "detect", "mushroom")
    page.click(".label")
    page.click("text=Ask about this")
    page.keyboard.type("star")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn:nth-child(2).open .facts")
    lie_on(boxes_on_screen(page), BLACK_STAR)


def test_everything_is_reached_by_tab(at):
    page = at().page
    ask(page, "find", "all stars")
    page.focus(".frame")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("label")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").endswith("box 1")
    page.keyboard.press("Enter")
    assert page.is_visible(".actions")
    page.keyboard.press("Escape")
    assert not page.is_visible(".actions")


def test_sliders_hide_boxes_without_asking_again(at):
    seen = at()
    page = seen.page
    ask(page, "detect", "star")
    before = len([url for url in seen.requests if "call/ask" in url])
    page.locator("#score").fill("0.95")
    assert len(boxes_on_screen(page)) == 2
    page.locator("#score").fill("0")
    page.locator("#most").fill("1")
    assert len(boxes_on_screen(page)) == 1
    assert len([url for url in seen.requests if "call/ask" in url]) == before


def test_two_models_answer_side_by_side(at):
    page = at().page
    page.click("#compare")
    ask(page, "find", "the red star")
    until(page, "document.querySelectorAll('.turn .facts').length === 2")
    lie_on(boxes_on_screen(page, 0), RED_STAR)
    lie_on(boxes_on_screen(page, 1), (37, 29, 111, 88))


def second_model(page):
    page.select_option("#model", index=1)


def test_unreadable_text_is_told_and_shown(at):
    page = at().page
    second_model(page)
    ask(page, "find", "broken")
    assert page.inner_text(".turn.open .words") == "The answer could not be read."
    page.click(".problems summary")
    assert page.inner_text(".problems .raw") == "the box is <loc0100><loc0200> or so"


def test_html_in_a_label_is_text(at):
    page = at().page
    second_model(page)
    ask(page, "detect", HOSTILE)
    assert page.locator(".labels b").inner_text() == HOSTILE
    assert page.locator("img[src=x]").count() == 0
    assert page.title().startswith("grounding")


def test_labels_of_a_crowd_do_not_cover_each_other(at):
    page = at().page
    second_model(page)
    ask(page, "detect", "many")
    edges = page.evaluate(
        "[...document.querySelectorAll('.label')].map(l => { const r = l.getBoundingClientRect();"
        " return [r.left, r.top, r.right, r.bottom]; })"
    )
    assert len(edges) == 35
    for number, (x1, y1, x2, y2) in enumerate(edges):
        for a1, b1, a2, b2 in edges[number + 1 :]:
            assert min(x2, a2) - max(x1, a1) < 1.5 or min(y2, b2) - max(y1, b1) < 1.5


def test_how_the_model_sees(at):
    page = at().page
    page.click("#look")
    until(page, "document.querySelector('#seeing').textContent.includes('196 tokens')")
    ask(page, "find", "the red star")
    page.click(".row")
    page.wait_for_selector(".heat:not([hidden])", state="attached")
    brightest = page.evaluate(
        "() => { const c = document.querySelector('.heat'); const d = c.getContext('2d').getImageData(0, 0, c.width,"
        " c.height).data; let best = 0;"
        " for (let i = 0; i < c.width * c.height; i++) if (d[4*i+3] > d[4*best+3]) best = i;"
        " return [(best % c.width + .5) / c.width * 377, (Math.floor(best / c.width) + .5) / c.height * 301]; }"
    )
    assert RED_STAR[0] - 14 < brightest[0] < RED_STAR[2] + 14
    assert RED_STAR[1] - 12 < brightest[1] < RED_STAR[3] + 12


def test_downloads_hold_the_answer(at):
    page = at().page
    ask(page, "find", "the red star")
    taken = {}
    for form in ("png", "json", "coco", "yolo", "csv"):
        with page.expect_download() as waiting:
            page.click(f"[data-form={form}]")
        taken[form] = Path(waiting.value.path()).read_bytes()
    assert taken["png"].startswith(b"\x89PNG")
    assert json.loads(taken["json"])["regions"][0]["score"] > 0.5
    assert json.loads(taken["coco"])["annotations"][0]["bbox"] == pytest.approx([271, 69, 84, 80], abs=3)
    yolo = [float(value) for value in taken["yolo"].split()]
    assert yolo == pytest.approx([0, 313 / 377, 109 / 301, 84 / 377, 80 / 301], abs=0.02)
    assert taken["csv"].decode().splitlines()[1].startswith("the red star,0.9")


def test_link_opens_the_conversation_for_somebody_else(at):
    page = at().page
    ask(page, "find", "the red star")
    page.click("#share")
    until(page, "location.hash.length > 4")
    other = at(fragment=page.evaluate("location.hash")).page
    other.wait_for_selector(".turn.open .facts")
    lie_on(boxes_on_screen(other), RED_STAR)


def test_upload_that_is_turned_by_exif_is_asked_upright(at, tmp_path):
    from PIL import Image

    turned = Image.open(SCENE).convert("RGB").rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    page = at().page
    page.set_input_files("#file", tmp_path / "turned.jpg")
    until(page, "document.querySelector('.frame img').alt === 'turned.jpg'")
    ask(page, "find", "the red star")
    lie_on(boxes_on_screen(page), RED_STAR)


GIVEN = """([name, data, kind]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const files = new DataTransfer(); files.items.add(new File([bytes], name, {type: 'image/png'}));
  const event = kind === 'paste' ? new ClipboardEvent('paste', {clipboardData: files, bubbles: true, cancelable: true})
    : new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true});
  document.querySelector(kind === 'paste' ? '#phrase' : '.frame').dispatchEvent(event); }"""


@pytest.mark.parametrize("how", ["file chooser", "paste", "drop"])
def test_picture_of_ones_own_is_asked(at, tmp_path, how):
    from PIL import Image

    page = at().page
    page.click(".thumb >> nth=1")
    until(page, "document.querySelector('.frame img').alt.includes('cars')")
    own = tmp_path / "own.png"  # the scene within a wider picture, so that its boxes lie elsewhere
    wide = Image.new("RGB", (477, 321), (200, 200, 190))
    wide.paste(Image.open(SCENE).convert("RGB"), (100, 20))
    wide.save(own)
    if how == "file chooser":
        with page.expect_file_chooser() as chooser:
            page.click("label.soft")
        chooser.value.set_files(own)
    else:
        page.evaluate(GIVEN, [own.name, base64.b64encode(own.read_bytes()).decode(), how])
    until(page, "document.querySelector('.frame img').alt === 'own.png'")
    until(page, "document.querySelector('.frame img').complete")
    ask(page, "find", "the red star")
    lie_on(boxes_on_screen(page), np.add(RED_STAR, (100, 20, 100, 20)))


def filmed(path):
    """A film of the scene for the browser's camera: 640 x 480 frames of Y4M, the scene at 100, 80."""
    from PIL import Image

    frame = Image.new("RGB", (640, 480), (200, 200, 190))
    frame.paste(Image.open(SCENE).convert("RGB"), (100, 80))
    y, u, v = (band for band in frame.convert("YCbCr").split())
    small = [band.resize((320, 240)).tobytes() for band in (u, v)]
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + (b"FRAME\n" + y.tobytes() + b"".join(small)) * 3)


def test_picture_from_the_camera_is_asked(tmp_path, chromium):
    filmed(tmp_path / "film.y4m")
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    film = f"--use-file-for-fake-video-capture={tmp_path / 'film.y4m'}"
    with (
        chromium.browser_type.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=[*ARGUMENTS, *flags, film]
        ) as browser,
        visit(browser, running() + "/") as seen,
    ):
        page = seen.page
        page.set_default_timeout(PATIENCE_MS)
        page.wait_for_selector("body[data-ready]")
        page.click("#webcam")
        page.wait_for_selector("#camera[open]")
        until(page, "document.querySelector('#camera video').videoWidth > 0")
        page.click("[data-do=take]")
        until(page, "document.querySelector('.frame img').alt === 'From the camera'")
        until(page, "document.querySelector('.frame img').complete")
        assert page.evaluate("document.querySelector('#camera video').srcObject.getTracks()[0].readyState") == "ended"
        ask(page, "find", "the red star")
        lie_on(boxes_on_screen(page), np.add(RED_STAR, (100, 80, 100, 80)))


def test_others_like_it_are_of_its_kind_not_of_its_neighbours(at):
    page = at().page
    ask(page, "find", "the star left of the mushroom")
    page.click(".row")
    page.click("text=Find others like it")
    page.wait_for_selector(".turn:nth-child(2).open .facts")
    assert page.inner_text(".turn.open .asked-words") == "star"
    lie_on(boxes_on_screen(page), RED_STAR, BLACK_STAR, GREEN_STAR)


@pytest.mark.parametrize(("size", "box"), [((2000, 8), (200, 0.8, 600, 2.4)), ((8, 2000), (0.8, 200, 2.4, 600))])
def test_strip_can_be_seen_and_its_boxes_lie_right(at, tmp_path, size, box):
    from PIL import Image

    Image.new("RGB", size, "gray").save(tmp_path / "strip.png")
    page = at().page
    second_model(page)
    page.set_input_files("#file", tmp_path / "strip.png")
    until(page, "document.querySelector('.frame img').alt === 'strip.png'")
    ask(page, "find", "the red star")
    frame = page.locator(".frame").bounding_box()
    assert min(frame["width"], frame["height"]) >= 60
    assert max(frame["width"], frame["height"]) < 1200
    drawn = page.locator(".region .box").bounding_box()
    assert (drawn["x"] - frame["x"]) / frame["width"] == pytest.approx(box[0] / size[0], abs=0.05)
    assert (drawn["y"] - frame["y"]) / frame["height"] == pytest.approx(box[1] / size[1], abs=0.05)
    assert drawn["width"] / frame["width"] == pytest.approx((box[2] - box[0]) / size[0], abs=0.06)
    assert drawn["height"] / frame["height"] == pytest.approx((box[3] - box[1]) / size[1], abs=0.06)


def test_keys_stay_where_they_were_and_the_answer_is_said(at):
    page = at().page
    ask(page, "find", "the red star")
    assert page.inner_text("#told") == "1 box on the picture."
    ask(page, "find", "a blue whale")
    assert page.inner_text("#told").startswith("Not there.")
    page.click(".rawtext summary")
    page.focus(".turn:nth-child(1) .head")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn:nth-child(1).open")
    assert page.evaluate("document.activeElement.closest('.turn') === document.querySelector('.turn')")
    page.focus(".skip")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'phrase'")
    assert not page.is_visible(".toast.on")


def test_caption_without_boxes_is_no_denial(at):
    page = at().page
    second_model(page)
    page.click("[data-mode=caption]")
    page.click("#go")
    done(page)
    assert page.inner_text(".turn.open .caption") == "Somewhere, something."
    assert not page.is_visible(".notice")


def test_downloads_of_many_boxes_are_in_the_window(at):
    page = at().page
    second_model(page)
    ask(page, "detect", "many")
    take = page.locator("[data-form=csv]").bounding_box()
    assert take["y"] + take["height"] < DESK[1]


def test_no_picture_is_told_in_one_sentence(at, tmp_path):
    (tmp_path / "note.png").write_text("this is no picture")
    page = at().page
    page.set_input_files("#file", tmp_path / "note.png")
    page.wait_for_selector(".toast.on")
    assert "no picture that can be read" in page.inner_text(".toast")


def test_two_people_do_not_see_each_others_answers(at):
    one, two = at().page, at().page
    for page, mode, phrase in ((one, "find", "the red star"), (two, "count", "red things")):
        page.click(f"[data-mode={mode}]")
        page.fill("#phrase", phrase)
    one.press("#phrase", "Enter")
    two.press("#phrase", "Enter")
    done(one)
    done(two)
    lie_on(boxes_on_screen(one), RED_STAR)
    lie_on(boxes_on_screen(two), RED_STAR, RED_FISH)


def test_phone_shows_everything_without_sliding_sideways(at):
    seen = at(PHONE, has_touch=True)
    page = seen.page
    for mode in ("find", "caption", "click", "segment"):
        page.tap(f"[data-mode={mode}]")
        assert seen.overhang_px <= 0
    page.tap("[data-mode=click]")
    frame = page.locator(".frame").bounding_box()
    page.touchscreen.tap(frame["x"] + frame["width"] * 313 / 377, frame["y"] + frame["height"] * 115 / 301)
    done(page)
    lie_on(boxes_on_screen(page), RED_STAR)
    assert seen.overhang_px <= 0


def test_page_asks_nobody_but_its_server(at):
    seen = at()
    ask(seen.page, "find", "the red star")
    assert seen.requests
    assert all(url.startswith((running(), "blob:")) for url in seen.requests)
    assert not seen.said


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(at, dark):
    source = ROOT / "out" / "axe" / "axe.min.js"
    if not source.is_file():
        pytest.skip("no axe-core at out/axe/axe.min.js: `make axe` gets it")
    page = at(bypass_csp=True).page
    if dark:
        page.click("#theme")
    ask(page, "find", "all stars")
    page.click(".row >> nth=0")
    page.add_script_tag(content=source.read_text())
    found = page.evaluate(
        "async () => (await axe.run()).violations.filter(v => ['serious', 'critical'].includes(v.impact))"
    )
    assert not found, [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found]
