"""Owns the quick look at a model in training: accuracy by skill with the true answer's earlier tokens given.

It costs one forward pass, so it can be taken often; what users get is measured by generating (see `evaluate`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from grounding.boxes import iou_pairs
from grounding.training.collator import IGNORE


def quick_accuracy(
    logits: Tensor,
    labels: Tensor,
    phrase_of: Tensor,
    skills: Sequence[str],
    first_location: int,
    bins: int,
    none_id: int,
) -> dict[str, list[float]]:
    """Per skill, one number a phrase: 1 when every box has IoU 0.5 or more, "nothing there" is said rightly, and in
    skills that answer in words every word is right.

    `logits` (M, V) and `labels` (M,) of all labelled places in order, `phrase_of` (M,) which phrase each belongs to.
    """
    scores = logits.float()
    located = F.softmax(scores, 1)
    span = slice(first_location, first_location + bins)
    shown = located[:, span].sum(1) > located[:, none_id]
    best_location = smooth(located[:, span]).argmax(1)
    best_word = scores.argmax(1)
    found: dict[str, list[float]] = defaultdict(list)
    for phrase, skill in enumerate(skills):
        mine = (phrase_of == phrase).nonzero()[:, 0]
        truth = labels[mine]
        is_location = (truth >= first_location) & (truth < first_location + bins)
        first = mine[0]
        right = True
        if int(truth[0]) == none_id:
            right = not bool(shown[first])
        elif bool(is_location[0]):
            right = bool(shown[first])
        places = mine[is_location]
        usable = len(places) - len(places) % 4
        if right and usable and skill != "segment":
            predicted = best_location[places[:usable]].view(-1, 4).double().numpy()
            true = (labels[places[:usable]] - first_location).view(-1, 4).double().numpy()
            predicted[:, 2:] = predicted[:, 2:].clip(min=predicted[:, :2])
            right = bool((iou_pairs(predicted, true) >= 0.5).all())
        if right and skill in ("describe_box", "describe_point", "count", "answer"):
            words = mine[~is_location]
            right = bool((best_word[words] == labels[words]).all())
        found[skill].append(float(right))
    return found


def smooth(probabilities: Tensor, window: int = 9) -> Tensor:
    """(M, bins) the mass in a window around each bin: the mode of a mass that is spread over neighbours."""
    return F.avg_pool1d(probabilities[:, None], window, 1, window // 2, count_include_pad=True)[:, 0]


def phrase_numbers(labels: Tensor) -> Tensor:
    """(M,) which phrase each labelled place belongs to, of labels (B, L): a phrase's places are consecutive."""
    places = labels != IGNORE
    starts = places.clone()
    starts[:, 1:] &= ~places[:, :-1]
    return (torch.cumsum(starts.flatten(), 0) - 1)[places.flatten()]
