"""Charts: every length and place is the number it stands for."""

import re
import xml.etree.ElementTree as ET

import pytest

from grounding.metrics.base import Calibration, Figure
from grounding.report.charts import bar, curve, histogram, reliability, span, stack


def shapes_of(svg):
    """Tag and attributes of everything drawn."""
    return [(shape.tag, shape.attrib, shape) for shape in ET.fromstring(svg).iter()]


def chosen(svg, tag, name):
    return [shape for shape_tag, shape, _ in shapes_of(svg) if shape_tag == tag and name in shape.get("class", "")]


def test_a_bar_is_as_long_as_its_figure_and_its_whisker_as_its_interval():
    svg = bar(Figure(0.625, 0.5, 0.71, 40))
    (fill,), whisker = chosen(svg, "rect", "fill"), chosen(svg, "line", "whisker")[0]
    assert (fill["width"], whisker["x1"], whisker["x2"]) == ("62.500%", "50.000%", "71.000%")


def test_what_was_not_measured_has_no_bar():
    assert chosen(bar(Figure(None)), "rect", "fill") == []
    assert chosen(bar(None), "rect", "track") != []


def test_a_bar_without_an_interval_has_no_whisker():
    assert chosen(bar(Figure(0.5)), "line", "whisker") == []


def test_a_number_over_the_end_of_the_track_stays_in_it():
    assert chosen(bar(Figure(3.0), most=2.0), "rect", "fill")[0]["width"] == "100.000%"


@pytest.mark.parametrize(("value", "place"), [(-0.1, "0.000%"), (0.0, "50.000%"), (0.05, "75.000%")])
def test_a_difference_lies_left_or_right_of_the_middle(value, place):
    assert chosen(span(Figure(value, value, value), 0.1), "circle", "dot")[0]["cx"] == place


def test_parts_of_a_stack_follow_each_other_and_fill_it():
    parts = chosen(stack([("one", 5), ("none", 0), ("two", 15)]), "rect", "")
    assert [(part["x"], part["width"]) for part in parts] == [("0.000%", "25.000%"), ("25.000%", "75.000%")]


def test_a_curve_goes_through_its_points():
    svg = curve([((0.5, 0.8), (0.75, 0.5), (1.0, 0.0))], "IoU threshold")
    (line,) = chosen(svg, "polyline", "line")
    points = [tuple(map(float, point.split(","))) for point in line["points"].split()]
    lows, highs = axis_of(svg)
    assert points[0] == (pytest.approx(40), pytest.approx(highs - 0.8 * (highs - lows)))
    assert points[1] == (pytest.approx(224), pytest.approx(highs - 0.5 * (highs - lows)))
    assert points[2] == (pytest.approx(408), pytest.approx(highs))


def axis_of(svg):
    """Where 100 and 0 are, as the names of the axis's lines say."""
    names = {
        shape.text: float(shape.get("y")) - 4 for tag, _, shape in shapes_of(svg) if "up" in shape.get("class", "")
    }
    return names["100"], names["0"]


def test_ticks_of_a_curve_stand_at_round_thresholds():
    svg = curve([tuple((round(0.05 * step, 2), 0.5) for step in range(1, 20))], "IoU threshold")
    ticks = {shape.text: float(shape.get("x")) for _, _, shape in shapes_of(svg) if shape.get("class") == "along"}
    assert list(ticks) == ["0.1", "0.3", "0.5", "0.7", "0.9"]
    assert ticks["0.5"] == pytest.approx(40 + 0.5 * 368)


def test_two_curves_are_two_lines():
    lines = chosen(curve([((0, 1.0), (1, 0.0)), ((0, 0.5), (1, 0.5))], "IoU"), "polyline", "line")
    assert [line["class"] for line in lines] == ["line a", "line b"]


def test_discs_of_a_reliability_diagram_lie_at_score_and_accuracy():
    calibration = Calibration((0.25, 0.75), (0.5, 0.75), (4, 16), 0.05, 1.0)
    svg = reliability([calibration])
    (ideal,) = chosen(svg, "line", "ideal")
    start, end = (float(ideal["x1"]), float(ideal["y1"])), (float(ideal["x2"]), float(ideal["y2"]))
    first, second = chosen(svg, "circle", "disc")
    assert float(first["cx"]) == pytest.approx(start[0] + 0.25 * (end[0] - start[0]))
    assert float(first["cy"]) == pytest.approx(start[1] + 0.5 * (end[1] - start[1]))
    assert float(second["cy"]) == pytest.approx(start[1] + 0.75 * (end[1] - start[1]))
    assert float(second["cx"]) - start[0] == pytest.approx(start[1] - float(second["cy"]), abs=0.01)  # on the line
    assert float(second["r"]) > float(first["r"])


def test_columns_of_a_histogram_are_as_high_as_their_counts_and_the_ends_gather_the_rest():
    svg = histogram([{0: 8, 1: 4, 9: 1, -7: 2, -5: 2}], (-5, 5))
    heights = [float(column["height"]) for column in chosen(svg, "rect", "fill")]
    assert len(heights) == 11
    assert heights[5] == pytest.approx(2 * heights[6])
    assert heights[0] == pytest.approx(heights[6])
    assert heights[10] == pytest.approx(heights[6] / 4, abs=0.01)
    assert re.search(r"off by ≤ −5: 4 answers", svg)


def test_names_in_charts_are_text():
    assert "&lt;b&gt;" in curve([((0, 1.0), (1, 0.0))], "<b>")
