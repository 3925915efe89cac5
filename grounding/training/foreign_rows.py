"""Owns the way from lessons to what another family's forward takes: its processor's tensors, labels on answers alone.

A question's tokens are the very ones that asking makes (FamilyInputs); the answer's follow them, as the model would
write them. Shapes: R rows, L tokens of the longest, D of the longest answer of a decoder.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from grounding.data.lessons.lesson import Lesson
from grounding.data.lessons.wording import PICTURE_MARK, texts_of
from grounding.data.sample import Sample
from grounding.errors import ImageError
from grounding.training.foreign import ForeignProcessor
from grounding.training.lesson_rows import IGNORE

_LOG = logging.getLogger(__name__)
PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "image_embeds_position_mask")
"""Tensors of a processor that have a number for each token; all others are of pictures."""


@dataclass
class Asked:
    """A question as text with its pictures, and what follows it: answers, each with the text up to the next."""

    text: str
    images: list[Image.Image]
    answers: list[str | list[int]] = field(default_factory=list)
    """As text, or as the tokens that were written, the end among them where it was."""
    between: list[str] = field(default_factory=list)
    """Behind each answer but the last: what the chat template writes up to where the next one begins."""


class ForeignCollator:
    """Lessons -> the tensors of a step, padded right, and `labels` (R, L), of which each says what its place predicts.

    Turns by themselves have a row each. A conversation has one row where the family knows conversations (those asked by
    a chat template), with labels on every answer; with the others each of its turns is asked by itself. Families with
    an encoder have labels (R, D) for their decoder.
    """

    def __init__(self, processor: ForeignProcessor, most_tokens: int = 1 << 20) -> None:
        """`most_tokens`: of a conversation; answers behind that are left out, the first is kept wherever the model has
        room for it. `left_out` counts what was."""
        self.processor, self.most_tokens = processor, most_tokens
        self.coordinates = processor.locations
        self.left_out: Counter[str] = Counter()

    def __call__(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        return self.tensors([row for lesson in lessons for row in self.prepare(lesson)])

    # -- texts ---------------------------------------------------------------------------------------------------------

    def prepare(self, lesson: Lesson, images: Sequence[Image.Image] | None = None) -> list[Asked]:
        """The lesson's rows; none where the family can say nothing of it. `images`: its pictures, if they are open."""
        images = list(images if images is not None else (picture.open() for picture in lesson.pictures))
        check_sizes(lesson, images)
        texts = texts_of(lesson, self.processor.codec, [self.processor.canvas(*image.size) for image in images])
        if not texts:
            self.leave_out("lessons that the family cannot say")
            return []
        if self.processor.family.form == "chat":
            turns = [texts] if lesson.sequential else [[text] for text in texts]
            return [self.conversation(turn, images) for turn in turns]
        if len(images) != 1:
            self.leave_out("lessons with no picture or several, for a family that knows one")
            return []
        bare = [(prompt.replace(PICTURE_MARK, "").strip(), answer) for prompt, answer in texts]
        return [Asked(self.processor.text(prompt), images, [answer]) for prompt, answer in bare]

    def conversation(self, texts: Sequence[tuple[str, str]], images: list[Image.Image]) -> Asked:
        """Turns that know each other, by the chat template. All pictures stand in the first."""
        first, *rest = [prompt for prompt, _ in texts]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content_of(first, len(images))}]
        row = Asked(self.processor.chat(messages), images, [texts[0][1]])
        written = row.text + texts[0][1]
        for (_, before), (prompt, answer) in pairwise(texts):
            prompt = prompt.replace(PICTURE_MARK, "").strip()
            messages.append({"role": "assistant", "content": [{"type": "text", "text": before}]})
            messages.append({"role": "user", "content": [{"type": "text", "text": prompt}]})
            text = self.processor.chat(messages)
            if not text.startswith(written):  # templates that drop or trim what was said
                self.leave_out("turns whose answers the chat template changes", len(rest) + 1 - len(row.answers))
                break
            row.between.append(text[len(written) :])
            row.answers.append(answer)
            written = text + answer
        return row

    def leave_out(self, what: str, count: int = 1) -> None:
        """Counts it; the first of a kind is logged."""
        if what not in self.left_out:
            _LOG.warning("left out of what %s learns: %s", self.processor.name, what)
        self.left_out[what] += count

    # -- tensors -------------------------------------------------------------------------------------------------------

    def tensors(self, rows: Sequence[Asked]) -> dict[str, Tensor]:
        """What the model's forward takes, with `labels`. Of no rows: a question about nothing, with none."""
        rows = rows or [Asked(self.processor.text("nothing"), [Image.new("RGB", (64, 64))])]
        made = dict(self.processor.processed([row.text for row in rows], [row.images for row in rows]))
        if self.processor.encodes:
            made.update(self.decoded(rows))
        else:
            per_token = {name: made[name] for name in PER_TOKEN if name in made}
            made.update(self.extended(rows, per_token))
        kind = self.processor.dtype
        return {name: value.to(kind) if value.is_floating_point() else value for name, value in made.items()}

    def text_ids(self, text: str) -> list[int]:
        """The tokens of a text within a row."""
        ids: list[int] = self.processor.processor.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def answer_ids(self, answer: str | list[int]) -> list[int]:
        """The tokens that the model should write, the end last."""
        if not isinstance(answer, str):
            return answer
        if self.processor.encodes:
            ids: list[int] = self.processor.processor.tokenizer(answer).input_ids
            return ids
        return [*self.text_ids(answer), self.processor.end]

    def extended(self, rows: Sequence[Asked], per_token: dict[str, Tensor]) -> dict[str, Tensor]:
        """Questions with their answers behind them."""
        real = per_token["attention_mask"].bool()
        prompts = {
            name: [row[mask].tolist() for row, mask in zip(value, real, strict=True)]
            for name, value in per_token.items()
        }
        further: list[list[int]] = []
        labels: list[list[int]] = []
        for row, prompt in zip(rows, prompts["input_ids"], strict=True):
            ids, marked = self.answered(row, len(prompt))
            further.append(ids)
            labels.append(marked)
        longest = max(len(marked) for marked in labels)
        fill = {"input_ids": self.processor.pad}
        behind = {"attention_mask": 1, "token_type_ids": self.processor.family.answer_type}
        tensors: dict[str, Tensor] = {}
        for name, values in prompts.items():
            whole = [
                value + (ids if name == "input_ids" else [behind.get(name, 0)] * len(ids))
                for value, ids in zip(values, further, strict=True)
            ]
            padded = [row + [fill.get(name, 0)] * (longest - len(row)) for row in whole]
            tensors[name] = torch.tensor(padded, dtype=per_token[name].dtype)
        tensors["labels"] = torch.tensor([row + [IGNORE] * (longest - len(row)) for row in labels])
        return tensors

    def answered(self, row: Asked, length: int) -> tuple[list[int], list[int]]:
        """What follows a question of `length` tokens, and the whole row's labels."""
        ids: list[int] = []
        labels = [IGNORE] * length
        for number, answer in enumerate(row.answers):
            written = self.answer_ids(answer)
            before = self.text_ids(row.between[number - 1]) if number else []
            most = min(self.most_tokens, self.processor.places) if number else self.processor.places
            if length + len(ids) + len(before) + len(written) > most:
                self.leave_out("answers that there is no room for", len(row.answers) - number)
                break
            if number:
                ids += before
                labels += [IGNORE] * len(before)
            labels[-1:] = written  # the place before each token predicts it
            ids += written[:-1]
        return ids, labels

    def decoded(self, rows: Sequence[Asked]) -> dict[str, Tensor]:
        """Of families with an encoder: what the decoder reads, and what each place of it predicts."""
        labels = [self.answer_ids(row.answers[0]) if row.answers else [IGNORE] for row in rows]
        for number, ids in enumerate(labels):
            if len(ids) > self.processor.places:
                self.leave_out("answers that there is no room for")
                labels[number] = [IGNORE]
        longest = max(map(len, labels))
        pad, start = self.processor.pad, self.processor.start
        inputs = [[start, *(pad if id_ == IGNORE else id_ for id_ in ids[:-1])] for ids in labels]
        return {
            "decoder_input_ids": torch.tensor([row + [pad] * (longest - len(row)) for row in inputs]),
            "decoder_attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in inputs]),
            "labels": torch.tensor([row + [IGNORE] * (longest - len(row)) for row in labels]),
        }


def content_of(prompt: str, pictures: int) -> list[dict[str, Any]]:
    """A chat message's parts: pictures where the prompt marks their places, those without a place before it."""
    pieces = prompt.split(PICTURE_MARK)
    if len(pieces) - 1 > pictures:  # marks that no picture belongs to are words
        pieces = [*pieces[:pictures], PICTURE_MARK.join(pieces[pictures:])]
    content: list[dict[str, Any]] = [{"type": "image"}] * (pictures - len(pieces) + 1)
    for number, piece in enumerate(pieces):
        if number:
            content.append({"type": "image"})
        if piece.strip():
            content.append({"type": "text", "text": piece.strip("\n") if len(pieces) > 1 else piece})
    return content


def check_sizes(lesson: Lesson, images: Sequence[Image.Image]) -> None:
    """Raises ImageError where a picture has another size than its boxes count along."""
    for turn in lesson.turns:
        if isinstance(turn, Sample) and turn.size != images[0].size:
            wide, high = images[0].size
            raise ImageError(
                f"the picture of {lesson.id!r} has {wide} x {high} pixels, but its boxes are in {turn.size[0]} x "
                f"{turn.size[1]}: every box would lie on the wrong pixels; get the original picture, or say that these "
                "are stretched copies (options: {stretched: true})"
            )
