"""Several ways to write a box: followed side by side, one kept; what has none goes on as it would alone."""

from __future__ import annotations

import math

import pytest
import torch

from grounding.errors import ConfigError
from grounding.model.answers import Row
from grounding.model.decode import Ask, DecodeOptions, Decoder
from grounding.model.ways import Ways, grouped
from tests import tiny

FIRST, BINS = 8, 1024


class Book:
    """In place of cache and grammars: which rows go on."""

    def __init__(self) -> None:
        self.chosen: list[list[int]] = []

    def select(self, rows) -> None:
        self.chosen.append(list(rows))


def scores_of(*peaks: tuple[float, float]) -> torch.Tensor:
    """(V,) logits of bells of these centers and masses; what is left lies all over."""
    places = torch.arange(BINS)
    rest = max(1.0 - sum(mass for _, mass in peaks), 1e-6)
    spread = torch.full((BINS,), rest / BINS)
    for center, mass in peaks:
        spread += mass * (-((places - center) ** 2) / 18.0).softmax(0)
    return torch.cat([torch.full((FIRST,), -30.0), spread.log()])


def greedy(scores: torch.Tensor) -> tuple[list[int], list[float], list[float | None]]:
    best = scores[:, FIRST:].argmax(1)
    return (best + FIRST).tolist(), [1.0] * len(scores), (best / (BINS - 1)).tolist()


def written(most: int, table) -> tuple[list[Row], Book]:
    """The row of one ask, followed to the end of its box; `table(row)`: the peaks of its next coordinate."""
    book, rows = Book(), [Row(0, 20)]
    rows[0].open = most > 1
    ways = Ways(FIRST, BINS, most)
    for _ in range(4):
        allowed = torch.stack([scores_of(*table(row)) for row in rows])
        rows, chosen = ways.branch(rows, allowed, greedy(allowed), book)
        for row, *what in zip(rows, *chosen, strict=True):
            row.add(*what)
        rows = [rows[number] for number in ways.settled(rows)]
    return rows, book


def dim_or_sharp(row: Row):
    """A thing with an upper edge at 100 whose other edges nothing is known of, or one at 600 that is clear."""
    if not row.ids:
        return (100, 0.5), (600, 0.45)
    if row.ids[0] - FIRST < 300:
        return ((200 + 60 * len(row.ids), 0.1),)
    return ((650 + 60 * len(row.ids), 0.95),)


def test_the_likelier_box_is_kept_where_its_first_coordinate_is_the_less_likely_one():
    (alone,), _ = written(1, dim_or_sharp)
    (kept,), _ = written(4, dim_or_sharp)
    assert alone.ids[0] == FIRST + 100
    assert kept.ids[0] == FIRST + 600
    assert not kept.open
    assert len(kept.ids) == len(kept.coordinates) == len(kept.probabilities) == 4
    assert kept.likelihood == pytest.approx(math.log(math.prod(kept.probabilities)), abs=1e-6)


def test_one_thing_is_followed_in_one_way():
    (kept,), book = written(4, lambda row: ((300 + 100 * len(row.ids), 0.99),))
    assert book.chosen == []
    assert [token - FIRST for token in kept.ids] == [300, 400, 500, 600]


def test_never_more_ways_than_asked_for_and_those_of_one_ask_stay_together():
    book, rows = Book(), [Row(0, 20), Row(1, 20), Row(2, 20)]
    rows[0].open = rows[2].open = True
    allowed = torch.stack([scores_of((100, 0.3), (400, 0.3), (700, 0.3))] * 3)
    rows, chosen = Ways(FIRST, BINS, 2).branch(rows, allowed, greedy(allowed), book)
    assert [row.place for row in rows] == [0, 0, 1, 2, 2]
    assert book.chosen == [[0, 0, 1, 2, 2]]
    assert grouped(rows) == [[0, 1], [3, 4]]
    assert len({id(row) for row in rows}) == 5
    assert len(set(chosen[0][:2])) == 2


def test_words_in_place_of_coordinates_close_the_search():
    row, book = Row(0, 20), Book()
    row.open = True
    rows, chosen = Ways(FIRST, BINS, 4).branch([row], scores_of((5, 0.9))[None], ([3], [0.7], [None]), book)
    assert rows == [row]
    assert not row.open
    assert chosen == ([3], [0.7], [None])


def test_an_answer_without_room_ends_with_its_likeliest_way():
    rows = [Row(0, 2, [9, 9], [0.5, 0.5], [0.1, 0.1], None, True, value) for value in (-2.0, -1.0)]
    assert Ways(FIRST, BINS, 4).settled(rows) == [1]
    assert not rows[1].open


def test_every_answer_has_a_box_with_a_score_however_many_ways_are_followed():
    model, processor = tiny.model(), tiny.processor()
    image = tiny.image(1)
    canvas = processor.canvas(*image.size)
    for ways in (1, 4):
        decoder = Decoder(model, processor, DecodeOptions(max_new_tokens=24, ways=ways, presence_threshold=0))
        grammar = processor.codec_object.grammar("locate", names=())
        answers = decoder.answer_many([Ask(image, f"locate {name}\n", canvas, "locate", grammar) for name in "ab"])
        for answer in answers:
            assert len(answer.ids) == len(answer.probabilities) <= 24
            assert answer.regions
            assert all(0 < (region.score or 0) <= 1 for region in answer.regions)


def test_no_way_at_all_is_refused():
    with pytest.raises(ConfigError, match="ways is 0"):
        DecodeOptions(ways=0)
