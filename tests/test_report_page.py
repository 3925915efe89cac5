"""The page in a real browser: nothing overflows, charts are as long as their numbers, filters and keys work."""

import io
import re

import pytest
from PIL import Image

from grounding.report import write_report
from grounding.score import score
from tests import report_cases
from tests.browser import DESK, PHONE, visit

PREDICTIONS = report_cases.rec(30)
OTHER = report_cases.rec(30, seed=1, skill=0.85, model="larger", scored=False)
TRUTH_BLACK, ANSWER = (17, 17, 17), (213, 94, 0)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The page of one model."""
    path = tmp_path_factory.mktemp("report") / "one.html"
    write_report(path, PREDICTIONS, open_picture=report_cases.open_picture)
    return path


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The page of two models."""
    path = tmp_path_factory.mktemp("report") / "both.html"
    write_report(path, PREDICTIONS, other=OTHER, open_picture=report_cases.open_picture)
    return path


def shot(page):
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def count(page):
    """How many answers fit the filters, of how many."""
    shown, whole = re.fullmatch(r"([\d,]+) of ([\d,]+)", page.inner_text("#count")).groups()
    return int(shown.replace(",", "")), int(whole.replace(",", ""))


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("which", ["one", "both"])
def test_nothing_overflows_is_complained_of_or_asked_of_the_network(chromium, request, which, size):
    path = request.getfixturevalue(which)
    with visit(chromium, path, size, dark=size == PHONE) as seen:
        assert seen.overhang_px == 0
        wide = seen.page.evaluate(
            "[...document.querySelectorAll('main *')].filter((e) => !e.closest('.stage') &&"
            " e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.className || e.tagName)"
        )
        assert wide == []
        seen.page.click(".card")
        seen.page.keyboard.press("Escape")
        assert seen.said == []
        assert seen.requests == [path.absolute().as_uri()]


def test_text_stands_out_from_its_ground_in_both_themes(chromium, one):
    for dark in (False, True):
        with visit(chromium, one, DESK, dark) as seen:
            ground, ink = (
                seen.page.evaluate(f"getComputedStyle(document.body).{what}") for what in ("backgroundColor", "color")
            )
            light, deep = sorted((luminance(ground), luminance(ink)), reverse=True)
            assert (light + 0.05) / (deep + 0.05) > 12


def luminance(color):
    channels = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_button_switches_the_theme_and_back(chromium, one):
    with visit(chromium, one) as seen:
        grounds = []
        for _ in range(3):
            grounds.append(seen.page.evaluate("getComputedStyle(document.body).backgroundColor"))
            seen.page.click("#theme")
        assert grounds[0] == grounds[2] != grounds[1]


def test_drawn_bars_are_as_long_as_the_figures(chromium, one):
    figures = score(PREDICTIONS).figures
    for size in (PHONE, DESK):
        with visit(chromium, one, size) as seen:
            lengths = seen.page.evaluate(
                "[...document.querySelectorAll('.figures .bar')].map((bar) =>"
                " [...bar.querySelectorAll('.fill, .track')].map((part) => part.getBoundingClientRect().width))"
            )
            assert len(lengths) == len(figures)
            for (track, fill), figure in zip(lengths, figures.values(), strict=True):
                assert fill / track == pytest.approx(figure.value, abs=0.003)


def test_drawn_parts_of_what_went_wrong_are_as_long_as_their_counts(chromium, one):
    scores = score(PREDICTIONS)
    right = sum(verdict.error is None for verdict in scores.verdicts)
    with visit(chromium, one) as seen:
        widths = seen.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.errors .stack rect')].map((part) =>"
            " [part.getAttribute('class'), part.getBoundingClientRect().width]))"
        )
        whole = sum(widths.values())
        shares = {name.removeprefix("error "): width / whole for name, width in widths.items()}
        counts = {"right": right, **{name.replace(" ", "-"): many for name, many in scores.errors.items()}}
        assert shares == pytest.approx({name: many / 90 for name, many in counts.items()}, abs=0.005)


def test_boxes_lie_on_their_pixels_truth_dashed_and_answer_coloured(chromium, one):
    with visit(chromium, one, (900, 1200)) as seen:
        seen.page.check("[value=random]")
        row = next(row for row in PREDICTIONS.rows if row.answer and row.answer.found)
        seen.page.fill("#words", row.id)
        seen.page.click(".card")
        stage = seen.page.locator("#sample-stage .stage")
        seen.page.wait_for_function("document.querySelector('#sample-stage img').complete")
        place, picture = stage.bounding_box(), shot(seen.page)
        scale = min(place["width"] / row.truth.width, place["height"] / row.truth.height)
        left = place["x"] + (place["width"] - scale * row.truth.width) / 2
        top = place["y"] + (place["height"] - scale * row.truth.height) / 2
        for box, color in ((row.answer.regions[0].box, ANSWER), (row.truth.regions[0].box, TRUTH_BLACK)):
            x1, _, x2, y2 = box
            along = [left + scale * (x1 + step / 60 * (x2 - x1)) for step in range(61)]
            edge = {picture.getpixel((round(x), round(top + scale * y2))) for x in along}
            assert any(sum(abs(a - b) for a, b in zip(color, pixel, strict=True)) < 40 for pixel in edge)


def test_filters_by_words_by_error_and_by_right_and_wrong(chromium, one):
    scores = score(PREDICTIONS)
    wrong = sum(verdict.value < 0.5 for verdict in scores.verdicts)
    with visit(chromium, one) as seen:
        page = seen.page
        assert count(page) == (wrong, 90)  # the worst come first
        page.check("[value=file]")
        assert count(page) == (90, 90)
        page.fill("#words", "red next")
        fitting = sum("red" in row.phrase and "next" in row.phrase for row in PREDICTIONS.rows)
        assert count(page)[0] == fitting > 0
        page.fill("#words", "no such thing")
        assert page.is_visible("#nothing")
        page.click("#clear")
        page.select_option("#error", "loose box")
        assert count(page)[0] == scores.errors["loose box"]
        assert {text.strip() for text in page.locator(".card .badge").all_inner_texts()} == {"loose box"}
        page.select_option("#error", "")
        page.select_option("#verdict", "right")
        assert count(page)[0] == 90 - wrong
        page.select_option("#kind", "place")
        assert 0 < count(page)[0] <= 30


def test_a_part_of_what_went_wrong_leads_to_its_answers(chromium, one):
    with visit(chromium, one) as seen:
        seen.page.click("[data-error='wrong object']")
        assert count(seen.page)[0] == score(PREDICTIONS).errors["wrong object"]
        assert seen.page.input_value("#error") == "wrong object"


def test_only_so_many_answers_are_drawn_until_more_are_asked_for(chromium, one):
    with visit(chromium, one) as seen:
        seen.page.check("[value=file]")
        assert seen.page.locator(".card").count() == 24
        seen.page.click("#more-button")
        assert seen.page.locator(".card").count() == 48
        seen.page.check("[value=table]")
        assert seen.page.locator("#table tbody tr").count() == 90
        assert not seen.page.is_visible("#more")


def test_a_row_opens_its_answer_with_what_the_model_wrote_and_keys_lead_on(chromium, one):
    unreadable = next(row for row in PREDICTIONS.rows if row.answer and row.answer.problems)
    with visit(chromium, one) as seen:
        page = seen.page
        page.check("[value=file]")
        page.check("[value=table]")
        page.fill("#words", unreadable.phrase)
        page.locator(f"tr:has-text('{unreadable.phrase}')", has_text="unreadable").first.click()
        body = page.inner_text("#sample-body")
        assert unreadable.answer.text in body
        assert unreadable.answer.problems[0].message in body
        page.keyboard.press("Escape")
        page.fill("#words", "")
        page.locator("#table .open-row").first.focus()
        page.keyboard.press("Enter")
        assert page.inner_text("#sample-place") == "1 of 90"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#sample-place") == "3 of 90"
        assert page.inner_text("#sample-title") == PREDICTIONS.rows[2].phrase
        page.keyboard.press("Escape")
        assert not page.is_visible("#sample")


def test_slash_leads_to_the_filter_and_all_can_be_done_by_keys(chromium, one):
    with visit(chromium, one) as seen:
        seen.page.keyboard.press("/")
        seen.page.keyboard.type("red")
        assert seen.page.input_value("#words") == "red"
        reached = set()
        for _ in range(14):
            seen.page.keyboard.press("Tab")
            reached.add(seen.page.evaluate("document.activeElement.name || document.activeElement.id"))
        assert {"view", "order", "verdict", "error", "kind", "pictured"} <= reached


def test_pointing_at_a_place_lights_it_up(chromium, one):
    with visit(chromium, one) as seen:
        seen.page.click(".card")
        seen.page.hover("#sample-body .places li >> nth=0")
        assert seen.page.locator("#sample-stage g[data-of=truth] .lit").count() > 0
        assert seen.page.locator("#sample-stage g[data-of=a].faded").count() > 0


def test_the_curve_is_read_off_by_pointing_at_it(chromium, one):
    curve = dict(score(PREDICTIONS).curve)
    with visit(chromium, one) as seen:
        spot = seen.page.locator(".chart.curve .spot").nth(9)
        spot.scroll_into_view_if_needed()
        box = spot.bounding_box()
        seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        assert seen.page.inner_text(".curve + .readout") == f"IoU threshold 0.5: {100 * curve[0.5]:.1f} %"


def test_two_models_are_filtered_by_who_is_right(chromium, both):
    first, second = ({v.id: v.value >= 0.5 for v in score(file).verdicts} for file in (PREDICTIONS, OTHER))
    only_b = sum(second[id] and not first[id] for id in first)
    with visit(chromium, both) as seen:
        page = seen.page
        page.click("[data-pair='only-b']")
        assert count(page) == (only_b, 90)
        outcomes = [text.split() for text in page.locator(".card .facts").all_inner_texts()]
        assert {words[1] for words in outcomes if words[0] == "B"} == {"right"}
        assert "right" not in {words[1] for words in outcomes if words[0] == "A"}
        assert page.locator(".card >> nth=0 >> g[data-of=b]").count() == 1


def test_paper_shows_the_answers_and_no_controls(chromium, one):
    with visit(chromium, one, dark=True) as seen:
        seen.page.emulate_media(media="print")
        assert not seen.page.is_visible("#filters")
        assert not seen.page.is_visible("#theme")
        assert seen.page.locator(".card").first.is_visible()
        ink = seen.page.evaluate("getComputedStyle(document.body).color")
        assert luminance(ink) < 0.05


def test_hostile_words_stay_words_in_the_browser(chromium, tmp_path):
    from tests.test_report import HOSTILE

    rows = tuple(
        report_cases.Prediction(f"{HOSTILE}{n}", row.picture, row.truth.replace(phrase=HOSTILE), row.answer, row.error)
        for n, row in enumerate(PREDICTIONS.rows)
    )
    header = report_cases.header_of("rec", 90, HOSTILE, prompt=HOSTILE, notes=(HOSTILE,))
    path = tmp_path / "hostile.html"
    write_report(path, report_cases.Predictions(header, rows), open_picture=report_cases.open_picture)
    with visit(chromium, path, PHONE) as seen:
        seen.page.click(".card")
        assert seen.page.locator("img[src=x]").count() == 0
        assert "<img src=x" in seen.page.inner_text("#sample-title")
        assert seen.overhang_px == 0
        assert seen.said == []
