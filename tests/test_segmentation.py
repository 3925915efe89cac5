"""One phrase, one mask: gIoU, cIoU, Pr@, N-acc and T-acc, against numpy and by hand."""

import numpy as np
import pytest

from grounding.errors import InputError
from grounding.masks import Mask
from grounding.metrics.intervals import ratio_figures
from grounding.metrics.segmentation import measure
from grounding.result import Region
from tests.questions import BOX, HEIGHT, NONE, PROSE, WIDTH, case, cases, grounding


def masked(x1, y1, x2, y2, width=WIDTH, height=HEIGHT):
    """A region whose mask is its box."""
    return Region((x1, y1, x2, y2), mask=Mask.from_polygons([[x1, y1, x2, y1, x2, y2, x1, y2]], width, height))


def figures(asked):
    found = ratio_figures(measure(asked).figures, [one.picture for one in asked])
    return {name: figure.value for name, figure in found.items()}


SMALL, HALF_OF_IT = masked(0, 0, 10, 10), masked(0, 0, 10, 5)
LARGE = masked(0, 0, 100, 100)


def test_small_and_large_things_weigh_the_same_in_giou_and_not_in_ciou():
    asked = cases((grounding(SMALL), grounding(HALF_OF_IT)), (grounding(LARGE), grounding(LARGE)))
    found = figures(asked)
    assert found["gIoU"] == pytest.approx(0.75)
    assert found["cIoU"] == pytest.approx((50 + 10_000) / (100 + 10_000))
    assert (found["Pr@0.5"], found["Pr@0.6"], found["Pr@0.9"]) == (1.0, 0.5, 0.5)
    assert "N-acc" not in found


def test_nothing_there_and_nothing_said_is_one_and_adds_nothing_to_ciou():
    asked = cases(
        (None, NONE), (None, grounding(SMALL)), (grounding(SMALL), NONE), (grounding(SMALL), grounding(SMALL))
    )
    found = figures(asked)
    assert found["gIoU"] == 0.5
    assert found["cIoU"] == pytest.approx(100 / 300)
    assert (found["N-acc"], found["T-acc"], found["Pr@0.5"]) == (0.5, 0.5, 0.5)
    assert [verdict.error for verdict in measure(asked).verdicts] == [
        None,
        "something where nothing is",
        "nothing found",
        None,
    ]


def test_an_unreadable_or_failed_answer_is_no_nothing():
    found = figures(cases((None, PROSE), (None, "failed"), (grounding(SMALL), "failed")))
    assert (found["gIoU"], found["N-acc"]) == (0.0, 0.0)


def test_masks_of_several_regions_are_put_together():
    two = grounding(masked(0, 0, 10, 5), masked(0, 5, 10, 10))
    assert measure([case(grounding(SMALL), two)]).verdicts[0].value == 1.0


def test_a_box_is_no_mask_and_it_is_said():
    measured = measure([case(grounding(SMALL), BOX)])
    assert (measured.verdicts[0].value, measured.verdicts[0].error) == (0.0, "nothing found")
    assert measured.notes == ("answers with regions that have no mask of the picture's size, and so no pixels: 1",)


def test_a_true_thing_without_a_mask_is_something_all_the_same():
    measured = measure([case(BOX, NONE, "1"), case(grounding(SMALL), grounding(SMALL), "2")])
    assert [verdict.value for verdict in measured.verdicts] == [0.0, 1.0]
    assert measured.verdicts[0].error == "nothing found"
    assert figures(cases((BOX, NONE), (grounding(SMALL), NONE)))["gIoU"] == 0.0
    assert measured.notes == ("true answers with regions that have no mask of the picture's size, and so no pixels: 1",)


def test_boxes_alone_are_not_measured_as_masks():
    with pytest.raises(InputError, match="2 of 3 phrases have true boxes, and none of them a mask: score them as rec"):
        measure(cases((BOX, NONE), (BOX, grounding(SMALL)), (None, NONE)))


def test_a_mask_of_another_size_lies_nowhere():
    other = grounding(masked(0, 0, 10, 10, 100, 100))
    assert measure([case(grounding(SMALL), other)]).verdicts[0].value == 0.0


@pytest.mark.parametrize(("part", "error"), [(0.6, None), (0.3, "loose mask"), (0.05, "wrong object")])
def test_masks_are_loose_or_of_another_thing(part, error):
    found = grounding(masked(0, 0, 100, 100 * part))
    assert measure([case(grounding(LARGE), found)]).verdicts[0].error == error


def test_overlaps_are_those_of_the_pixels():
    rng = np.random.default_rng(0)
    asked, expected = [], []
    for number in range(20):
        true, found = (rng.uniform(size=(HEIGHT, WIDTH)) < rate for rate in rng.uniform(0, 0.9, 2))
        regions = [grounding(Region((0, 0, 9, 9), mask=Mask.from_array(array))) for array in (true, found)]
        asked.append(case(*regions, id=str(number)))
        expected.append((true & found).sum() / (true | found).sum())
    assert [verdict.value for verdict in measure(asked).verdicts] == pytest.approx(expected)
