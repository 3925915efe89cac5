"""Which thing is leftmost, second, biggest or nearest: only by a margin, and background is not counted."""

import pytest

from grounding.data.photos import ordering
from tests.photo_scenes import facts, thing


def people(*lefts: float, wide: float = 10, top: float = 20, bottom: float = 80) -> list:
    return [thing("person", left, top, left + wide, bottom) for left in lefts]


def test_the_leftmost_is_told_by_a_margin() -> None:
    row = facts(*people(5, 30, 60))
    assert [ordering.extreme(row, row.persons, side) for side in ("left", "right")] == [0, 2]
    close = facts(*people(5, 8, 60))
    assert ordering.extreme(close, close.persons, "left") is None
    assert ordering.extreme(close, close.persons, "right") == 2


def test_an_unsure_thing_farther_left_leaves_nobody_leftmost_to_ask_for() -> None:
    row = facts(thing("person", 2, 20, 12, 80, sure=False), *people(30, 60))
    assert ordering.extreme(row, row.persons, "left") == 0
    assert not row.sure & 1


def test_people_far_behind_are_not_counted_among_those_in_front() -> None:
    row = facts(thing("person", 0, 40, 3, 50), *people(20, 60, wide=20))
    assert ordering.extreme(row, row.persons, "left") == 1


def test_what_reaches_across_another_is_not_left_of_it() -> None:
    row = facts(thing("bench", 0, 50, 70, 90), thing("bench", 40, 50, 62, 75))
    assert ordering.extreme(row, row.everything, "left") is None


@pytest.mark.parametrize(("corner", "index"), [("top left", 0), ("bottom right", 1), ("top right", None)])
def test_a_corner_holds_one_thing_or_none(corner: str, index: int | None) -> None:
    bowls = facts(thing("bowl", 5, 5, 25, 25), thing("bowl", 70, 70, 95, 95))
    found = [i for i in (0, 1) if ordering.in_corner(bowls, bowls.everything, corner, i)]
    assert found == ([] if index is None else [index])


def test_the_second_from_the_left_needs_neighbours_well_apart() -> None:
    row = facts(*people(5, 30, 60))
    assert ordering.counted_from(row, row.persons, "left", 1) == 1
    assert ordering.counted_from(row, row.persons, "right", 1) == 1
    assert ordering.counted_from(row, row.persons, "left", 2) is None
    close = facts(*people(5, 30, 33, 60))
    assert ordering.counted_from(close, close.persons, "left", 1) is None


def test_nobody_is_counted_past_an_unsure_one() -> None:
    row = facts(*people(5), thing("person", 20, 20, 30, 80, sure=False), *people(45, 70))
    assert ordering.counted_from(row, row.persons, "left", 2) is None
    assert ordering.counted_from(row, row.persons, "right", 2) == 1


def test_the_biggest_has_half_as_much_again_as_the_next() -> None:
    one, other = thing("dog", 0, 0, 30, 30), thing("dog", 50, 50, 75, 75)
    assert ordering.biggest(facts(one, other), 3) is None
    assert ordering.biggest(facts(one, thing("dog", 50, 50, 70, 70)), 3) == 0


def test_the_nearest_is_large_and_stands_low() -> None:
    high, low = thing("zebra", 10, 5, 60, 55), thing("zebra", 70, 60, 90, 80)
    assert ordering.nearest(facts(high, low), 3) is None
    assert ordering.nearest(facts(thing("zebra", 10, 40, 60, 90), low), 3) == 0
    assert ordering.farthest(facts(thing("zebra", 10, 40, 60, 90), low), 3) == 1


def test_the_middle_of_three_stands_between_them() -> None:
    row = facts(*people(10, 45, 80))
    assert ordering.middle(row, row.persons) == 1
    assert ordering.middle(row, 3) is None
