"""Owns the way from lessons to what our model's forward takes: pictures in views, turns in rows, labels shifted.

Shapes: B lessons, V views, M image tokens of the batch, L tokens of the longest row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.wording import texts_of
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT
from grounding.model.processing import GroundingProcessor

IGNORE = -100


@dataclass
class Row:
    """The tokens of one lesson, in order."""

    ids: list[int] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, ids: Sequence[int], role: int, segment: int, start: int, labels: Sequence[int] | None = None) -> None:
        """Appends tokens of one role, at positions from `start`; `labels`: what each of them should predict."""
        self.ids += ids
        self.roles += [role] * len(ids)
        self.segments += [segment] * len(ids)
        self.positions += range(start, start + len(ids))
        self.labels += labels if labels is not None else [IGNORE] * len(ids)


class LessonCollator:
    """Lessons -> the tensors of a step: `pixel_values` (with `image_index`, `spatial_shapes` where layouts need them),
    `input_ids`, `attention_mask`, `token_roles`, `segment_ids`, `position_ids`, `labels` (B, L), all padded right."""

    def __init__(self, processor: GroundingProcessor, most_tokens: int = 1024) -> None:
        """`most_tokens`: of a row, pictures included; turns that do not fit are left out, the first is always kept."""
        self.processor, self.most_tokens = processor, most_tokens

    def __call__(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        opened = [[picture.open() for picture in lesson.pictures] for lesson in lessons]
        pictures = self.processor.image_processor([image for images in opened for image in images])
        counts = pictures.pop("picture_tokens", None) or [self.processor.image_tokens] * sum(map(len, opened))
        rows, at = [], 0
        for lesson, images in zip(lessons, opened, strict=True):
            canvases = [self.processor.canvas(*image.size) for image in images]
            texts = texts_of(lesson, self.processor.codec_object, canvases)
            rows.append(self.row(texts, counts[at : at + len(images)], lesson.sequential))
            at += len(images)
        return {**dict(pictures), **self.batch(rows)}

    def row(self, texts: Sequence[tuple[str, str]], counts: Sequence[int], sequential: bool) -> Row:
        """One lesson's tokens. Turns by themselves are segments that do not see each other; turns of a conversation
        are one segment, in which everything behind the first question is seen from behind only."""
        image = self.processor.ids[3]
        row = Row()
        total = sum(counts)
        row.add([image] * total, IMAGE, 0, 0)
        prompts = self.processor.encode_prompts([prompt for prompt, _ in texts])
        answers = self.processor.encode_answers([answer for _, answer in texts])
        at = total
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            length = len(prompt) + len(answer) - 1
            if number and len(row.ids) + length > self.most_tokens:
                break
            start = at if sequential else total
            segment = 0 if sequential else number
            first = number == 0 or not sequential
            row.add(prompt, PROMPT if first else ANSWER, segment, start, [IGNORE] * (len(prompt) - 1) + answer[:1])
            row.add(answer[:-1], ANSWER, segment, start + len(prompt), answer[1:])
            at = start + length
        return row

    def batch(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """Rows of one length, padding on the right."""
        longest = max(len(row.ids) for row in rows)
        longest += -longest % 16  # fewer shapes, which the matrix library caches
        fill = {"ids": self.processor.ids[0], "roles": PAD, "segments": 0, "positions": 0, "labels": IGNORE}
        names = {"input_ids": "ids", "token_roles": "roles", "segment_ids": "segments", "position_ids": "positions"}
        batch = {
            name: torch.tensor([getattr(row, key) + [fill[key]] * (longest - len(row.ids)) for row in rows])
            for name, key in {**names, "labels": "labels"}.items()
        }
        batch["attention_mask"] = (batch["token_roles"] != PAD).long()
        return batch
