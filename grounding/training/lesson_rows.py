"""Owns the way from lessons to what our model's forward takes: pictures in views, turns in rows, labels shifted.

Shapes: R rows, V views, M image tokens of the batch, P places of pictures in the texts, L tokens of the longest row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from grounding.data.lessons.lesson import Lesson, Turn, Words
from grounding.data.lessons.wording import PICTURE_MARK, Worded, worded
from grounding.data.sample import Sample
from grounding.errors import ConfigError, InputError, PromptTooLongError
from grounding.model.fusion import ANSWER, IMAGE, PAD, PROMPT
from grounding.model.processing import CROSS_ATTENTION, GroundingProcessor
from grounding.training.packing import pack
from grounding.training.phrase_places import ENDS, SHARES, covered

IGNORE = -100


@dataclass
class Row:
    """The tokens of one text, in order, and the pictures whose places are among them."""

    images: list[Image.Image] = field(default_factory=list)
    """In the order of their places."""
    ids: list[int] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    meant: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)
    """Of prompts about one picture that boxes answer: where the prompt ends, and the share (N,) of each of the
    picture's tokens that the boxes cover."""

    def add(self, ids: Sequence[int], role: int, segment: int, start: int, labels: Sequence[int] | None = None) -> None:
        """Appends tokens of one role, at positions from `start`; `labels`: what each of them should predict."""
        self.ids += ids
        self.roles += [role] * len(ids)
        self.segments += [segment] * len(ids)
        self.positions += range(start, start + len(ids))
        self.labels += labels if labels is not None else [IGNORE] * len(ids)


@dataclass
class Spoken:
    """A turn's tokens: its prompt with the image tokens of its pictures, and its answer."""

    prompt: list[int]
    answer: list[int]
    images: list[Image.Image]
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    """Those of the answer, px of its picture."""

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.answer) - 1


class LessonCollator:
    """Lessons -> the tensors of a pass: `pixel_values` (with `image_index`, `spatial_shapes`, `picture_tokens` where
    the model needs them), `input_ids`, `attention_mask`, `token_roles`, `segment_ids`, `position_ids`, `labels` (R, L),
    all padded right, and, where texts share rows, `document_ids`; and, with `where`, the ENDS and SHARES of phrases
    about one picture that boxes answer."""

    def __init__(
        self, processor: GroundingProcessor, most_tokens: int = 1024, pack: int = 0, where: bool = False
    ) -> None:
        """`most_tokens`: of a lesson, pictures included; turns that do not fit are left out, the first is always kept.
        `pack`: tokens of a row that several texts may share; 0: a row each. `where`: see `phrase_places`.
        Raises ConfigError where it is asked of a model whose pictures are no tokens."""
        self.processor, self.most_tokens, self.pack, self.where = processor, most_tokens, pack, where
        self.crossed = processor.fusion == CROSS_ATTENTION
        if where and self.crossed:
            raise ConfigError("where_weight asks for tokens of pictures, and cross-attention has none: set it to 0")
        self.blank = Image.new("RGB", (processor.image_processor.size,) * 2)

    def __call__(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        return self.tensors([row for lesson in lessons for row in self.prepare(lesson)])

    # ---- texts

    def prepare(self, lesson: Lesson, images: Sequence[Image.Image] | None = None) -> list[Row]:
        """A lesson's rows; none where the codec can say nothing of it. Raises GroundingError for one that is bad.

        `images`: its pictures, where they are open already.

        Turns by themselves share a row behind their pictures, as segments that do not see each other; where pictures
        stand within the prompts, or beside the text, each turn has a row of its own. Turns of a conversation are one
        segment, in which everything behind the first question is seen from behind only.
        """
        images = list(images if images is not None else (picture.open() for picture in lesson.pictures))
        canvases = [self.processor.canvas(*image.size) for image in images]
        texts = worded(lesson, self.processor.codec_object, canvases)
        if lesson.sequential:
            images = images[: pictures_shown(lesson, len(texts))]
        turns = self.spoken(texts, images, lesson.sequential)
        if not turns:
            return []
        if lesson.sequential:
            return [self.conversation(turns)]
        counts = self.picture_tokens(images)
        front = [self.processor.ids[3]] * sum(counts)
        if self.crossed or any(turn.prompt[: len(front)] != front for turn in turns):
            return self.apart(turns)
        return [self.together(turns, len(front))]

    def spoken(self, texts: Sequence[Worded], images: list[Image.Image], sequential: bool) -> list[Spoken]:
        """The turns' tokens, those left out whose prompts are longer than the model reads. In a conversation each
        picture stands once: at the marks of its turns, or, without any, in the first."""
        marks = [text.prompt.count(PICTURE_MARK) for text in texts]
        if sequential and not any(marks):
            marks = [len(images), *[0] * (len(texts) - 1)]
        elif not sequential:
            marks = [len(images)] * len(texts)
        if sequential and sum(marks) != len(images):
            raise InputError(f"{sum(marks)} places for pictures ({PICTURE_MARK}) in a conversation of {len(images)}")
        turns: list[Spoken] = []
        at = 0
        prompts = self.prompts([text.prompt for text in texts], marks)
        answers = self.processor.encode_answers([text.answer for text in texts]) if texts else []
        for text, ids, count, answer in zip(texts, prompts, marks, answers, strict=True):
            shown = images[at : at + count] if sequential else images
            at += count
            if ids is not None:
                ids = self.processor.with_pictures(ids, self.picture_tokens(shown))
                turns.append(Spoken(ids, answer, shown, boxes_of(text.turn)))
            elif sequential:
                break
        return turns

    def prompts(self, texts: Sequence[str], marks: Sequence[int]) -> list[list[int] | None]:
        """Tokens of each prompt, pictures as their marks; None where it is longer than the model reads."""
        try:
            return [*self.processor.encode_prompts(texts, marks)] if texts else []
        except PromptTooLongError:
            if len(texts) == 1:
                return [None]
            return [ids for text, mark in zip(texts, marks, strict=True) for ids in self.prompts([text], [mark])]

    def picture_tokens(self, images: Sequence[Image.Image]) -> list[int]:
        """How many tokens each picture takes in a text."""
        return [self.processor.text_tokens(*image.size) for image in images]

    def together(self, turns: Sequence[Spoken], shared: int) -> Row:
        """One row, the first `shared` tokens of which are the pictures that all turns are about."""
        row = Row(turns[0].images)
        row.add(turns[0].prompt[:shared], IMAGE, 0, 0)
        ask = self.where and len(row.images) == 1
        places = self.processor.layout(*row.images[0].size).places if ask else np.zeros((0, 4))
        for number, turn in enumerate(turns):
            if number and len(row.ids) + turn.length - shared > self.most_tokens:
                break
            prompt = turn.prompt[shared:]
            row.add(prompt, PROMPT, number, shared, asked(prompt, turn.answer))
            if ask and (shares := covered(places, turn.boxes)).any():
                row.meant.append((len(row.ids) - 1, shares))
            row.add(turn.answer[:-1], ANSWER, number, len(turn.prompt), turn.answer[1:])
        return row

    def apart(self, turns: Sequence[Spoken]) -> list[Row]:
        """A row for each turn, with its own places of the pictures."""
        rows: list[Row] = []
        used = 0
        for turn in turns:
            used += turn.length
            if rows and used > self.most_tokens:
                break
            row = Row(turn.images)
            self.add_prompt(row, turn, PROMPT, asked(turn.prompt, turn.answer))
            row.add(turn.answer[:-1], ANSWER, 0, len(turn.prompt), turn.answer[1:])
            rows.append(row)
        return rows

    def conversation(self, turns: Sequence[Spoken]) -> Row:
        """One row, each turn behind the one before and its end."""
        _, bos, end, _ = self.processor.ids
        row = Row([])
        for number, turn in enumerate(turns):
            if number:
                turn.prompt = [end, *turn.prompt[turn.prompt[0] == bos :]]
            if number and len(row.ids) + turn.length > self.most_tokens:
                break
            row.images += turn.images
            self.add_prompt(row, turn, ANSWER if number else PROMPT, asked(turn.prompt, turn.answer))
            row.add(turn.answer[:-1], ANSWER, 0, len(row.ids), turn.answer[1:])
        return row

    def add_prompt(self, row: Row, turn: Spoken, role: int, labels: list[int]) -> None:
        """Appends a prompt, its image tokens in their own role."""
        image, start = self.processor.ids[3], len(row.ids)
        row.add(turn.prompt, role, 0, start, labels)
        row.roles[start:] = [IMAGE if id_ == image else role for id_ in turn.prompt]

    # ---- tensors

    def tensors(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """What forward takes. Without any row, or without a picture in them, a blank picture that no text shows: then
        every process runs every part of the model, as it must where they wait for each other."""
        rows = list(rows) or [Row()]
        if self.crossed and not any(row.images for row in rows):
            rows.append(Row([self.blank], [self.processor.ids[3]], [IMAGE], [0], [0], [IGNORE]))
        images = list({id(image): image for row in rows for image in row.images}.values())
        numbers = {id(image): number for number, image in enumerate(images)}
        groups = pack([len(row.ids) for row in rows], self.pack) if self.pack else [[n] for n in range(len(rows))]
        places = [numbers[id(image)] for group in groups for number in group for image in rows[number].images]
        tensors = self.pictures(images, places)
        tensors.update(self.batch([[rows[number] for number in group] for group in groups]))
        return tensors

    def pictures(self, images: Sequence[Image.Image], places: Sequence[int]) -> dict[str, Any]:
        """Views of the pictures, each once; `places`: which picture stands at each place, in the order of the texts."""
        plain = list(places) == list(range(len(images))) and bool(images)
        made = dict(self.processor.image_processor(list(images) or [self.blank], index=self.crossed or not plain))
        counts = made.pop("picture_tokens", [])
        if not plain:
            parts = made["image_index"].split(counts)
            made["image_index"] = torch.cat([made["image_index"][:0], *(parts[place] for place in places)])
        if self.crossed:
            made["picture_tokens"] = torch.tensor([counts[place] for place in places], dtype=torch.long)
        return made

    def batch(self, groups: Sequence[Sequence[Row]]) -> dict[str, Tensor]:
        """Texts in rows of one length, padding on the right. `document_ids`: which text of its row a token is of."""
        longest = max(sum(len(row.ids) for row in group) for group in groups)
        longest += -longest % 16 or (0 if longest else 16)  # fewer shapes, which the matrix library caches
        fill = {"ids": self.processor.ids[0], "roles": PAD, "segments": 0, "positions": 0, "labels": IGNORE}
        names = {"input_ids": "ids", "token_roles": "roles", "segment_ids": "segments", "position_ids": "positions"}
        batch = {
            name: torch.tensor([padded([getattr(row, key) for row in group], fill[key], longest) for group in groups])
            for name, key in {**names, "labels": "labels"}.items()
        }
        batch["attention_mask"] = (batch["token_roles"] != PAD).long()
        if any(len(group) > 1 for group in groups):
            numbers = [[[number] * len(row.ids) for number, row in enumerate(group)] for group in groups]
            batch["document_ids"] = torch.tensor([padded(number, -1, longest) for number in numbers])
        return batch | (self.phrases(groups) if self.where else {})

    def phrases(self, groups: Sequence[Sequence[Row]]) -> dict[str, Tensor]:
        """What `phrase_places` asks about, of all rows."""
        ends: list[tuple[int, int, int]] = []
        found: list[NDArray[np.float32]] = []
        for number, group in enumerate(groups):
            start = 0
            for row in group:
                ends += [(number, start + place, start) for place, _ in row.meant]
                found += [shares for _, shares in row.meant]
                start += len(row.ids)
        shares = np.full((len(found), max(map(len, found), default=0)), -1, np.float32)
        for place, one in enumerate(found):
            shares[place, : len(one)] = one
        return {ENDS: torch.tensor(ends, dtype=torch.long).view(-1, 3), SHARES: torch.from_numpy(shares)}


def boxes_of(turn: Turn) -> tuple[tuple[float, float, float, float], ...]:
    """The boxes that answer a turn."""
    regions = turn.truth.regions if isinstance(turn, Sample) else turn.answer_regions
    return tuple(region.box for region in regions if region.box is not None)


def pictures_shown(lesson: Lesson, turns: int) -> int:
    """How many of its pictures the first turns of a conversation show: those whose places are in them, where it says
    places at all."""
    marks = [turn.prompt.count(PICTURE_MARK) if isinstance(turn, Words) else 0 for turn in lesson.turns]
    return sum(marks[:turns]) if turns < len(marks) and any(marks) else len(lesson.pictures)


def asked(prompt: Sequence[int], answer: Sequence[int]) -> list[int]:
    """Labels of a prompt: its last token predicts the first of the answer."""
    return [IGNORE] * (len(prompt) - 1) + list(answer[:1])


def padded(parts: Sequence[Sequence[int]], fill: int, length: int) -> list[int]:
    """The parts one after another, filled up to a length."""
    joined = [value for part in parts for value in part]
    return joined + [fill] * (length - len(joined))
