"""Owns the way from questions to answers that a model draws itself, and from these to what it learns: for any model.

`Questions` is what a reward stage needs of a model besides its weights. B questions, A answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from grounding.codecs.base import Codec
from grounding.data.sample import Sample
from grounding.images import Canvas
from grounding.model.processing import GroundingProcessor
from grounding.training.foreign import ForeignProcessor
from grounding.training.foreign_rows import Asked, ForeignCollator
from grounding.training.lesson_rows import LessonCollator, Spoken


class Questions(ABC):
    """What a model is asked and what it learns from its answers."""

    tokenizer: Any
    codec: Codec
    padded: bool = True
    """Whether shorter questions may be padded; if not, only the same are asked together."""
    begins_anew: bool
    """Whether generate gives answers behind a start token alone, as an encoder reads the question."""

    def ask(self, sample: Sample, image: Image.Image) -> tuple[Any, Canvas]:
        """The question as `inputs` and `learned` take it, and what the answer's coordinates count along.

        Raises ImageError, PromptError or InputError for what can't be asked.
        """
        canvas = self.canvas(*image.size)
        prompt = self.codec.prompt(
            sample.task, sample.phrase, names=sample.names, box=sample.box, point=sample.point, canvas=canvas
        )
        return self.row(prompt, image), canvas

    @abstractmethod
    def canvas(self, width: int, height: int) -> Canvas:
        """What the codec's coordinates count along."""

    @abstractmethod
    def row(self, prompt: str, image: Image.Image) -> Any:
        """A question about a picture."""

    @abstractmethod
    def inputs(self, rows: Sequence[Any]) -> Mapping[str, Any]:
        """What generate takes, of B questions."""

    @abstractmethod
    def learned(self, rows: Sequence[Any], answers: Sequence[list[int]]) -> dict[str, Tensor]:
        """What forward takes with `labels`, a row for each answer, whose tokens are what its places predict."""

    @abstractmethod
    def text(self, ids: Sequence[int]) -> str:
        """An answer's tokens as text, as the codec reads it."""


class ForeignQuestions(Questions):
    """Of a checkpoint of another family."""

    def __init__(self, processor: ForeignProcessor) -> None:
        self.processor, self.codec = processor, processor.codec
        self.tokenizer = processor.processor.tokenizer
        self.collator = ForeignCollator(processor)
        self.begins_anew, self.padded = processor.encodes, processor.family.padded

    def canvas(self, width: int, height: int) -> Canvas:
        return self.processor.canvas(width, height)

    def row(self, prompt: str, image: Image.Image) -> Asked:
        return Asked(self.processor.text(prompt), [image])

    def inputs(self, rows: Sequence[Asked]) -> Mapping[str, Any]:
        self.tokenizer.padding_side = "right" if self.begins_anew else "left"
        made = self.processor.processed([row.text for row in rows], [row.images for row in rows])
        kind = self.processor.dtype
        return {name: value.to(kind) if value.is_floating_point() else value for name, value in made.items()}

    def learned(self, rows: Sequence[Asked], answers: Sequence[list[int]]) -> dict[str, Tensor]:
        return self.collator.tensors(
            [Asked(row.text, row.images, [ids]) for row, ids in zip(rows, answers, strict=True)]
        )

    def text(self, ids: Sequence[int]) -> str:
        words: str = self.tokenizer.decode(
            [id_ for id_ in ids if id_ not in self.processor.ends and id_ != self.processor.pad],
            skip_special_tokens=False,
            clean_up_tokenization_spaces=False,
        )
        return words


class OwnQuestions(Questions):
    """Of a model of ours."""

    begins_anew = False

    def __init__(self, processor: GroundingProcessor) -> None:
        self.processor, self.codec = processor, processor.codec_object
        self.tokenizer = processor.tokenizer
        self.collator = LessonCollator(processor)

    def canvas(self, width: int, height: int) -> Canvas:
        return self.processor.canvas(width, height)

    def row(self, prompt: str, image: Image.Image) -> tuple[str, Image.Image]:
        self.processor.encode_prompts([prompt])
        return prompt, image

    def inputs(self, rows: Sequence[tuple[str, Image.Image]]) -> Mapping[str, Any]:
        return dict(self.processor([[image] for _, image in rows], [prompt for prompt, _ in rows]))

    def learned(self, rows: Sequence[tuple[str, Image.Image]], answers: Sequence[list[int]]) -> dict[str, Tensor]:
        made = []
        for (prompt, image), ids in zip(rows, answers, strict=True):
            question = self.processor.encode_prompts([prompt], [1])[0]
            question = self.processor.with_pictures(question, self.collator.picture_tokens([image]))
            made += self.collator.apart([Spoken(question, ids, [image])])
        return self.collator.tensors(made)

    def text(self, ids: Sequence[int]) -> str:
        return self.processor.text(ids)


def questions_of(processor: GroundingProcessor | ForeignProcessor) -> Questions:
    """What goes with a processor."""
    return ForeignQuestions(processor) if isinstance(processor, ForeignProcessor) else OwnQuestions(processor)
