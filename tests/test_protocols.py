"""Protocols: tables of boxes on which they disagree, and what others' code makes of the same boxes."""

import numpy as np
import pytest

from grounding.boxes import giou_pairs, iou_pairs
from grounding.errors import InputError
from grounding.metrics.protocols import PROTOCOLS, get_protocol, plus_one_iou_pairs
from tests.questions import BOX, FAR, HALF, grounding

NAMES = ("iou", "iou-strict", "refer-plus-one", "mdetr-giou", "oracle-best")


def refer_iou(first, second):
    """As lichengunc/refer has it in pyEvalDemo.ipynb, computeIoU: boxes are x, y, width, height."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right = min(first[0] + first[2] - 1, second[0] + second[2] - 1)
    bottom = min(first[1] + first[3] - 1, second[1] + second[3] - 1)
    shared = (right - left + 1) * (bottom - top + 1) if left < right and top < bottom else 0
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def boxes(n, seed=0, whole=False):
    """(n, 4) boxes whose corners are in order; `whole`: in whole pixels, some of them a pixel wide."""
    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 40, (n, 2)), rng.uniform(1, 40, (n, 2))
    if whole:
        corner, sides = np.floor(corner), np.floor(sides)
    return np.hstack([corner, corner + sides])


def test_every_protocol_has_its_rule_and_its_source():
    assert tuple(PROTOCOLS) == NAMES
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.rule.count(".") == 1
        assert protocol.rule.endswith(".")
        assert "/" in protocol.source


def test_an_unknown_protocol_is_named_with_those_there_are():
    with pytest.raises(InputError, match="no protocol named 'giou'; known: iou, iou-strict"):
        get_protocol("giou")


@pytest.mark.parametrize(
    ("truth", "found", "right"),
    [
        # the same box: right under all
        (BOX, BOX, NAMES),
        # far away: wrong under all
        (BOX, FAR, ()),
        # exactly half: IoU 0.5, and GIoU 0.5, as the box around both is the larger one
        (BOX, HALF, ("iou", "mdetr-giou", "oracle-best")),
        # moved by a quarter of its side: IoU 0.6, all but none of it in one direction, GIoU 0.6
        ((0, 0, 100, 100), (25, 0, 125, 100), NAMES),
        # moved by an eighth in both directions: IoU 0.62, GIoU 0.60
        ((0, 0, 80, 80), (10, 10, 90, 90), NAMES),
        # moved by 17 of 100 both ways: IoU 0.525 is enough, GIoU 0.482 is not
        ((0, 0, 100, 100), (17, 17, 117, 117), ("iou", "iou-strict", "refer-plus-one", "oracle-best")),
        # one pixel, found exactly: the toolbox finds no overlap of it
        ((5, 5, 6, 6), (5, 5, 6, 6), ("iou", "iou-strict", "mdetr-giou", "oracle-best")),
        # a line one pixel high
        ((0, 5, 90, 6), (0, 5, 90, 6), ("iou", "iou-strict", "mdetr-giou", "oracle-best")),
        # two pixels wide and high: wide enough
        ((5, 5, 7, 7), (5, 5, 7, 7), NAMES),
        # no area at all
        ((5, 5, 5, 9), (5, 5, 5, 9), ()),
    ],
)
def test_protocols_disagree_where_their_rules_do(truth, found, right):
    verdicts = {name: bool(one.passes(one.pairs([found], [truth]), 0.5)[0]) for name, one in PROTOCOLS.items()}
    assert verdicts == {name: name in right for name in NAMES}


@pytest.mark.parametrize("whole", [True, False])
def test_plus_one_overlap_is_the_toolbox_s(whole):
    first, second = boxes(2000, 1, whole), boxes(2000, 2, whole)
    ours = plus_one_iou_pairs(first, second)
    for a, b, overlap in zip(first, second, ours, strict=True):
        as_xywh = [[*box[:2], *(box[2:] - box[:2])] for box in (a, b)]
        assert overlap == pytest.approx(refer_iou(*as_xywh), abs=1e-12)
    assert (ours != iou_pairs(first, second)).any()


def test_generalized_iou_is_torchvision_s():
    ops = pytest.importorskip("torchvision.ops")
    import torch

    first, second = boxes(500, 3), boxes(500, 4)
    theirs = torch.diagonal(ops.generalized_box_iou(torch.tensor(first), torch.tensor(second))).numpy()
    assert np.allclose(PROTOCOLS["mdetr-giou"].pairs(first, second), theirs, atol=1e-12)


def test_matrix_holds_every_pair():
    first, second = boxes(4, 5), boxes(3, 6)
    for protocol in PROTOCOLS.values():
        matrix = protocol.matrix(first, second)
        assert matrix.shape == (4, 3)
        assert matrix[2, 1] == protocol.pairs(first[2], second[1])[0]
    assert PROTOCOLS["iou"].matrix([], second).shape == (0, 3)


def test_twelve_per_cent_of_right_boxes_fail_by_generalized_iou_when_moved_about():
    """Boxes moved by a normal of 0.3 of their sides: 12 % of those with IoU >= 0.5 have GIoU under it, none the other
    way round. How many fail depends on the jitter: with 0.1 it is 2 %."""
    rng = np.random.default_rng(0)
    sides, corner = rng.uniform(20, 300, (100_000, 2)), rng.uniform(0, 300, (100_000, 2))
    truth = np.hstack([corner, corner + sides])

    def failing(sigma):
        found = truth + np.tile(rng.normal(0, sigma, sides.shape) * sides, 2)
        right = iou_pairs(truth, found) >= 0.5
        stricter = giou_pairs(truth, found) >= 0.5
        assert not (stricter & ~right).any()
        return (right & ~stricter).sum() / right.sum()

    assert failing(0.3) == pytest.approx(0.12, abs=0.005)
    assert failing(0.1) == pytest.approx(0.02, abs=0.005)


def test_only_the_oracle_looks_at_more_than_the_best_region():
    answer = grounding(FAR, BOX, HALF, scores=(0.2, 0.9, 0.4))
    for name, protocol in PROTOCOLS.items():
        assert protocol.candidates(answer) == ([0, 1, 2] if name == "oracle-best" else [1])
        assert protocol.candidates(grounding()) == []


def test_the_first_of_equally_sure_regions_is_the_one_judged():
    assert PROTOCOLS["iou"].candidates(grounding(FAR, BOX)) == [0]
    assert PROTOCOLS["iou"].candidates(grounding(FAR, BOX, BOX, scores=(0.1, 0.9, 0.9))) == [1]
