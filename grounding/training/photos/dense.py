"""Owns what each patch of a photograph is taught to show: the thing whose middle it lies in, its edges, its colour.

The same head reads boxes out of the patches again, which is how a run labels its photographs anew.

Shapes: B photographs, N patches (G x G, row by row), K names, C colours; boxes are xyxy as shares of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

IGNORED = -1
"""Class of a patch that is neither surely a thing's nor surely nobody's."""
MIDDLE = 0.6
"""The part of a box, along each side, whose patches are the thing's; those around it are left out of the naming."""


@dataclass(frozen=True)
class Box:
    """A thing as the dense head is taught it."""

    name: int
    """Place among the names."""
    box: tuple[float, float, float, float]
    weight: float
    """How far it is believed, 0 to 1: the target of its name's probability."""
    color: int = IGNORED
    """Place among the colours."""


@dataclass
class DenseTargets:
    """One photograph's: names (N, K) 0 to 1, known (N, K) where names are to be learned, boxes (N, 4), colors (N,)."""

    names: NDArray[np.float32]
    known: NDArray[np.float32]
    boxes: NDArray[np.float32]
    owned: NDArray[np.bool_]
    colors: NDArray[np.int64]


def dense_targets(boxes: Sequence[Box], grid: int, names: int, background: float) -> DenseTargets:
    """What the patches of a photograph with these things should say.

    A patch belongs to the smallest thing in whose middle it lies; a thing too small to have a patch there takes the one
    that its centre is in. Where a thing covers a patch, but not with its middle, its name is left open. `background` is
    the weight of "nothing of this name here": under 1, as weak labels leave things out.
    """
    centers = (np.arange(grid) + 0.5) / grid
    x, y = np.tile(centers, grid), np.repeat(centers, grid)
    targets = DenseTargets(
        np.zeros((grid * grid, names), np.float32),
        np.full((grid * grid, names), background, np.float32),
        np.zeros((grid * grid, 4), np.float32),
        np.zeros(grid * grid, bool),
        np.full(grid * grid, IGNORED, np.int64),
    )
    ordered = sorted(boxes, key=lambda one: -(one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))
    for one in ordered:
        x1, y1, x2, y2 = one.box
        inside = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
        open_ = inside & (targets.names[:, one.name] == 0)
        targets.known[open_, one.name] = 0.0
    for one in ordered:
        x1, y1, x2, y2 = one.box
        across, down = (x2 - x1) * (1 - MIDDLE) / 2, (y2 - y1) * (1 - MIDDLE) / 2
        middle = (x >= x1 + across) & (x <= x2 - across) & (y >= y1 + down) & (y <= y2 - down)
        if not middle.any():
            column = min(grid - 1, max(0, int((x1 + x2) / 2 * grid)))
            row = min(grid - 1, max(0, int((y1 + y2) / 2 * grid)))
            middle[row * grid + column] = True
        targets.names[middle, one.name] = np.maximum(targets.names[middle, one.name], one.weight)
        targets.known[middle, one.name] = 1.0
        targets.boxes[middle] = one.box
        targets.owned[middle] = True
        targets.colors[middle] = one.color
    return targets


class DenseHead(nn.Module):
    """Reads names, edges and colours out of the features of patches."""

    def __init__(self, width: int, names: int, colors: int) -> None:
        super().__init__()
        self.counts = (names, 4, colors)
        last = nn.Linear(width, sum(self.counts))
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), last)
        with torch.no_grad():
            last.bias[:names].fill_(-4.6)  # one in a hundred, as RetinaNet starts
            last.bias[names : names + 4].fill_(-1.5)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) -> logits of names (B, N, K), boxes (B, N, 4), logits of colours (B, N, C)."""
        names, edges, colors = self.mlp(patches).float().split(list(self.counts), 2)
        side = round(patches.shape[1] ** 0.5)
        centers = (torch.arange(side, device=patches.device) + 0.5) / side
        x, y = centers.repeat(side), centers.repeat_interleave(side)
        away = F.softplus(edges)
        boxes = torch.stack([x - away[..., 0], y - away[..., 1], x + away[..., 2], y + away[..., 3]], 2)
        return names, boxes, colors


def dense_losses(head: DenseHead, patches: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """`patch`, the loss, and its parts: patches (B, N, D); of the batch dense_names, dense_known (B, N, K), dense_boxes
    (B, N, 4), dense_owned (B, N), dense_colors (B, N).

    Names are learned as soft yes or no with less weight on what is easy (the quality focal loss of GFL, 2006.04388).
    """
    names, boxes, colors = head(patches)
    target, known, owned = batch["dense_names"], batch["dense_known"], batch["dense_owned"]
    probability = names.sigmoid()
    each = F.binary_cross_entropy_with_logits(names, target, reduction="none")
    each = each * (target - probability).abs().pow(2) * known
    count = owned.sum().clamp_min(1)
    name_loss = each.sum() / count
    if bool(owned.any()):
        ours, true = boxes[owned], batch["dense_boxes"][owned]
        trust = target[owned].amax(1)
        near = generalized_box_iou_loss(ours, true, reduction="none") + 2 * (ours - true).abs().sum(1)
        box_loss = (near * trust).sum() / trust.sum().clamp_min(1)
    else:
        box_loss = boxes.sum() * 0
    chosen = batch["dense_colors"]
    color_loss = F.cross_entropy(colors.flatten(0, 1), chosen.flatten(), ignore_index=IGNORED, reduction="sum")
    color_loss = color_loss / (chosen != IGNORED).sum().clamp_min(1)
    return {
        "patch": name_loss + box_loss + 0.3 * color_loss,
        "patch_names": name_loss.detach(),
        "patch_boxes": box_loss.detach(),
        "patch_colors": color_loss.detach(),
    }


@torch.no_grad()
def read_boxes(
    names: Tensor, boxes: Tensor, least: float = 0.05, most: int = 100, overlap: float = 0.6
) -> list[Tensor]:
    """For each photograph (M, 6): x1 y1 x2 y2, score, name, the best first, of `DenseHead`'s names and boxes.

    Boxes of one name that overlap by more than `overlap` (IoU) are one thing: its edges are their mean, weighted by
    score, as votes of neighbouring patches, and its score is the best one's.
    """
    from torchvision.ops import batched_nms, box_iou

    found = []
    for logits, places in zip(names, boxes, strict=True):
        scores = logits.sigmoid()
        patch, name = (scores >= least).nonzero(as_tuple=True)
        score, box = scores[patch, name], places[patch].clamp(0, 1)
        kept = batched_nms(box, score, name, overlap)[:most]
        votes = (name[kept, None] == name) & (box_iou(box[kept], box) > max(overlap, 0.7))
        weights = votes * score**2
        rows = (weights @ box) / weights.sum(1, keepdim=True).clamp_min(1e-9)
        found.append(torch.cat([rows, score[kept, None], name[kept, None].to(rows.dtype)], 1))
    return found
