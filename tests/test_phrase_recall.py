"""Phrases of a caption: recall@1, 5, 10 with any box and with the merged one, as MDETR's evaluator has them."""

import pytest

from grounding.metrics.intervals import ratio_figures
from grounding.metrics.phrases import measure
from tests.questions import BOX, FAR, HALF, LOOSE, NONE, PROSE, case, cases, grounding

LEFT, RIGHT = (0.0, 0.0, 100.0, 100.0), (150.0, 0.0, 250.0, 100.0)
BOTH = (0.0, 0.0, 250.0, 100.0)


def figures(asked):
    found = ratio_figures(measure(asked).figures, [one.picture for one in asked])
    return {name: figure.value for name, figure in found.items()}


def test_any_box_and_merged_box_disagree_on_phrases_with_several():
    asked = [case(grounding(LEFT, RIGHT), RIGHT)]
    assert figures(asked)["recall@1 any box"] == 1.0
    assert figures(asked)["recall@1 merged"] == 0.0
    around = [case(grounding(LEFT, RIGHT), BOTH)]
    assert figures(around)["recall@1 any box"] == 0.0
    assert figures(around)["recall@1 merged"] == 1.0


def test_recall_at_k_looks_at_the_k_surest():
    answer = grounding(*[FAR] * 4, BOX, scores=(0.5, 0.6, 0.7, 0.8, 0.1))
    found = figures([case(BOX, answer)])
    assert [found[f"recall@{k} any box"] for k in (1, 5, 10)] == [0.0, 1.0, 1.0]
    surest = grounding(*[FAR] * 4, BOX, scores=(0.5, 0.6, 0.7, 0.8, 0.9))
    assert figures([case(BOX, surest)])["recall@1 any box"] == 1.0


def test_regions_without_scores_stand_as_they_were_written():
    found = figures([case(BOX, grounding(FAR, BOX))])
    assert (found["recall@1 any box"], found["recall@5 any box"]) == (0.0, 1.0)


def test_six_boxes_are_one_too_many_for_recall_at_5():
    found = figures([case(BOX, grounding(*[FAR] * 5, BOX))])
    assert [found[f"recall@{k} merged"] for k in (1, 5, 10)] == [0.0, 0.0, 1.0]


def test_wrong_answers_stay_in_the_denominator_and_have_one_error():
    asked = cases((BOX, HALF), (BOX, "failed"), (BOX, PROSE), (BOX, NONE), (BOX, LOOSE))
    assert figures(asked)["recall@1 any box"] == pytest.approx(0.2)
    assert [verdict.error for verdict in measure(asked).verdicts] == [
        None,
        "failed",
        "unreadable",
        "nothing found",
        "loose box",
    ]


def test_one_box_an_answer_is_said():
    assert "recall@5 and @10 are recall@1" in measure([case(BOX, BOX)]).notes[0]
    assert measure([case(BOX, grounding(BOX, FAR))]).notes == ()
