"""Intervals: drawn by pictures, the same every time, of sums over sums; and paired differences of two models."""

import time

import numpy as np
import pytest

from grounding.metrics.base import Column
from grounding.metrics.intervals import ratio_differences, ratio_figures


def test_a_figure_is_sum_over_sum():
    columns = {"f1": Column(np.array([2.0, 4.0]), np.array([4.0, 4.0])), "mean": Column.mean([1, 0])}
    figures = ratio_figures(columns, ["a", "b"])
    assert (figures["f1"].value, figures["mean"].value) == (0.75, 0.5)


def test_questions_about_one_picture_are_drawn_together():
    values = [1.0] * 50 + [0.0] * 50
    together = ratio_figures({"x": Column.mean(values)}, ["a"] * 50 + ["b"] * 50)["x"]
    apart = ratio_figures({"x": Column.mean(values)}, [str(number) for number in range(100)])["x"]
    assert (together.low, together.high) == (0.0, 1.0)
    assert 0.38 < apart.low < 0.43
    assert 0.57 < apart.high < 0.62


def test_interval_of_a_share_is_as_wide_as_theory_has_it():
    rng = np.random.default_rng(3)
    values = rng.uniform(size=2000) < 0.8
    figure = ratio_figures({"x": Column.mean(values)}, [str(number) for number in range(2000)])["x"]
    half = 1.96 * np.sqrt(figure.value * (1 - figure.value) / 2000)
    assert figure.low == pytest.approx(figure.value - half, abs=0.002)
    assert figure.high == pytest.approx(figure.value + half, abs=0.002)


def test_intervals_over_pictures_hold_the_truth_about_95_times_of_100():
    """Pictures of their own difficulty, several questions each. Drawn by questions they hold it 83 times."""
    rng = np.random.default_rng(11)
    held = {"pictures": 0, "questions": 0, "difference": 0}
    for _ in range(400):
        difficulty = np.repeat(rng.beta(2.1, 0.9, 80), 5)
        pictures = [str(number // 5) for number in range(400)]
        first, second = rng.uniform(size=(2, 400)) < difficulty
        second = np.where(rng.uniform(size=400) < 0.8, first, second)
        columns = {"x": Column.mean(first)}
        together = ratio_figures(columns, pictures, draws=400)["x"]
        apart = ratio_figures(columns, [str(number) for number in range(400)], draws=400)["x"]
        between = ratio_differences(columns, {"x": Column.mean(second)}, pictures, draws=400)["x"]
        held["pictures"] += together.low <= 0.7 <= together.high
        held["questions"] += apart.low <= 0.7 <= apart.high
        held["difference"] += between.low <= 0.0 <= between.high
    assert 0.92 < held["pictures"] / 400 < 0.98
    assert 0.92 < held["difference"] / 400 < 0.98
    assert held["questions"] / 400 < 0.9


def test_the_same_numbers_give_the_same_interval():
    columns = {"x": Column.mean(np.random.default_rng(0).uniform(size=50))}
    pictures = [str(number // 2) for number in range(50)]
    assert ratio_figures(columns, pictures) == ratio_figures(columns, pictures)
    assert ratio_figures(columns, pictures) != ratio_figures(columns, pictures, seed=1)


def test_the_order_of_the_questions_says_nothing():
    rng = np.random.default_rng(5)
    values, pictures = rng.uniform(size=60) < 0.7, [f"{number // 2}.jpg" for number in range(60)]
    order = rng.permutation(60)
    columns, mixed = ({"x": Column.mean(part)} for part in (values, values[order]))
    there, others = pictures, [pictures[place] for place in order]
    assert ratio_figures(mixed, others) == ratio_figures(columns, there)
    assert ratio_differences(mixed, {"x": Column.mean(~values[order])}, others) == ratio_differences(
        columns, {"x": Column.mean(~values)}, there
    )


def test_nothing_below_the_line_is_no_value_and_one_picture_no_interval():
    columns = {"none": Column.mean([1, 1], among=[False, False]), "one": Column.mean([1, 0], among=[True, False])}
    figures = ratio_figures(columns, ["a", "b"])
    assert (figures["none"].value, figures["none"].low, figures["none"].n) == (None, None, 0)
    assert (figures["one"].value, figures["one"].low, figures["one"].n) == (1.0, None, 1)


def test_draws_that_miss_a_rare_kind_are_left_out_of_its_interval():
    rare = Column.mean([1, 0, *[0] * 20], among=[True, True, *[False] * 20])
    figure = ratio_figures({"rare": rare}, [str(number) for number in range(22)])["rare"]
    assert (figure.value, figure.low, figure.high, figure.n) == (0.5, 0.0, 1.0, 2)


def test_pairing_makes_the_interval_of_a_difference_narrow():
    rng = np.random.default_rng(1)
    first = rng.uniform(size=1000) < 0.7
    second = first.copy()
    second[rng.choice(np.flatnonzero(~first), 30, replace=False)] = True
    pictures = [str(number) for number in range(1000)]
    columns = [{"x": Column.mean(values), "alone": Column.mean(values)} for values in (first, second)]
    del columns[1]["alone"]
    (name, found), *others = ratio_differences(*columns, pictures).items()
    assert (name, others) == ("x", [])
    assert found.difference == pytest.approx(0.03)
    assert found.clear
    assert 0.019 < found.low < found.high < 0.041
    alone = ratio_figures(columns[0], pictures)["x"]
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_a_model_does_not_differ_from_itself():
    columns = {"x": Column.mean([1, 0, 1])}
    found = ratio_differences(columns, columns, "abc")["x"]
    assert (found.difference, found.low, found.high, found.clear) == (0.0, 0.0, 0.0, False)


def test_ten_thousand_questions_and_fifty_figures_take_under_two_seconds():
    rng = np.random.default_rng(0)
    columns = {str(number): Column.mean(rng.uniform(size=10_000)) for number in range(50)}
    start = time.process_time()
    ratio_figures(columns, [str(number) for number in range(10_000)])
    assert time.process_time() - start < 2
