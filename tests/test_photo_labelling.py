"""Several weak judges of one photograph: their boxes as one, and how far they are believed."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.data.photos.labels import PhotoLabels, WeakBox
from grounding.training.photos.labelling import Belief, joined, over_views, right_ones, together

DOG = (0.1, 0.1, 0.5, 0.5)
NEAR = (0.12, 0.1, 0.52, 0.5)
FAR = (0.6, 0.6, 0.9, 0.9)


def labels(*boxes: tuple[str, float, tuple[float, float, float, float]], image: str = "a") -> PhotoLabels:
    return PhotoLabels(image, tuple(WeakBox(*box) for box in boxes))


def test_boxes_of_a_name_that_lie_together_are_one_thing() -> None:
    found = joined([labels(("dog", 0.8, DOG)), labels(("dog", 0.4, NEAR), ("cat", 0.6, DOG), ("dog", 0.5, FAR))])
    assert found.names == ("dog", "cat", "dog")
    assert found.scores.tolist() == [[0.8, 0.4], [0.0, 0.6], [0.0, 0.5]]
    assert found.boxes[0] == pytest.approx([0.1 + 0.02 / 3, 0.1, 0.5 + 0.02 / 3, 0.5])


def test_two_boxes_of_one_judge_are_two_things() -> None:
    found = joined([labels(("dog", 0.8, DOG), ("dog", 0.7, NEAR))])
    assert found.names == ("dog", "dog")


def test_a_score_of_zero_is_no_division_by_it() -> None:
    found = joined([labels(("dog", 0.0, DOG), ("cat", 0.9, FAR))])
    assert found.boxes.tolist() == [list(FAR), list(DOG)]


def test_belief_learns_which_judge_is_right() -> None:
    random = np.random.default_rng(0)
    good, bad, truth = {}, {}, {}
    for number in range(200):
        name = str(number)
        x = float(random.uniform(0, 0.4))
        true = (x, 0.2, x + 0.4, 0.7)
        truth[name] = labels(("dog", 1.0, true), image=name)
        good[name] = labels(("dog", 0.7, true), image=name)
        wrong = (0.5 - x, 0.0, 0.6 - x, 0.1)
        bad[name] = labels(("dog", 0.7, wrong), image=name)
    belief = Belief.fit([good, bad], truth)
    merged = together([good, bad], belief)
    first = merged["0"].boxes
    assert first[0].box == pytest.approx(truth["0"].boxes[0].box)
    assert first[0].score > 0.9
    assert all(box.score < 0.1 for box in first[1:])


def test_probabilities_are_what_they_say() -> None:
    """Of boxes that are right three times in ten, the belief is three tenths."""
    judge, truth = {}, {}
    for number in range(400):
        name = str(number)
        judge[name] = labels(("dog", 0.9, DOG), image=name)
        truth[name] = labels(("dog", 1.0, DOG if number % 10 < 3 else FAR), image=name)
    belief = Belief.fit([judge], truth)
    assert belief(joined([judge["0"]]))[0] == pytest.approx(0.3, abs=0.02)


def test_a_true_box_is_found_once() -> None:
    found = joined([labels(("dog", 0.9, DOG), ("dog", 0.8, NEAR), ("dog", 0.7, FAR))])
    assert right_ones(found, labels(("dog", 1.0, DOG))).tolist() == [True, False, False]


def test_without_true_boxes_the_judges_own_odds_count() -> None:
    judge = {"a": labels(("dog", 0.8, DOG))}
    belief = Belief.fit([judge, judge], {})
    both, one = belief(joined([judge["a"], judge["a"]])), belief(joined([judge["a"], labels()]))
    assert both[0] > one[0] > 0.5


def test_the_score_over_views_is_the_mean() -> None:
    views = [{"a": labels(("dog", 0.8, DOG))}, {"a": labels(("dog", 0.6, NEAR))}, {"a": labels()}]
    (box,) = over_views(views)["a"].boxes
    assert box.score == pytest.approx(1.4 / 3)
    assert over_views([{"a": labels(("dog", 0.1, DOG))}, {"a": labels()}, {"a": labels()}])["a"].boxes == ()
