"""Owns what several weak judges say together: their boxes of a photograph as one, each with how likely it is true.

The judges are a detector's boxes that came with the photographs, the published network's own, and, from the second
round on, the new encoder's. How far each is to be believed is fitted on photographs with true boxes (a logistic
regression of five numbers or so), so that a label's score is a probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.boxes import iou
from grounding.data.photos.labels import Box, PhotoLabels, WeakBox
from grounding.training.logistic import fit_logistic

SAME = 0.55
"""IoU from which boxes of a name by different judges are one thing."""
RIGHT = 0.5
"""IoU with a true box of the name from which a box is right."""
Labels = Mapping[str, PhotoLabels]


@dataclass(frozen=True)
class Joined:
    """Boxes of one photograph by all judges: N things, J judges."""

    names: tuple[str, ...]
    boxes: NDArray[np.float64]
    """(N, 4) xyxy, shares of the picture: the judges' means, weighted by their scores."""
    scores: NDArray[np.float64]
    """(N, J), 0 where a judge says nothing."""


def joined(judges: Sequence[PhotoLabels]) -> Joined:
    """What the judges say of one photograph, thing by thing."""
    pool = [(box, judge) for judge, found in enumerate(judges) for box in found.boxes]
    pool.sort(key=lambda one: -one[0].score)
    names: list[str] = []
    members: list[list[tuple[WeakBox, int]]] = []
    for box, judge in pool:
        places = [
            place
            for place, name in enumerate(names)
            if name == box.name and all(other != judge for _, other in members[place])
        ]
        overlaps = iou([box.box], [members[place][0][0].box for place in places])[0] if places else np.zeros(0)
        if len(overlaps) and overlaps.max() >= SAME:
            members[places[int(overlaps.argmax())]].append((box, judge))
        else:
            names.append(box.name)
            members.append([(box, judge)])
    boxes = np.zeros((len(names), 4))
    scores = np.zeros((len(names), len(judges)))
    for place, found in enumerate(members):
        weights = np.array([max(box.score, 1e-6) for box, _ in found])
        boxes[place] = (np.array([box.box for box, _ in found]) * weights[:, None]).sum(0) / weights.sum()
        for box, judge in found:
            scores[place, judge] = box.score
    return Joined(tuple(names), boxes, scores)


def features(found: Joined) -> NDArray[np.float64]:
    """(N, 2 J + 2): for each judge whether it speaks and the log odds of its score; the thing's size; a one."""
    said = found.scores > 0
    bounded = np.clip(found.scores, 0.01, 0.99)
    odds = np.where(said, np.log(bounded / (1 - bounded)), 0.0)
    sides = np.maximum(found.boxes[:, 2:] - found.boxes[:, :2], 1e-3)
    size = np.log(sides.prod(1))[:, None]
    return np.concatenate([said, odds, size / 4, np.ones((len(said), 1))], 1)


@dataclass(frozen=True)
class Belief:
    """How likely a joined box is true."""

    weights: NDArray[np.float64]
    """(2 J + 2,) of `features`."""

    def __call__(self, found: Joined) -> NDArray[np.float64]:
        """(N,) probabilities."""
        return np.asarray(1 / (1 + np.exp(-features(found) @ self.weights)))

    @classmethod
    def fit(cls, judges: Sequence[Labels], truth: Labels, ridge: float = 1.0) -> Belief:
        """Of the photographs in `truth`: a logistic regression with a small pull to zero.

        Without any, each judge's own odds count for four fifths.
        """
        if not truth:
            return cls(np.array([0.0] * len(judges) + [0.8] * len(judges) + [0.0, 0.0]))
        inputs, targets = [], []
        for name, true in truth.items():
            found = joined([judge.get(name, PhotoLabels(name)) for judge in judges])
            inputs.append(features(found))
            targets.append(right_ones(found, true))
        x, y = np.concatenate(inputs), np.concatenate(targets).astype(np.float64)
        return cls(fit_logistic(x, y, ridge))


def right_ones(found: Joined, true: PhotoLabels) -> NDArray[np.bool_]:
    """(N,) whether each box lies on a true box of its name; each true box takes the best of them."""
    right = np.zeros(len(found.names), bool)
    order = np.argsort(-found.scores.sum(1))
    taken: set[int] = set()
    for place in order:
        candidates = [n for n, box in enumerate(true.boxes) if box.name == found.names[place] and n not in taken]
        if not candidates:
            continue
        overlaps = iou([found.boxes[place]], [true.boxes[n].box for n in candidates])[0]
        if overlaps.max() >= RIGHT:
            taken.add(candidates[int(overlaps.argmax())])
            right[place] = True
    return right


def together(judges: Sequence[Labels], belief: Belief, least: float = 0.05) -> dict[str, PhotoLabels]:
    """The labels of all judges together; a score is a probability. Photographs are those of the first judge."""
    labels = {}
    for name in judges[0]:
        found = joined([judge.get(name, PhotoLabels(name)) for judge in judges])
        trust = belief(found)
        boxes = [
            WeakBox(found.names[n], float(trust[n]), as_box(found.boxes[n]))
            for n in np.argsort(-trust)
            if trust[n] >= least
        ]
        labels[name] = PhotoLabels(name, tuple(boxes))
    return labels


def as_box(edges: NDArray[np.float64]) -> Box:
    """A box of four numbers."""
    x1, y1, x2, y2 = (float(edge) for edge in edges)
    return x1, y1, x2, y2


def over_views(views: Sequence[Labels], least: float = 0.05) -> dict[str, PhotoLabels]:
    """One judge's boxes of several views of each photograph, as one: the score of a thing is its mean over the views,
    0 where a view shows none."""
    labels = {}
    for name in views[0]:
        found = joined([view[name] for view in views])
        scores = found.scores.mean(1)
        boxes = [
            WeakBox(found.names[n], float(scores[n]), as_box(found.boxes[n]))
            for n in np.argsort(-scores)
            if scores[n] >= least
        ]
        labels[name] = PhotoLabels(name, tuple(boxes))
    return labels
