"""Owns what a detector's boxes become as features: each is told to the token in which its middle lies, and each token
is told of one box that covers it.

Shapes: B pictures, M cells of the detector, K classes, N tokens (G x G, row by row), P boxes told of a picture; boxes
are xyxy as shares of the picture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.ops import batched_nms

MIDDLES = 2
"""Boxes with their middle in a token that it holds, the surest first; what else lies there is not told."""
SLOTS = MIDDLES + 1
"""Boxes that a token holds: those, and the one that covers it."""
WAVES = 10
"""Sines, and as many cosines, of each edge: from half a wave over the picture to sixteen."""
FAINT, MOST_ODDS = -4.0, 10.0
"""Log odds from which on a class is told, less than one in fifty, and the most that is told over them. Probabilities
as such came in a tenth as strong as edges do, and the decoder hardly learned of them."""
LEAST, SAME, CELLS = 0.08, 0.65, 256
"""Score from which a cell proposes a box; overlap from which two boxes are one, whatever their class; cells, the surest
of each picture, of which the rest are not looked at."""


def told_width(classes: int) -> int:
    """Channels that a token gets of `classes` classes."""
    return SLOTS * (1 + classes + 4 * (2 * WAVES + 1))


def cover_channels(classes: int) -> list[int]:
    """Which of a token's channels tell that a box covers it, and that box's edges."""
    slot = told_width(classes) // SLOTS
    start = MIDDLES * slot
    return [start, *range(start + 1 + classes, start + slot)]


@torch.no_grad()
def told_boxes(logits: Tensor, boxes: Tensor, grid: int, most: int) -> Tensor:
    """(B, G * G, `told_width`) float32: for each box that a token holds a one, its classes' log odds over FAINT, and
    waves of its edges; zero where there is none.

    Of logits (B, M, K) and boxes (B, M, 4): the `most` surest of a picture that do not lie on a surer one. Of several
    that cover the middle of a token it is told the one with the highest score over the root of its area: what is in
    front, unless that is hardly seen.
    """
    batch = len(logits)
    logits = logits.float()
    sure, cell = logits.amax(2).sigmoid().topk(min(CELLS, logits.shape[1]), 1)
    boxes = boxes.float().clamp(0, 1)
    picture = torch.arange(batch, device=logits.device)[:, None].expand_as(cell)
    wide = boxes[picture, cell]
    seen = (sure >= LEAST) & (wide[..., 2] > wide[..., 0]) & (wide[..., 3] > wide[..., 1])
    picture, cell, sure, wide = picture[seen], cell[seen], sure[seen], wide[seen]
    kept = batched_nms(wide, sure, picture, SAME)  # by falling score, over all pictures
    place = _rank(picture[kept], batch)
    kept, place = kept[place < most], place[place < most]
    picture, cell, sure, wide = picture[kept], cell[kept], sure[kept], wide[kept]
    one = torch.ones(len(kept), 1, device=logits.device)
    odds = (logits[picture, cell] - FAINT).clamp(0, MOST_ODDS)
    features = torch.cat([one, odds, edge_waves(wide).flatten(1)], 1)
    told = logits.new_zeros(batch * grid * grid, SLOTS, features.shape[1], dtype=torch.float32)
    middle = ((wide[:, :2] + wide[:, 2:]) / 2 * grid).long().clamp(0, grid - 1)
    token = picture * grid * grid + middle[:, 1] * grid + middle[:, 0]
    slot = _rank(token, batch * grid * grid)
    held = slot < MIDDLES
    told[token[held], slot[held]] = features[held]
    weight = (sure / ((wide[:, 2] - wide[:, 0]) * (wide[:, 3] - wide[:, 1])).sqrt())[:, None] * _covers(wide, grid)
    if len(kept):
        ranked = weight.new_zeros(batch, int(place.max()) + 1, grid * grid)
        ranked[picture, place] = weight
        number = torch.zeros(ranked.shape[:2], dtype=torch.long, device=logits.device)
        number[picture, place] = torch.arange(len(kept), device=logits.device)
        best, which = ranked.max(1)
        covering = features[number.gather(1, which)] * (best > 0)[..., None]
        told[:, MIDDLES] = covering.flatten(0, 1)
    return told.view(batch, grid * grid, -1)


def edge_waves(edges: Tensor) -> Tensor:
    """(..., 2 * WAVES + 1) of coordinates (...) of 0 to 1: sines, cosines, and the coordinate from -1 to 1."""
    waves = torch.exp(torch.linspace(math.log(0.5), math.log(16.0), WAVES, device=edges.device))
    angles = 2 * math.pi * edges[..., None] * waves
    return torch.cat([angles.sin(), angles.cos(), 2 * edges[..., None] - 1], -1)


def _covers(boxes: Tensor, grid: int) -> Tensor:
    """(P, G * G) whether the middle of each token lies in each box (P, 4)."""
    middles = (torch.arange(grid, device=boxes.device) + 0.5) / grid
    across = (middles >= boxes[:, :1]) & (middles <= boxes[:, 2:3])
    down = (middles >= boxes[:, 1:2]) & (middles <= boxes[:, 3:])
    return (down[:, :, None] & across[:, None]).flatten(1)


def _rank(group: Tensor, groups: int) -> Tensor:
    """(P,) how many before it, in the order given, are of the same group (P,), whose numbers are below `groups`."""
    order = group.argsort(stable=True)
    counts = torch.bincount(group, minlength=groups)
    first = counts.cumsum(0) - counts
    rank = torch.empty_like(group)
    rank[order] = torch.arange(len(group), device=group.device) - first[group[order]]
    return rank
