"""Which thing of several is leftmost, second from the right, in the corner, biggest or nearest, where that is certain.

Each function reads a mask of everything the words might be said of, and gives a thing only where it is so by a margin:
then it is the one under any narrower reading of the words too.
"""

from __future__ import annotations

from itertools import pairwise

from grounding.data.photos.facts import TINY, Facts, indices

SIDES = ("left", "right", "top", "bottom")
CORNERS = ("top left", "top right", "bottom left", "bottom right")


def _axes(facts: Facts, side: str) -> tuple[list[float], list[float], list[float], list[float], float]:
    if side in ("left", "right"):
        return facts.cx, facts.x1, facts.x2, facts.w, 1.0 if side == "left" else -1.0
    return facts.cy, facts.y1, facts.y2, facts.h, 1.0 if side == "top" else -1.0


def beyond(facts: Facts, one: int, other: int, side: str) -> bool:
    """Whether thing `one` is clearly farther to the side than `other`: its middle by a margin, and both its edges."""
    center, low, high, length, sign = _axes(facts, side)
    gap = (center[other] - center[one]) * sign
    if gap < max(0.05, 0.22 * min(length[one], length[other])):
        return False
    return gap >= 0.22 or ((low[other] - low[one]) * sign > -0.02 and (high[other] - high[one]) * sign > -0.02)


def extreme(facts: Facts, mask: int, side: str) -> int | None:
    """The thing of the mask farthest to the side, clearly so beside all others that are not background to it."""
    members = indices(mask)
    if not members:
        return None
    least = TINY * max(facts.area[i] for i in members)
    center, *_, sign = _axes(facts, side)
    chosen = min((i for i in members if facts.area[i] >= least), key=lambda i: center[i] * sign)
    least = TINY * facts.area[chosen]
    for i in members:
        if i != chosen and facts.area[i] >= least and not beyond(facts, chosen, i, side):
            return None
    return chosen


def on_side(facts: Facts, index: int, side: str) -> float:
    """How far the middle of a thing is towards a side: 1 at that edge of the picture, 0 at the other."""
    center, *_, sign = _axes(facts, side)
    return 1 - center[index] if sign > 0 else center[index]


def wholly_on(facts: Facts, index: int, side: str, slack: float = 0.0) -> bool:
    """Whether the whole box lies in that half of the picture."""
    _, low, high, _, sign = _axes(facts, side)
    return high[index] < 0.5 + slack if sign > 0 else low[index] > 0.5 - slack


def in_corner(facts: Facts, mask: int, corner: str, index: int) -> bool:
    """Whether a thing of the mask stands in that corner of the picture, clearly more so than any other of them."""
    vertical, across = corner.split()
    ups = facts.cy if vertical == "bottom" else [1 - y for y in facts.cy]
    asides = facts.cx if across == "right" else [1 - x for x in facts.cx]
    up, aside = ups[index], asides[index]
    if min(up, aside) < 0.55 or up + aside < 1.25:
        return False
    least = TINY * facts.area[index]
    for i in indices(mask):
        if i == index or facts.area[i] < least:
            continue
        if up + aside - ups[i] - asides[i] < 0.14 or ups[i] > up + 0.1 or asides[i] > aside + 0.1:
            return False
    return True


def middle(facts: Facts, mask: int) -> int | None:
    """The thing of the mask in the middle: the second of three in a row, or alone about the picture's centre."""
    members = indices(mask)
    if len(members) < 2:
        return None
    if len(members) in (3, 5):
        ranked = ranked_along(facts, mask, "left")
        spread = max(facts.cy[i] for i in members) - min(facts.cy[i] for i in members)
        if ranked is not None and spread < 0.3 and 0.25 < facts.cx[ranked[len(members) // 2]] < 0.75:
            return ranked[len(members) // 2]
    central = [i for i in members if abs(facts.cx[i] - 0.5) < 0.1 and abs(facts.cy[i] - 0.5) < 0.28]
    if len(central) != 1 or len(members) < 3:
        return None
    others = [facts.cx[i] - 0.5 for i in members if i != central[0]]
    far = all(abs(away) > 0.2 for away in others) and min(others) < 0 < max(others)
    return central[0] if far else None


def ranked_along(facts: Facts, mask: int, side: str) -> list[int] | None:
    """Things of the mask in order from `side`; None where two neighbours are too close, or one is background."""
    center, _, _, length, sign = _axes(facts, side)
    ranked = sorted(indices(mask), key=lambda i: center[i] * sign)
    for one, other in pairwise(ranked):
        if abs(center[one] - center[other]) < max(0.05, 0.3 * min(length[one], length[other])):
            return None
    areas = [facts.area[i] for i in ranked]
    return None if not areas or min(areas) < TINY * max(areas) else ranked


def counted_from(facts: Facts, mask: int, side: str, index: int) -> int | None:
    """The place (0 first) of a thing counted from `side`, where it and all before it are sure and in one row.

    None where a neighbour is too close to say which comes first, where something of the background stands before it,
    or where it is the last and no one would count so far.
    """
    center, _, _, length, sign = _axes(facts, side)
    ranked = sorted(indices(facts.foreground(mask, index)), key=lambda i: center[i] * sign)
    place = ranked.index(index)
    across = side in ("left", "right")
    if place == len(ranked) - 1:
        return None
    aside = [(facts.cy if across else facts.cx)[i] for i in ranked[: place + 2]]
    if max(aside) - min(aside) > 0.35:
        return None
    for one, other in pairwise(ranked[: place + 2]):
        if not facts.sure >> one & 1 or abs(center[one] - center[other]) < max(
            0.045, 0.28 * min(length[one], length[other])
        ):
            return None
    if any(center[i] * sign < center[index] * sign for i in indices(mask) if i not in ranked):
        return None
    return place


def biggest(facts: Facts, mask: int, *, ratio: float = 1.5) -> int | None:
    """The thing of the mask with `ratio` times the area of the next, and neither side much shorter."""
    return _most(facts, mask, facts.area, ratio)


def smallest(facts: Facts, mask: int, *, ratio: float = 1.6) -> int | None:
    """The thing of the mask with the least area, by `ratio`."""
    members = indices(mask)
    if len(members) < 2:
        return None
    chosen = min(members, key=lambda i: facts.area[i])
    if any(i != chosen and facts.area[i] < ratio * facts.area[chosen] for i in members):
        return None
    return chosen if facts.area[chosen] > 0.004 else None


def tallest(facts: Facts, mask: int, *, ratio: float = 1.2) -> int | None:
    """The thing of the mask that reaches from its foot to its top over the most of the picture, and highest up."""
    chosen = _most(facts, mask, facts.h, ratio)
    if chosen is None or any(facts.y1[i] < facts.y1[chosen] - 0.01 for i in indices(mask)):
        return None
    return chosen


def shortest(facts: Facts, mask: int, *, ratio: float = 1.25) -> int | None:
    """The thing of the mask whose box is least high, though it stands as low as others."""
    members = indices(mask)
    if len(members) < 2:
        return None
    chosen = min(members, key=lambda i: facts.h[i])
    for i in members:
        if i != chosen and (facts.h[i] < ratio * facts.h[chosen] or facts.y1[i] > facts.y1[chosen] - 0.02):
            return None
    return chosen if facts.y2[chosen] > max(facts.y2[i] for i in members) - 0.12 else None


def _most(facts: Facts, mask: int, values: list[float], ratio: float) -> int | None:
    members = indices(mask)
    if len(members) < 2:
        return None
    chosen = max(members, key=lambda i: values[i])
    return None if any(i != chosen and values[chosen] < ratio * values[i] for i in members) else chosen


def nearest(facts: Facts, mask: int) -> int | None:
    """The thing of the mask nearest to the camera: much larger than the rest, and its foot as low as any."""
    chosen = biggest(facts, mask, ratio=1.55)
    if chosen is None:
        return None
    floor = max(facts.y2[i] for i in indices(mask))
    return chosen if facts.y2[chosen] > floor - 0.02 or facts.y2[chosen] > 0.97 else None


def farthest(facts: Facts, mask: int) -> int | None:
    """The thing of the mask farthest from the camera: much smaller than the rest, and its foot higher."""
    members = indices(mask)
    chosen = smallest(facts, mask, ratio=1.65)
    if chosen is None or any(i != chosen and facts.y2[i] < facts.y2[chosen] + 0.04 for i in members):
        return None
    return chosen


def cut_off(facts: Facts, mask: int) -> tuple[int, str] | None:
    """The one thing of the mask that the picture's left or right edge cuts through, and that side."""
    cut = [
        (i, "left" if facts.x1[i] < 0.012 else "right")
        for i in indices(mask)
        if (facts.x1[i] < 0.012) != (facts.x2[i] > 0.988)
    ]
    if len(cut) != 1 or mask.bit_count() < 2:
        return None
    return cut[0] if facts.w[cut[0][0]] < 0.25 and facts.h[cut[0][0]] > facts.w[cut[0][0]] else None
