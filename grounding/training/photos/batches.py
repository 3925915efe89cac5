"""Owns the way from photographs and drawn scenes to a training batch: which picture comes when, and its tensors.

Shapes: B pictures, N patches (G x G), L image tokens and text, Q phrases of a batch, P photographs among the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from grounding.data.photos.cleaning import clean
from grounding.data.photos.labels import PhotoLabels
from grounding.data.photos.picture import PhotoOptions, PhotoPicture, photo_picture
from grounding.data.photos.shards import PhotoShards
from grounding.data.scenes.generate import Picture
from grounding.errors import InputError
from grounding.model.processing import GroundingProcessor
from grounding.training.collator import SceneCollator, SceneStream, Vocabularies, patch_owners
from grounding.training.photos.dense import IGNORED, Box, dense_targets

TRIES = 40
"""Photographs that are tried at a place until something certain can be asked of one."""


@dataclass(frozen=True)
class PhotoSet:
    """Photographs with their labels, in an order of their own for each pass over them."""

    shards: PhotoShards
    labels: Mapping[str, PhotoLabels]
    options: PhotoOptions
    seed: int = 0
    several: int = 1
    """How often a pass comes to a photograph with several things of one kind: people say most about those."""

    def names(self) -> list[str]:
        """Of the photographs that have a label, in the labels' order; then again of those that come more often."""
        names = [name for name, found in self.labels.items() if found.boxes and name in self.shards]
        if self.several < 2:
            return names
        return names + [name for name in names if self._has_several(name)] * (self.several - 1)

    def _has_several(self, name: str) -> bool:
        found = clean(self.labels[name], self.options.clean)
        kinds = [box.name for box in (*found.sure, *found.unsure)]
        return any(kinds.count(box.name) > 1 for box in found.sure)

    def picture(self, place: int, names: Sequence[str]) -> PhotoPicture:
        """The photograph at a place of the endless sequence of passes over `names`, asked by that place's own luck."""
        turn, at = divmod(place, len(names))
        order = np.random.default_rng([self.seed, turn]).permutation(len(names))
        luck = np.random.default_rng([self.seed, 7, place])
        name = names[int(order[at])]
        for _ in range(TRIES):
            picture = photo_picture(self.shards[name], self.labels[name], int(luck.integers(2**31)), self.options)
            if picture.samples or not self.options.phrases:
                break
            name = names[int(luck.integers(len(names)))]  # nothing certain can be asked of it: another one
        return picture


class MixedStream(IterableDataset[Picture | PhotoPicture]):
    """Photographs and scenes of consecutive places, shared out among workers in whole batches.

    Place p is a scene where the fraction of p * share steps over a whole number, so that any stretch of places holds
    its share of them; a resumed run goes on at its place.
    """

    def __init__(
        self,
        photos: PhotoSet,
        scenes: SceneStream | None,
        share: float,
        first: int,
        count: int,
        batch_size: int = 1,
    ) -> None:
        """`share`: of scenes. `batch_size`: that of the DataLoader which reads it."""
        super().__init__()
        self.photos, self.scenes, self.share = photos, scenes, share if scenes is not None else 0.0
        self.first, self.count, self.batch_size = first, count, batch_size
        self.names = photos.names()
        if not self.names:
            raise InputError("no photograph has a label left to learn from: look at the labels of the run's folder")

    def __iter__(self) -> Iterator[Picture | PhotoPicture]:
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(self.count):
            if index // self.batch_size % workers == mine:
                yield self.at(self.first + index)

    def at(self, place: int) -> Picture | PhotoPicture:
        """The picture at a place."""
        before, after = int(place * self.share), int((place + 1) * self.share)
        if self.scenes is not None and after > before:
            return self.scenes.picture(self.scenes.first_seed + before)
        return self.photos.picture(place - before, self.names)


class MixedCollator(SceneCollator):
    """Pictures of either kind -> the tensors of a step.

    As SceneCollator's pixel_values, input_ids, token_roles, segment_ids, position_ids, labels, phrase_ends,
    phrase_patches and phrase_located; and of the photographs among them dense_rows (P,), dense_names and dense_known
    (P, N, K), dense_boxes (P, N, 4), dense_owned (P, N), dense_colors (P, N).
    """

    def __init__(
        self,
        processor: GroundingProcessor,
        names: Sequence[str],
        colors: Sequence[str],
        background: float,
        most_tokens: int | None = None,
        seeing: bool = False,
    ) -> None:
        """`seeing`: pixels and what patches show alone, no texts."""
        super().__init__(processor, Vocabularies(()), most_tokens)
        self.name_ids = {name: number for number, name in enumerate(names)}
        self.color_ids = {color: number for number, color in enumerate(colors)}
        self.background, self.seeing = background, seeing

    def __call__(self, pictures: Sequence[Any]) -> dict[str, Tensor]:
        """`pictures`: Picture or PhotoPicture, both mixed."""
        cv2.setNumThreads(1)
        if not self.seeing:
            pictures = [self._within(picture) for picture in pictures]
        pixels = np.stack([self.processor.image_processor.pixels(Image.fromarray(p.image)) for p in pictures])
        batch = {"pixel_values": self.processor.image_processor.scale(torch.from_numpy(pixels))}
        batch.update(self._shown(pictures))
        if self.seeing:
            return batch
        batch.update(self._texts(pictures))
        patches, located = [], []
        for picture in pictures:
            owners = None if isinstance(picture, PhotoPicture) else patch_owners(picture.scene, self.grid)
            for sample in picture.samples:
                located.append(bool(sample.targets) or sample.answer == "none")
                if owners is None:
                    size = (picture.scene.width, picture.scene.height)
                    patches.append(box_shares(sample.boxes if sample.targets else (), size, self.grid))
                else:
                    mine = np.isin(owners, sample.targets) if sample.targets else np.zeros(owners.shape, bool)
                    patches.append(mine.mean(1))
        batch["phrase_patches"] = torch.from_numpy(np.stack(patches).astype(np.float32))
        batch["phrase_located"] = torch.tensor(located)
        return batch

    def _shown(self, pictures: Sequence[Picture | PhotoPicture]) -> dict[str, Tensor]:
        rows, targets = [], []
        for row, picture in enumerate(pictures):
            if not isinstance(picture, PhotoPicture):
                continue
            by = np.array([picture.scene.width, picture.scene.height] * 2, np.float64)
            boxes = []
            for thing in picture.scene.things:
                name = self.name_ids.get(thing.name)
                if name is not None:
                    x1, y1, x2, y2 = (np.asarray(thing.box) / by).tolist()
                    color = self.color_ids.get(thing.upper or thing.color or "", IGNORED)
                    boxes.append(Box(name, (x1, y1, x2, y2), thing.score, color))
            rows.append(row)
            targets.append(dense_targets(boxes, self.grid, len(self.name_ids), self.background))
        if not rows:
            return {"dense_rows": torch.zeros(0, dtype=torch.long)}
        return {
            "dense_rows": torch.tensor(rows),
            "dense_names": torch.from_numpy(np.stack([t.names for t in targets])),
            "dense_known": torch.from_numpy(np.stack([t.known for t in targets])),
            "dense_boxes": torch.from_numpy(np.stack([t.boxes for t in targets])),
            "dense_owned": torch.from_numpy(np.stack([t.owned for t in targets])),
            "dense_colors": torch.from_numpy(np.stack([t.colors for t in targets])),
        }


def box_shares(boxes: Sequence[tuple[float, float, float, float]], size: tuple[int, int], grid: int) -> np.ndarray:
    """(N,) the part of each patch of a G x G grid that one of the boxes (xyxy px of a picture of `size`) covers."""
    shares = np.zeros((grid, grid))
    edges = np.arange(grid + 1)
    for x1, y1, x2, y2 in boxes:
        left, right = x1 / size[0] * grid, x2 / size[0] * grid
        top, bottom = y1 / size[1] * grid, y2 / size[1] * grid
        across = np.clip(np.minimum(edges[1:], right) - np.maximum(edges[:-1], left), 0, 1)
        down = np.clip(np.minimum(edges[1:], bottom) - np.maximum(edges[:-1], top), 0, 1)
        shares = np.maximum(shares, down[:, None] * across[None])
    return shares.reshape(-1)
