"""The quick look at a model in training: what counts as right, skill by skill, with the true beginning given."""

import pytest
import torch

from grounding.training.metrics import phrase_numbers, quick_accuracy, smooth

FIRST, BINS, NONE, WORD, END = 6, 64, 4, 5, 2


def logits(*tokens, spread=0.0):
    """One row a token: sure of it, or of a location spread over its neighbours."""
    rows = torch.full((len(tokens), FIRST + BINS), -9.0)
    for row, token in zip(rows, tokens, strict=True):
        row[token] = 4.0
        if spread and token >= FIRST:
            row[token - 2 : token + 3] = 4.0 - spread
    return rows


def box(*bins):
    return [FIRST + bin_ for bin_ in bins]


def accuracy(said, true, skill, **options):
    scores = logits(*said, **options)
    found = quick_accuracy(scores, torch.tensor(true), torch.zeros(len(true)), [skill], FIRST, BINS, NONE)
    return found[skill][0]


TRUE = [*box(10, 10, 30, 30), END]


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (box(10, 10, 30, 30), 1.0),
        (box(11, 10, 30, 32), 1.0),
        (box(25, 25, 60, 60), 0.0),
        (box(30, 30, 10, 10), 0.0),
        ([NONE, *box(10, 30, 30)], 0.0),
    ],
)
def test_a_box_is_right_from_half_overlap_on(said, right):
    assert accuracy([*said, END], TRUE, "attribute") == right


def test_locations_count_by_their_sum_against_none():
    scores = logits(*TRUE, spread=0.1)
    scores[0, NONE] = 4.5  # more than any location, and less than all of them
    found = quick_accuracy(scores, torch.tensor(TRUE), torch.zeros(5), ["place"], FIRST, BINS, NONE)
    assert found["place"] == [1.0]


def test_nothing_there_is_right_when_it_is_said():
    assert accuracy([NONE, END], [NONE, END], "absent") == 1.0
    assert accuracy([FIRST + 3, END], [NONE, END], "absent") == 0.0


@pytest.mark.parametrize("skill", ["count", "describe_box", "answer"])
def test_words_must_all_be_right_where_words_are_the_answer(skill):
    assert accuracy([WORD, END], [WORD, END], skill) == 1.0
    assert accuracy([NONE, END], [WORD, END], skill) == 0.0
    assert accuracy([WORD, WORD], [WORD, END], skill) == 0.0


def test_every_box_of_an_answer_must_be_right():
    two = [*box(10, 10, 30, 30), 3, *box(40, 40, 60, 60), END]
    assert accuracy(two, two, "all") == 1.0
    assert accuracy([*two[:5], *box(1, 1, 9, 9), END], two, "all") == 0.0


def test_phrases_are_counted_through_the_batch():
    labels = torch.tensor([[-100, 5, 6, -100, 7, -100], [-100, -100, 8, 9, 9, -100]])
    assert phrase_numbers(labels).tolist() == [0, 0, 1, 2, 2, 2]
    assert phrase_numbers(torch.tensor([[5, -100], [6, 7]])).tolist() == [0, 1, 1]


def test_smoothing_finds_the_mode_of_a_mass_and_not_the_highest_bin():
    spread = torch.zeros(1, 64)
    spread[0, 10], spread[0, 40:45] = 0.3, 0.14
    assert smooth(spread).argmax().item() in range(40, 45)
