"""Which texts share a row: none is lost, no row is overfull, and few rows are needed."""

from hypothesis import given, strategies as st

from grounding.training.packing import pack

LENGTHS = st.lists(st.integers(1, 120), max_size=40)


@given(LENGTHS, st.integers(1, 128))
def test_every_text_has_one_row_and_no_row_is_overfull(lengths, most):
    rows = pack(lengths, most)
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    for row in rows:
        assert sum(lengths[number] for number in row) <= most or len(row) == 1


@given(LENGTHS, st.integers(1, 128))
def test_rows_and_the_texts_in_them_stand_in_the_order_of_the_lessons(lengths, most):
    rows = pack(lengths, most)
    assert rows == sorted(rows)
    assert all(row == sorted(row) for row in rows)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=40))
def test_no_two_rows_would_fit_into_one(lengths):
    sums = sorted(sum(lengths[number] for number in row) for row in pack(lengths, 64))
    assert len(sums) == 1 or sums[0] + sums[1] > 64


def test_the_longest_go_first_so_that_the_short_fill_what_is_left():
    assert pack([10, 50, 14, 60, 40, 20], 64) == [[0], [1, 2], [3], [4, 5]]
    assert pack([], 64) == []
