"""Owns the way from drawn pictures to a training batch: one picture and all its phrases in one row.

Shapes: B pictures, N image tokens, T text tokens of a row (all phrases after one another), L = N + T,
Q phrases of a batch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from grounding.data.scenes.generate import Picture, PictureOptions, SceneSample, draw_picture
from grounding.data.scenes.palette import COLORS
from grounding.data.scenes.scene import Scene
from grounding.data.scenes.things import FILLS
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT
from grounding.model.processing import GroundingProcessor

SIZES = ("small", "medium", "large")
IGNORE = -100


@dataclass
class Vocabularies:
    """Classes of the dense loss; index 0 of names is "nothing here"."""

    names: Sequence[str]

    def __post_init__(self) -> None:
        self.name_ids = {name: i + 1 for i, name in enumerate(self.names)}
        self.color_ids = {name: i for i, name in enumerate(COLORS)}
        self.fill_ids = {name: i for i, name in enumerate(FILLS)}
        self.size_ids = {name: i for i, name in enumerate(SIZES)}

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Classes of name, colour, fill and size."""
        return len(self.names) + 1, len(COLORS), len(FILLS), len(SIZES)


class SceneStream(IterableDataset[Picture]):
    """Pictures of consecutive seeds, shared out among workers in whole batches, so that their number changes nothing.

    `mixture`: options with weights; the seed decides which options draw it.
    """

    def __init__(
        self, mixture: Sequence[tuple[float, PictureOptions]], first_seed: int, count: int, batch_size: int = 1
    ) -> None:
        """`batch_size`: that of the DataLoader which reads it."""
        super().__init__()
        self.mixture, self.first_seed, self.count, self.batch_size = list(mixture), first_seed, count, batch_size

    def picture(self, seed: int) -> Picture:
        """The picture of a seed."""
        place = np.random.default_rng(seed ^ 0x5EED).random() * sum(weight for weight, _ in self.mixture)
        for weight, options in self.mixture:
            place -= weight
            if place <= 0:
                return draw_picture(seed, options)
        return draw_picture(seed, self.mixture[-1][1])

    def __iter__(self) -> Iterator[Picture]:
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(self.count):
            if index // self.batch_size % workers == mine:
                yield self.picture(self.first_seed + index)


class SceneCollator:
    """Pictures -> the tensors of a step.

    pixel_values (B, 3, S, S); input_ids, token_roles, segment_ids, position_ids, labels (B, L); phrase_ends (Q, 2) row
    and place of each prompt's last token; phrase_patches (Q, N) share of each patch that belongs to what the phrase
    means; phrase_located (Q,) bool, whether the phrase means things at all; patch_names, patch_colors, patch_fills,
    patch_sizes (B, N), -100 for none, and patch_boxes (B, N, 4) as y1 x1 y2 x2 of 0 to 1.
    """

    def __init__(
        self, processor: GroundingProcessor, vocabularies: Vocabularies, most_tokens: int | None = None
    ) -> None:
        """`most_tokens`: of all phrases of a picture together; phrases over it are left out. None takes them all."""
        self.processor, self.vocabularies = processor, vocabularies
        self.most_tokens = most_tokens or sys.maxsize
        self.grid = round(processor.image_tokens**0.5)
        self.size = processor.image_processor.size

    def __call__(self, pictures: Sequence[Picture]) -> dict[str, Tensor]:
        cv2.setNumThreads(1)
        pictures = [self._within(picture) for picture in pictures]
        pixels = np.stack([self.processor.image_processor.pixels(Image.fromarray(p.image)) for p in pictures])
        batch = self._texts(pictures)
        owners = [patch_owners(picture.scene, self.grid) for picture in pictures]
        batch.update(self._dense(pictures, owners))
        patches, located = [], []
        for picture, owner in zip(pictures, owners, strict=True):
            for sample in picture.samples:
                located.append(bool(sample.targets) or sample.answer == "none")
                mine = np.isin(owner, sample.targets) if sample.targets else np.zeros(owner.shape, bool)
                patches.append(mine.mean(1))
        batch["phrase_patches"] = torch.from_numpy(np.stack(patches).astype(np.float32))
        batch["phrase_located"] = torch.tensor(located)
        batch["pixel_values"] = self.processor.image_processor.scale(torch.from_numpy(pixels))
        return batch

    def _within(self, picture: Picture) -> Picture:
        """The picture with as many of its phrases as fit `most_tokens`: one row of long answers pads all the others."""
        kept: list[SceneSample] = []
        total = 0
        prompts = self.processor.encode_prompts([sample.prompt for sample in picture.samples])
        answers = self.processor.encode_answers([sample.answer for sample in picture.samples])
        for sample, prompt, answer in zip(picture.samples, prompts, answers, strict=True):
            length = len(prompt) + len(answer) - 1
            if not kept or total + length <= self.most_tokens:
                kept.append(sample)
                total += length
        return picture if len(kept) == len(picture.samples) else replace(picture, samples=tuple(kept))

    def _texts(self, pictures: Sequence[Picture]) -> dict[str, Tensor]:
        prompts = self.processor.encode_prompts([s.prompt for p in pictures for s in p.samples])
        answers = self.processor.encode_answers([s.answer for p in pictures for s in p.samples])
        pad, _, _, image = self.processor.ids
        count = self.processor.image_tokens
        rows, ends, at = [], [], 0
        for row, picture in enumerate(pictures):
            ids: list[int] = []
            roles: list[int] = []
            segments: list[int] = []
            positions: list[int] = []
            labels: list[int] = []
            for segment in range(len(picture.samples)):
                prompt, answer = prompts[at], answers[at]
                at += 1
                ids += prompt + answer[:-1]
                roles += [PROMPT] * len(prompt) + [ANSWER] * (len(answer) - 1)
                length = len(prompt) + len(answer) - 1
                segments += [segment] * length
                positions += range(count, count + length)
                ends.append((row, count + len(labels) + len(prompt) - 1))
                labels += [IGNORE] * (len(prompt) - 1) + answer
            rows.append((ids, roles, segments, positions, labels))
        longest = max(len(row[0]) for row in rows)
        longest += -longest % 16  # fewer shapes, which the matrix library caches
        lead = ([image] * count, [IMAGE] * count, [0] * count, list(range(count)), [IGNORE] * count)
        fill = (pad, PAD, 0, 0, IGNORE)
        names = ("input_ids", "token_roles", "segment_ids", "position_ids", "labels")
        batch = {
            name: torch.tensor([lead[i] + row[i] + [fill[i]] * (longest - len(row[i])) for row in rows])
            for i, name in enumerate(names)
        }
        batch["phrase_ends"] = torch.tensor(ends)
        return batch

    def _dense(self, pictures: Sequence[Picture], owners: Sequence[np.ndarray]) -> dict[str, Tensor]:
        count = self.grid * self.grid
        names = np.zeros((len(pictures), count), np.int64)
        others = np.full((3, len(pictures), count), IGNORE, np.int64)
        boxes = np.zeros((len(pictures), count, 4), np.float32)
        for row, (picture, owner) in enumerate(zip(pictures, owners, strict=True)):
            scene, known = picture.scene, self.vocabularies
            main = main_owners(owner)
            shown = main >= 0
            if not shown.any():
                continue
            table = np.array(
                [
                    (
                        known.name_ids.get(t.name, 0),
                        known.color_ids.get(t.color or "", IGNORE),
                        known.fill_ids[t.fill] if not t.is_sprite else IGNORE,
                        known.size_ids[t.size],
                    )
                    for t in scene.things
                ]
            )
            places = np.array([(t.box[1], t.box[0], t.box[3], t.box[2]) for t in scene.things], np.float32)
            places /= np.array([scene.height, scene.width] * 2, np.float32)
            names[row, shown] = table[main[shown], 0]
            others[:, row, shown] = table[main[shown], 1:].T
            boxes[row, shown] = places[main[shown]]
        return {
            "patch_names": torch.from_numpy(names),
            "patch_colors": torch.from_numpy(others[0]),
            "patch_fills": torch.from_numpy(others[1]),
            "patch_sizes": torch.from_numpy(others[2]),
            "patch_boxes": torch.from_numpy(boxes),
        }


def patch_owners(scene: Scene, grid: int, fine: int = 4) -> np.ndarray:
    """(N, fine * fine) int: which thing is on top at points spread over each patch, -1 for none."""
    side = grid * fine
    owners = np.full((side, side), -1, np.int16)
    scale = np.array([side / scene.width, side / scene.height]) * 16
    for thing in scene.things:
        outline = np.round(np.asarray(thing.polygon) * scale - 8).astype(np.int32)
        cv2.fillPoly(owners, [outline], int(thing.index), shift=4)
    return owners.reshape(grid, fine, grid, fine).transpose(0, 2, 1, 3).reshape(grid * grid, fine * fine)


def main_owners(owners: np.ndarray, share: float = 0.25) -> np.ndarray:
    """(N,) the thing that covers most of each patch, -1 where less than `share` of it is covered."""
    count = int(owners.max()) + 1
    if count <= 0:
        return np.full(len(owners), -1)
    cover = (owners[:, :, None] == np.arange(count)).sum(1)
    best = cover.argmax(1)
    return np.where(cover.max(1) >= share * owners.shape[1], best, -1)
