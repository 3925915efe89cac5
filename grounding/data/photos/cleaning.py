"""Owns clean(): which of a detector's boxes may be answers, which may be there, and which are only rumours.

Detectors report parts of things, groups of them as one, and one thing under several names. The limits were set on 226
photographs whose true boxes are known; how well they do there is told by `agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grounding.data.photos.labels import Box, PhotoLabels, WeakBox
from grounding.errors import InputError

_DOUBTFUL = (
    *("apple", "bird", "boat", "bottle", "cell phone", "clock", "cup", "dining table", "orange", "parking meter"),
    *("remote", "sink", "sports ball", "toothbrush", "vase", "mouse", "chair", "couch", "book"),
)
"""Kinds that the detector sees where there are none, more than others."""


@dataclass(frozen=True, slots=True)
class CleanOptions:
    """What a box must be to be believed; for labels of a detector that says .7 of what is so seven times in ten."""

    sure: float = 0.78
    """Score from which a box may be an answer."""
    sure_of: Mapping[str, float] = field(
        default_factory=lambda: {"person": 0.7, **dict.fromkeys(_DOUBTFUL, 0.85)}, hash=False
    )
    """Class to such a score, where it is another."""
    unsure: float = 0.66
    """Score from which a box may be there; under it, it is a rumour."""
    smallest: float = 0.004
    """Share of the picture that an answer takes at least."""
    same: float = 0.5
    """IoU from which two boxes of a class are one thing, the one with the lower score being dropped."""
    part: float = 0.75
    """Share of the smaller of two boxes of a class that lies in the other, from which one is part of the other."""
    clear_part: float = 0.72
    """Score from which such a part may be a thing of its own, in front of the other; under it, it is dropped."""
    clash: float = 0.6
    """IoU from which boxes of two classes are taken for one thing that goes by one of the names."""
    clear: float = 0.1
    """By how much the score of one name must be higher to be the right one; under it, neither is an answer."""

    def __post_init__(self) -> None:
        if not 0 <= self.unsure <= min(self.sure, *self.sure_of.values(), 1.0):
            raise InputError(f"unsure is {self.unsure}, which must be 0 or more and no higher than what is sure")


@dataclass(frozen=True, slots=True)
class CleanLabels:
    """The boxes of one picture, told apart; each kind by falling score."""

    image: str
    sure: tuple[WeakBox, ...]
    """May be answers."""
    unsure: tuple[WeakBox, ...]
    """May be there: no question whose answer could change with one of them is asked."""
    faint: tuple[str, ...]
    """Classes of boxes that are neither, of which there may be one, or one more than the boxes above; never said not to
    be there, or not elsewhere."""


def clean(labels: PhotoLabels, options: CleanOptions | None = None) -> CleanLabels:
    """The boxes of a picture, told apart by score, size and what else is reported in the same place."""
    options = options or _DEFAULT
    sure: list[WeakBox] = []
    unsure: list[WeakBox] = []
    faint: set[str] = set()
    rumours: set[str] = set()
    for box in sorted(labels.boxes, key=lambda box: (-box.score, box.name, box.box)):
        doubt = _believed(box, [*sure, *unsure], options)
        if box.score < options.unsure and doubt is not None:
            rumours.add(box.name)
            continue
        if doubt is None:
            faint.add(box.name)
        elif doubt or box.score < options.sure_of.get(box.name, options.sure) or area(box.box) < options.smallest:
            unsure.append(box)
        else:
            sure.append(box)
    for box in tuple(sure):  # the other name came later, with hardly less of a score
        if any(_one_thing(box, other, options) and box.score - other.score < options.clear for other in unsure):
            sure.remove(box)
            unsure.append(box)
    unsure.sort(key=lambda box: -box.score)
    gone = faint - {box.name for box in (*sure, *unsure)}
    return CleanLabels(labels.image, tuple(sure), tuple(unsure), tuple(sorted(gone | rumours)))


def _believed(box: WeakBox, higher: list[WeakBox], options: CleanOptions) -> bool | None:
    """Whether boxes of a higher score cast doubt on a box; None where they leave nothing of it."""
    doubt = False
    for other in higher:
        shared = overlap(box.box, other.box)
        union = area(box.box) + area(other.box) - shared
        if other.name == box.name:
            if shared >= options.same * union:
                return None
            if shared >= options.part * min(area(box.box), area(other.box)):
                if box.score < options.clear_part:
                    return None
                doubt = True
        elif _one_thing(box, other, options):
            if other.score - box.score >= options.clear:
                return None
            doubt = True
    return doubt


def _one_thing(box: WeakBox, other: WeakBox, options: CleanOptions) -> bool:
    """Whether boxes of two classes look like one thing with two names."""
    if box.name == other.name or frozenset((box.name, other.name)) in _TOGETHER:
        return False
    shared = overlap(box.box, other.box)
    return shared >= options.clash * (area(box.box) + area(other.box) - shared)


_TOGETHER = frozenset(
    frozenset(pair)
    for pair in (
        *(("person", ridden) for ridden in ("horse", "motorcycle", "bicycle", "elephant", "surfboard", "chair")),
        *(("bowl", food) for food in ("broccoli", "carrot", "orange", "apple", "banana", "cake", "sandwich")),
        *(("dining table", laid) for laid in ("pizza", "cake", "sandwich", "bowl", "donut", "hot dog")),
        *(("bed", lying) for lying in ("person", "cat", "dog", "teddy bear")),
        *(("couch", lying) for lying in ("person", "cat", "dog", "teddy bear")),
        *(("potted plant", "vase"), ("person", "umbrella"), ("person", "tie"), ("laptop", "keyboard")),
    )
)
"""Classes whose things fill the same place."""


def area(box: Box) -> float:
    """Width times height."""
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far cleaned labels agree with true boxes, in counts."""

    pictures: int
    sure: int
    """Boxes that may be answers."""
    right: int
    """Of them, those of an IoU of .5 or more with a true box of their class, each true box taken once."""
    large: int
    """True boxes over two hundredths of the picture."""
    found: int
    """Of them, those with such a sure box."""
    alone: int
    """Sure boxes that are the only box of their class."""
    alone_right: int
    """Of them, those that lie right, and whose class has no other true box over two hundredths of the picture."""


def agreement(
    labels: Mapping[str, PhotoLabels], truth: Mapping[str, PhotoLabels], options: CleanOptions | None = None
) -> Agreement:
    """How the labels, once clean, agree with the true boxes of the pictures that both name."""
    counts = dict.fromkeys(("sure", "right", "large", "found", "alone", "alone_right"), 0)
    names = [name for name in labels if name in truth]
    for name in names:
        cleaned, true = clean(labels[name], options), truth[name].boxes
        matched = _matched(cleaned.sure, true)
        big = {place for place, box in enumerate(true) if area(box.box) > 0.02}
        counts["sure"] += len(cleaned.sure)
        counts["right"] += len(matched)
        counts["large"] += len(big)
        counts["found"] += len(big & set(matched.values()))
        for place, box in enumerate(cleaned.sure):
            if sum(other.name == box.name for other in (*cleaned.sure, *cleaned.unsure)) > 1:
                continue
            counts["alone"] += 1
            rivals = [other for other in big if true[other].name == box.name and other != matched.get(place)]
            counts["alone_right"] += place in matched and not rivals
    return Agreement(len(names), **counts)


def _matched(boxes: tuple[WeakBox, ...], true: tuple[WeakBox, ...]) -> dict[int, int]:
    """Place of each box that lies right -> place of its true box; the higher score takes first."""
    matched: dict[int, int] = {}
    for place, box in enumerate(boxes):
        best, best_iou = None, 0.5
        for other, target in enumerate(true):
            if target.name != box.name or other in matched.values():
                continue
            shared = overlap(box.box, target.box)
            iou = shared / (area(box.box) + area(target.box) - shared)
            if iou >= best_iou:
                best, best_iou = other, iou
        if best is not None:
            matched[place] = best
    return matched


_DEFAULT = CleanOptions()
