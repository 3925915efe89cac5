"""Pages of every way of scoring: each says what it has to say, and draws what its answers are."""

import re

import numpy as np
import pytest
from PIL import Image, ImageDraw

from grounding import Grounding, Mask, Region
from grounding.data.dataset import SCORINGS
from grounding.data.predictions import Prediction
from grounding.metrics.base import Verdict
from grounding.report import write_report
from grounding.report.rows import REGIONS, TEXT_LETTERS, fitting, row_of
from grounding.score import score
from tests import report_cases
from tests.browser import PHONE, visit
from tests.test_report import data_of, words_of


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Path of each scoring's page, made when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("scorings"), {}

    def page(scoring):
        if scoring not in made:
            made[scoring] = folder / f"{scoring}.html"
            predictions = report_cases.of_scoring(scoring)
            write_report(made[scoring], predictions, open_picture=report_cases.open_picture)
        return made[scoring]

    return page


@pytest.mark.parametrize("scoring", SCORINGS)
def test_every_scoring_has_a_page_with_its_headline_that_fits_a_phone(chromium, pages, scoring):
    scores = score(report_cases.of_scoring(scoring))
    with visit(chromium, pages(scoring), PHONE) as seen:
        value = 100 * scores.figures[scores.headline].value
        assert seen.page.inner_text(".headline-value") == f"{value:.1f}%"
        assert seen.overhang_px == 0
        seen.page.locator(".card").first.click()
        assert seen.page.is_visible("#sample-title")
        assert seen.said == []


def test_counts_are_said_beside_true_ones_and_their_histogram_counts_them(chromium, pages):
    rows = report_cases.of_scoring("counting").rows
    with visit(chromium, pages("counting")) as seen:
        seen.page.check("[value=file]")
        for row, facts in zip(rows[:3], seen.page.locator(".card .facts").all_inner_texts()[:3], strict=True):
            assert f"said {row.answer.count}, true {row.truth.count}" in facts
        columns = dict(
            re.fullmatch(r"off by (.*): ([\d,]+) answers", title).groups()
            for title in seen.page.locator(".histogram title").all_text_contents()
        )
        off = [row.answer.count - row.truth.count for row in rows]
        assert int(columns["0"]) == off.count(0)
        assert int(columns["≥ +5"]) == sum(difference >= 5 for difference in off)
        assert sum(map(int, columns.values())) == len(rows)


def test_points_are_dots_at_their_place(chromium, pages):
    row = report_cases.of_scoring("pointing").rows[0]
    with visit(chromium, pages("pointing")) as seen:
        seen.page.check("[value=file]")
        dot = seen.page.locator(".card >> nth=0 >> g[data-of=a] circle")
        place = (float(dot.get_attribute("cx")), float(dot.get_attribute("cy")))
        assert place == pytest.approx(row.answer.regions[0].point, abs=0.06)
        assert seen.page.locator(".card >> nth=0 >> g[data-of=a] rect").count() == 0


def test_masks_are_drawn_and_no_boxes_about_them(chromium, pages):
    with visit(chromium, pages("segmentation")) as seen:
        first = seen.page.locator(".card >> nth=0")
        assert first.locator("g[data-of=a] path").count() > 0
        assert first.locator("g[data-of=truth] path").count() > 0
        assert first.locator("g rect").count() == 0


def test_detection_has_cocos_numbers_apart_and_the_places_of_crowds(chromium, pages):
    with visit(chromium, pages("detection")) as seen:
        tables = [table.inner_text() for table in seen.page.locator("#figures table").all()]
        assert len(tables) == 2
        assert "AP small" in tables[0]
        assert "F1@0.5:0.95" in tables[1]
        assert "F1@0.5" not in tables[0]
        seen.page.check("[value=file]")
        assert seen.page.locator(".card >> nth=0 >> .crowd").count() == 1
        assert seen.page.locator(".card >> nth=1 >> .crowd").count() == 0


def test_where_nothing_is_there_no_panel_speaks_of_overlap(pages):
    words = words_of(pages("absent").read_text())
    assert "threshold" not in words
    assert "Can its scores be trusted" not in words
    assert "every protocol gives the same" in words
    assert "Only sure places" in words


def test_a_model_without_scores_is_said_to_have_none(tmp_path):
    predictions = report_cases.rec(8, scored=False)
    write_report(tmp_path / "page.html", predictions, open_picture=report_cases.open_picture)
    page = (tmp_path / "page.html").read_text()
    assert "no scores that can be read as chances" in words_of(page)
    assert "sure" not in data_of(page)["orders"]


# ---- rows


def answer_row(regions, text="", verdict=None, size=(400, 300), masks=True):
    truth = Grounding("it", (Region((0, 0, 9, 9)),), "", *size)
    row = Prediction("a", "a.png", truth, Grounding("it", tuple(regions), text, *size))
    return row_of(row, [(row, verdict)], None, masks)["answers"][0]


def test_the_path_of_a_mask_covers_its_pixels():
    picture = Image.new("1", (400, 300))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((50, 40, 250, 240), fill=1)
    pen.ellipse((120, 100, 180, 160), fill=0)
    inside = np.asarray(picture)
    path = answer_row([Region((50, 40, 251, 241), mask=Mask.from_array(inside))])["regions"][0]["path"]
    redrawn = Image.new("1", (400, 300))
    for piece in filter(None, path.split("M")):
        corners = [tuple(map(float, corner.split())) for corner in piece.rstrip("Z").split("L")]
        ImageDraw.Draw(redrawn).polygon(corners, fill=1)
    again = np.asarray(redrawn)
    assert (inside & again).sum() / (inside | again).sum() > 0.95
    assert len(path) < 3000


def test_masks_stay_out_where_there_is_no_picture():
    region = Region((0, 0, 9, 9), mask=Mask.from_polygons([[0, 0, 9, 0, 9, 9]], 400, 300))
    assert "path" not in answer_row([region], masks=False)["regions"][0]


def test_of_very_many_places_the_judged_and_the_surest_are_kept_and_all_are_counted():
    regions = [Region((n, 0, n + 1, 1), score=n / 200) for n in range(200)]
    answer = answer_row(regions, verdict=Verdict("a", 0.0, region=3))
    assert len(answer["regions"]) == REGIONS
    assert answer["count"] == 200
    assert answer["regions"][answer["judged"]]["box"][0] == 3
    assert answer["regions"][-1]["box"][0] == 199


def test_a_very_long_answer_is_cut_and_says_so():
    text = answer_row([], "word " * 2000)["text"]
    assert len(text) <= TEXT_LETTERS + 2
    assert text.endswith("…")


def test_rows_that_fit_are_all_kept_and_else_the_wanted_ones_in_order():
    rows = [{"id": "x" * 50}] * 10
    assert fitting(rows, [], 1000) == list(range(10))
    assert fitting(rows, [7, 2, 5], 130) == [2, 7]


@pytest.mark.slow
def test_ten_thousand_answers_open_in_two_seconds_and_take_under_fifteen_megabytes(chromium, tmp_path):
    path = tmp_path / "page.html"
    other = report_cases.rec(3334, seed=1, model="larger")
    made = write_report(path, report_cases.rec(3334), other=other, open_picture=report_cases.open_picture)
    assert made.answers == 10_002
    assert made.size_bytes < 15_000_000
    seconds = []
    for _ in range(2):
        with visit(chromium, path) as seen:
            timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            seen.page.wait_for_selector(".card")
            seconds.append(seen.page.evaluate(timing) / 1000)
            asked = (
                "const words = document.getElementById('words'); words.value = 'red'; const start = performance.now();"
            )
            spent = seen.page.evaluate(
                f"(() => {{ {asked} words.dispatchEvent(new Event('input')); return performance.now() - start; }})()"
            )
            assert spent < 500
    assert min(seconds) < 2
