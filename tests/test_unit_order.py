"""The order of lessons in units: each once in an epoch, shuffled within groups, the same from wherever it is begun."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from grounding.data.lessons.unit_order import UnitOrder
from grounding.errors import InputError

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any)


@given(COUNTS, st.integers(0, 5), st.integers(1, 30), st.booleans())
@settings(max_examples=60)
def test_an_epoch_has_every_lesson_once(counts, seed, buffer, shuffle):
    order = UnitOrder(counts, seed, buffer, shuffle)
    wanted = {(unit, member) for unit, count in enumerate(counts) for member in range(count)}
    for epoch in range(2):
        places = [order.place(epoch * order.total + at) for at in range(order.total)]
        assert len(places) == len(wanted)
        assert set(places) == wanted


@given(COUNTS, st.integers(0, 200))
@settings(max_examples=60)
def test_a_place_is_the_same_whatever_was_asked_before(counts, ordinal):
    used = UnitOrder(counts, 3, 10)
    for at in (0, 57, 2, 199, ordinal + 1):
        used.place(at)
    assert used.place(ordinal) == UnitOrder(counts, 3, 10).place(ordinal)


def test_without_shuffling_the_order_is_that_of_the_files():
    assert [UnitOrder([2, 0, 3], shuffle=False).place(at) for at in range(6)] == [
        *[(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)],
        (0, 0),
    ]


def test_whole_units_are_shuffled_together_as_far_as_the_buffer_goes():
    order = UnitOrder([100] * 10, seed=1, buffer=250)
    units = [{order.place(at)[0] for at in range(start, start + 300)} for start in (0, 300, 600)]
    assert [len(group) for group in units] == [3, 3, 3]
    members = [order.place(at) for at in range(300)]
    assert members != sorted(members)
    assert len({unit for unit, _ in members[:30]}) == 3


def test_epochs_and_seeds_have_orders_of_their_own():
    first = [UnitOrder([50, 50], seed=0).place(at) for at in range(100)]
    assert first != [UnitOrder([50, 50], seed=0).place(100 + at) for at in range(100)]
    assert first != [UnitOrder([50, 50], seed=1).place(at) for at in range(100)]


def test_a_million_shards_need_no_list_of_lessons():
    order = UnitOrder(np.full(20_000, 1000), buffer=5000)
    assert order.total == 20_000_000
    unit, member = order.place(123_456_789)
    assert 0 <= unit < 20_000
    assert 0 <= member < 1000


def test_nothing_to_order_is_refused():
    with pytest.raises(InputError, match="no lesson in any"):
        UnitOrder([0, 0])
    with pytest.raises(InputError, match="buffer is 0"):
        UnitOrder([1], buffer=0)
