"""What patches of a photograph are taught, and the boxes that are read out of them again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grounding.training.photos.dense import IGNORED, Box, DenseHead, dense_losses, dense_targets, read_boxes


def test_a_patch_belongs_to_the_smallest_thing_in_whose_middle_it_lies() -> None:
    large = Box(0, (0.0, 0.0, 1.0, 1.0), 0.9, color=2)
    small = Box(1, (0.5, 0.5, 0.75, 0.75), 0.5)
    found = dense_targets([small, large], grid=8, names=3, background=0.3)
    names = found.names.reshape(8, 8, 3)
    inside = 4 * 8 + 5  # centre at .6875, .5625: within the small one's middle
    assert found.boxes[inside] == pytest.approx(small.box)
    assert found.colors[inside] == IGNORED
    assert found.names[inside] == pytest.approx([0.9, 0.5, 0.0])  # the large thing is there as well
    assert names[3, 3] == pytest.approx([0.9, 0.0, 0.0])
    assert found.colors.reshape(8, 8)[3, 3] == 2
    known = found.known.reshape(8, 8, 3)
    assert known[0, 0] == pytest.approx([0.0, 0.3, 0.3])  # at the large thing's rim its name is left open
    assert not found.owned.reshape(8, 8)[0, 0]


def test_a_thing_smaller_than_a_patch_takes_the_patch_of_its_centre() -> None:
    tiny = Box(2, (0.30, 0.80, 0.31, 0.81), 1.0)
    found = dense_targets([tiny], grid=4, names=3, background=1.0)
    assert np.flatnonzero(found.owned).tolist() == [3 * 4 + 1]
    assert found.names[13, 2] == 1.0


def test_a_head_learns_boxes_and_reads_them_back() -> None:
    torch.manual_seed(0)
    boxes = [Box(0, (0.1, 0.2, 0.5, 0.9), 1.0, 1), Box(1, (0.6, 0.1, 0.9, 0.4), 1.0, 0)]
    targets = dense_targets(boxes, grid=8, names=2, background=1.0)
    batch = {
        "dense_names": torch.from_numpy(targets.names)[None],
        "dense_known": torch.from_numpy(targets.known)[None],
        "dense_boxes": torch.from_numpy(targets.boxes)[None],
        "dense_owned": torch.from_numpy(targets.owned)[None],
        "dense_colors": torch.from_numpy(targets.colors)[None],
    }
    head = DenseHead(64, names=2, colors=2)
    patches = torch.randn(1, 64, 64)
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)
    first = last = 0.0
    for step in range(300):
        loss = dense_losses(head, patches, batch)["patch"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = (float(loss.detach()), last) if step == 0 else (first, float(loss.detach()))
    assert last < first / 10
    names, found, _ = head(patches)
    rows = read_boxes(names, found, least=0.3)[0][:2]
    assert rows[:, 5].sort().values.tolist() == [0.0, 1.0]
    for row in rows:
        assert row[:4].tolist() == pytest.approx(boxes[int(row[5])].box, abs=0.05)


def test_nothing_shown_teaches_nothing_but_absence() -> None:
    targets = dense_targets([], grid=4, names=2, background=0.5)
    batch = {
        "dense_names": torch.from_numpy(targets.names)[None],
        "dense_known": torch.from_numpy(targets.known)[None],
        "dense_boxes": torch.from_numpy(targets.boxes)[None],
        "dense_owned": torch.from_numpy(targets.owned)[None],
        "dense_colors": torch.from_numpy(targets.colors)[None],
    }
    head = DenseHead(8, names=2, colors=2)
    losses = dense_losses(head, torch.randn(1, 16, 8), batch)
    assert torch.isfinite(losses["patch"])
    assert float(losses["patch_boxes"]) == 0.0
    losses["patch"].backward()
    assert head.mlp[2].weight.grad is not None
