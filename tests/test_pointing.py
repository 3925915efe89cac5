"""One phrase, one point: in the box, and in the mask where there is one."""

import pytest

from grounding.masks import Mask
from grounding.metrics.intervals import ratio_figures
from grounding.metrics.pointing import IN_BOX, IN_MASK, measure
from grounding.result import Region
from tests.questions import BOX, FAR, HEIGHT, NONE, PROSE, WIDTH, case, cases, grounding


def pointed(x, y, box=FAR):
    return grounding(Region(box, point=(x, y)))


RING = Region(
    BOX,
    mask=Mask.from_polygons(
        [[10, 10, 110, 10, 110, 110, 10, 110, 10, 10, 40, 40, 40, 80, 80, 80, 80, 40, 40, 40]], WIDTH, HEIGHT
    ),
)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (pointed(60, 60), True),
        (pointed(10, 110), True),  # on the edge
        (pointed(9.9, 60), False),
        (grounding(BOX), True),  # the middle of the box
        (grounding(FAR), False),
        (NONE, False),
        (PROSE, False),
        ("failed", False),
    ],
)
def test_the_point_counts_and_not_the_box_around_it(answer, right):
    (verdict,) = measure([case(BOX, answer)]).verdicts
    assert verdict.value == right


def test_a_point_in_the_box_may_miss_the_mask():
    asked = [case(grounding(RING), pointed(60, 60), "1"), case(grounding(RING), pointed(20, 20), "2")]
    measured = measure(asked)
    found = ratio_figures(measured.figures, ["a", "b"])
    assert (measured.headline, found[IN_MASK].value, found[IN_BOX].value) == (IN_MASK, 0.5, 1.0)
    assert [verdict.error for verdict in measured.verdicts] == ["point outside", None]


def test_boxes_are_the_headline_where_not_all_have_masks():
    measured = measure([case(grounding(RING), pointed(60, 60), "1"), case(BOX, pointed(60, 60), "2")])
    assert measured.headline == IN_BOX
    assert ratio_figures(measured.figures, ["a", "b"])[IN_MASK].n == 1


def test_a_point_outside_the_picture_is_in_no_mask_and_one_on_its_edge_may_be():
    whole = Region(
        (0, 0, WIDTH, HEIGHT), mask=Mask.from_polygons([[0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT]], WIDTH, HEIGHT)
    )
    inside, outside = case(grounding(whole), pointed(WIDTH, HEIGHT)), case(grounding(whole), pointed(-1, 5))
    assert [measure([one]).verdicts[0].value for one in (inside, outside)] == [1.0, 0.0]


def test_nothing_there_is_right_when_said_cleanly():
    asked = cases((None, NONE), (None, BOX), (None, PROSE))
    assert [verdict.error for verdict in measure(asked).verdicts] == [None, "something where nothing is", "unreadable"]


def test_answers_without_a_point_are_counted():
    assert (
        "for which the middle of the box stands: 1"
        in measure([case(BOX, BOX), case(BOX, pointed(60, 60), "b")]).notes[0]
    )
